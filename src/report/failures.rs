//! Failed recipients as CSV or JSON.

use serde_json::json;

use crate::outcome::Answer;
use crate::state::Failure;
use crate::timpush;

/// Version of the JSON form.
const FORMAT: &str = "pushplan.failures/1";

/// The vendor's words, or ours where it had none.
fn words(answer: &Answer) -> &str {
    match timpush::hint(answer.code) {
        Some(hint) if answer.text.is_empty() => hint,
        _ => &answer.text,
    }
}

/// With a header: `account,code,text,batch`.
pub fn csv(failures: &[Failure]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = || -> csv::Result<()> {
        writer.write_record(["account", "code", "text", "batch"])?;
        for Failure { batch, failed } in failures {
            let (code, batch) = (failed.answer.code.to_string(), batch.to_string());
            writer.write_record([failed.account.as_str(), &code, words(&failed.answer), &batch])?;
        }
        Ok(())
    };
    write().expect("writing to memory does not fail");
    let bytes = writer.into_inner().expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("text in, text out")
}

/// For machines.
pub fn json(run: &str, failures: &[Failure]) -> String {
    let failures: Vec<_> = failures
        .iter()
        .map(|Failure { batch, failed }| {
            json!({ "account": failed.account, "code": failed.answer.code, "text": words(&failed.answer), "batch": batch })
        })
        .collect();
    super::json_text(&json!({ "format": FORMAT, "run": run, "failures": failures }))
}
