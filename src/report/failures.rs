//! Failed recipients as CSV or JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::outcome::Answer;
use crate::state::Failure;
use crate::timpush;

/// Name and version of the JSON form.
pub const FORMAT: &str = "pushplan.failures/1";

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

/// `failures --format json`: the failed recipients of a run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailureList<'a> {
    /// Name and version of this form.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// The run's id.
    run: &'a str,
    /// One a recipient, in the order of their batches.
    failures: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Entry<'a> {
    /// The UserID.
    account: &'a str,
    /// The vendor's code; 0 where the failure was not the vendor's to number.
    code: i64,
    /// The vendor's words, or what the code is known to mean.
    text: &'a str,
    /// Number of the batch in its run, from 1.
    batch: u32,
}

/// For machines.
pub fn json(run: &str, failures: &[Failure]) -> String {
    let failures = failures
        .iter()
        .map(|Failure { batch, failed }| Entry {
            account: &failed.account,
            code: failed.answer.code,
            text: words(&failed.answer),
            batch: *batch,
        })
        .collect();
    super::json_text(&FailureList { format: FORMAT, run, failures })
}
