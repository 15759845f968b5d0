//! Failed recipients as CSV or JSON.

use serde_json::json;

use crate::state::Failure;

/// Version of the JSON form.
const FORMAT: &str = "pushplan.failures/1";

/// With a header: `account,code,text,batch`.
pub fn csv(failures: &[Failure]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = || -> csv::Result<()> {
        writer.write_record(["account", "code", "text", "batch"])?;
        for Failure { batch, failed } in failures {
            let answer = &failed.answer;
            writer.write_record([
                &failed.account,
                &answer.code.to_string(),
                &answer.text,
                &batch.to_string(),
            ])?;
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
            json!({ "account": failed.account, "code": failed.answer.code, "text": failed.answer.text, "batch": batch })
        })
        .collect();
    super::json_text(&json!({ "format": FORMAT, "run": run, "failures": failures }))
}
