//! A whole message as a short program: constant JSON text, columns, and templates that need the engine.

use std::sync::Arc;

use super::compile::Compiler;
use super::escape::escape_into;
use super::render::{Fault, RenderError, context, plain_text, run};
use crate::audience::Value;
use crate::campaign::{Document, MessageSpec};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};

/// The checked templates of one message.
#[derive(Debug)]
pub struct Templates {
    pub(super) constants: Vec<(String, String)>,
    /// Sorted, each once.
    pub(super) columns: Vec<String>,
    pub(super) uses: Vec<Use>,
    pub(super) steps: Vec<Step>,
}

/// One use of a column by a template.
#[derive(Debug)]
pub(super) struct Use {
    pub column: String,
    /// The mistake it is where no column has this name; made while the text to place it in is at hand.
    pub unknown: Diagnostic,
}

#[derive(Debug)]
pub(super) enum Step {
    /// Written as it is.
    Text(String),
    /// A value of the row, escaped as deep as it stands in strings.
    Column { column: usize, depth: u8, field: Arc<str> },
    /// A template's result, escaped likewise.
    Engine { template: handlebars::Template, depth: u8, field: Arc<str> },
}

impl Templates {
    /// Checks every template of a message and prepares it for rendering.
    ///
    /// `constants` are variables with one value for the whole run: `campaign` and `occurrence`. They hide
    /// columns of the same name.
    ///
    /// # Errors
    /// Every mistake of every template, each at its place in the campaign file: what does not parse, unknown
    /// helpers, arguments a helper does not take, and what cannot be known without a row.
    pub fn compile(
        document: &Arc<Document>,
        message: &MessageSpec,
        constants: &[(&str, &str)],
    ) -> Result<Self, Diagnostics> {
        let mut compiler = Compiler::new(document, constants);
        compiler.node(&message.root, 0);
        compiler.finish()
    }

    /// The columns the templates use, sorted, each once, without the constants. Two rows that agree on them
    /// render to the same message.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The uses of variables that are no column of the audience, each at its place, with the nearest column.
    pub fn check_columns(&self, columns: &[String]) -> Diagnostics {
        let mut mistakes = Diagnostics::new();
        for used in self.uses.iter().filter(|used| !columns.contains(&used.column)) {
            let constants = self.constants.iter().map(|(name, _)| &name[..]);
            let help = match nearest(&used.column, columns.iter().map(String::as_str).chain(constants)) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("the audience's columns are {}", columns.join(", ")),
            };
            mistakes.push(used.unknown.clone().help(help));
        }
        mistakes
    }

    /// The message for the values of [`Self::columns`], in that order: compact JSON text, its keys in the
    /// order of the campaign's message.
    ///
    /// # Errors
    /// The first value that a template cannot do with: missing, null, or refused by a helper.
    ///
    /// # Panics
    /// If there are not as many values as columns, which is the caller's mistake.
    pub fn render(&self, values: &[Value<'_>]) -> Result<String, RenderError> {
        assert_eq!(values.len(), self.columns.len(), "one value a column");
        // Sized for values of an ordinary length. Millions of messages may be kept, so what was not needed
        // is given back.
        let mut out = String::with_capacity(self.steps.iter().map(Step::usual_len).sum());
        let mut data = None;
        for step in &self.steps {
            match step {
                Step::Text(text) => out.push_str(text),
                Step::Column { column, depth, field } => {
                    let text = plain_text(&self.columns[*column], &values[*column])
                        .map_err(|fault| fault.in_field(field))?;
                    escape_into(&mut out, text, *depth);
                }
                Step::Engine { template, depth, field } => {
                    let in_field = |fault: Fault| fault.in_field(field);
                    let data = match &data {
                        Some(data) => data,
                        None => data.insert(self.data(values).map_err(in_field)?),
                    };
                    escape_into(&mut out, &run(template, data).map_err(in_field)?, *depth);
                }
            }
        }
        out.shrink_to_fit();
        Ok(out)
    }

    fn data(&self, values: &[Value<'_>]) -> Result<handlebars::Context, Fault> {
        context(
            self.constants.iter().map(|(name, value)| (&name[..], &value[..])),
            self.columns.iter().map(String::as_str).zip(values.iter().copied()),
        )
    }
}

impl Step {
    fn usual_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Column { .. } => 24,
            Self::Engine { .. } => 64,
        }
    }
}
