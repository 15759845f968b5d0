//! The DataId of a batch: a template over `campaign`, `occurrence` and `batch`.

use std::sync::Arc;

use super::compile::Compiler;
use super::program::Templates;
use super::render::{Fault, RenderError, Why};
use crate::audience::Value;
use crate::campaign::Document;
use crate::diagnostic::Diagnostics;

/// Most bytes a DataId may have (trtc.io document 67553).
pub const DATA_ID_BYTES_MAX: usize = 64;

const POINTER: &str = "/data_id";
const BATCH: &str = "batch";

/// A checked DataId template.
#[derive(Debug)]
pub struct DataId {
    templates: Templates,
}

impl DataId {
    /// Checks a DataId template and its length for batches up to `largest_batch`.
    ///
    /// `constants` are `campaign` and `occurrence`. A template without `{{batch}}` is allowed: the vendor
    /// needs no unique DataId, and MsgRandom tells the batches apart.
    ///
    /// # Errors
    /// At `/data_id`: every mistake of the template, a variable that is not one of the three, and a DataId of
    /// more than [`DATA_ID_BYTES_MAX`] bytes or none.
    pub fn compile(
        document: &Arc<Document>,
        template: &str,
        constants: &[(&str, &str)],
        largest_batch: u32,
    ) -> Result<Self, Diagnostics> {
        let mut compiler = Compiler::new(document, constants);
        compiler.template(template, POINTER, 0);
        let mut templates = compiler.finish()?;
        let known: Vec<&str> = constants.iter().map(|(name, _)| *name).chain([BATCH]).collect();
        let mut mistakes = Diagnostics::new();
        for used in templates.uses.drain(..).filter(|used| used.column != BATCH) {
            let mut unknown = used.unknown;
            unknown.message =
                format!("a DataId has no variable `{}`: a batch has many recipients", used.column);
            mistakes.push(unknown.help(format!("its variables are {}", known.join(", "))));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let data_id = Self { templates };
        for batch in [1, largest_batch] {
            data_id.render(batch).map_err(|error| {
                let message = match &error.why {
                    Why::Helper(message) => message.clone(),
                    _ => error.to_string(),
                };
                document
                    .at_value(POINTER, "bad-data-id", format!("the DataId of batch {batch} {message}"))
                    .help("shorten it; {{campaign}}/{{occurrence}}/{{batch}} is the default")
            })?;
        }
        Ok(data_id)
    }

    /// Does it name the run, by the values of all `constants`? Then no batch of another run has the same.
    pub fn names(&self, constants: &[(&str, &str)]) -> bool {
        self.render(1).is_ok_and(|first| constants.iter().all(|(_, value)| first.contains(value)))
    }

    /// The DataId of a batch, 1 to [`DATA_ID_BYTES_MAX`] bytes long.
    ///
    /// # Errors
    /// Where a template with branches comes to something else for this batch than for those it was checked
    /// with, and that is refused.
    pub fn render(&self, batch: u32) -> Result<String, RenderError> {
        let batch = batch.to_string();
        let values: &[Value<'_>] = match self.templates.columns() {
            [] => &[],
            _ => &[Value::Number(&batch)],
        };
        let text = self.templates.render(values)?;
        match text.len() {
            1..=DATA_ID_BYTES_MAX => Ok(text),
            0 => Err(Fault::helper("is empty").in_field(POINTER)),
            bytes => {
                Err(Fault::helper(format!("is {bytes} bytes long, more than {DATA_ID_BYTES_MAX}: {text}"))
                    .in_field(POINTER))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DataId;
    use crate::message::tests::document;

    const CONSTANTS: &[(&str, &str)] = &[("campaign", "autumn-sale"), ("occurrence", "20261124T0900Z")];

    fn data_id(template: &str) -> Result<DataId, Vec<String>> {
        let document = document(&format!("data_id: '{template}'\n"), &[("/data_id", template)]);
        DataId::compile(&document, template, CONSTANTS, 999_999)
            .map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.message).collect())
    }

    #[test]
    fn the_default_names_campaign_occurrence_and_batch() {
        let data_id = data_id("{{campaign}}/{{occurrence}}/{{batch}}").unwrap();
        assert_eq!(data_id.render(7).unwrap(), "autumn-sale/20261124T0900Z/7");
    }

    #[test]
    fn batch_may_be_left_out() {
        assert_eq!(data_id("{{upper campaign}}").unwrap().render(7).unwrap(), "AUTUMN-SALE");
    }

    #[test]
    fn the_limit_is_in_bytes_at_the_largest_batch() {
        let just = format!("{}é{{{{batch}}}}", "x".repeat(64 - 2 - 6));
        assert_eq!(data_id(&just).unwrap().render(999_999).unwrap().len(), 64);
        let longer = format!("x{just}");
        assert_eq!(
            data_id(&longer).unwrap_err(),
            [format!("the DataId of batch 999999 is 65 bytes long, more than 64: {}é999999", "x".repeat(57))]
        );
    }

    #[test]
    fn a_branch_taken_by_one_batch_alone_is_held_to_the_limit_too() {
        let template = format!("{{{{#if (eq batch 5)}}}}{}{{{{/if}}}}x", "y".repeat(64));
        let data_id = data_id(&template).unwrap();
        assert!(data_id.render(4).is_ok());
        assert!(data_id.render(5).unwrap_err().to_string().contains("65 bytes"));
    }

    #[test]
    fn a_column_of_the_audience_is_refused() {
        assert_eq!(
            data_id("{{user_id}}/{{batch}}").unwrap_err(),
            ["a DataId has no variable `user_id`: a batch has many recipients"]
        );
        assert_eq!(data_id("").unwrap_err(), ["the DataId of batch 1 is empty"]);
    }
}
