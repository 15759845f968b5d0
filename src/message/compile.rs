//! From a message's tree to the steps that write it.

use std::sync::Arc;

use super::escape::escape_into;
use super::place;
use super::program::{Step, Templates, Use};
use super::template::{Body, Mistake, Segment, Template};
use crate::campaign::{Document, Node};
use crate::diagnostic::Diagnostics;

/// Collects steps and mistakes while it walks a tree. Until [`Compiler::finish`] the columns stand in the
/// order in which they were met.
pub(super) struct Compiler<'d> {
    document: &'d Document,
    templates: Templates,
    mistakes: Diagnostics,
}

impl<'d> Compiler<'d> {
    pub(super) fn new(document: &'d Document, constants: &[(&str, &str)]) -> Self {
        let constants = constants.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let templates = Templates { constants, columns: Vec::new(), uses: Vec::new(), steps: Vec::new() };
        Self { document, templates, mistakes: Diagnostics::new() }
    }

    /// Writes a node as JSON text that stands inside `depth` nested JSON strings.
    pub(super) fn node(&mut self, node: &Node, depth: u8) {
        match node {
            Node::Literal(json) => self.write(&json.to_string(), depth),
            Node::Text { text, pointer } => {
                self.write("\"", depth);
                self.template(text, pointer, depth + 1);
                self.write("\"", depth);
            }
            Node::JsonText(inner) => {
                self.write("\"", depth);
                self.node(inner, depth + 1);
                self.write("\"", depth);
            }
            Node::List(items) => {
                self.write("[", depth);
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.write(",", depth);
                    }
                    self.node(item, depth);
                }
                self.write("]", depth);
            }
            Node::Object(entries) => {
                self.write("{", depth);
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        self.write(",", depth);
                    }
                    self.write("\"", depth);
                    self.write(key, depth + 1);
                    self.write("\":", depth);
                    self.node(value, depth);
                }
                self.write("}", depth);
            }
        }
    }

    /// Writes what a template comes to, inside `depth` nested JSON strings.
    pub(super) fn template(&mut self, text: &str, pointer: &str, depth: u8) {
        let template = match Template::compile(text) {
            Ok(template) => template,
            Err(mistakes) => {
                for mistake in mistakes {
                    self.mistakes.push(place::diagnostic(self.document, pointer, text, mistake));
                }
                return;
            }
        };
        let field: Arc<str> = pointer.into();
        for variable in template.variables {
            if self.constant(&variable.name).is_some() {
                continue;
            }
            let unknown = Mistake {
                code: "unknown-variable",
                message: format!("no column of the audience is called `{}`", variable.name),
                help: None,
                at: variable.at,
            };
            let unknown = place::diagnostic(self.document, pointer, text, unknown);
            self.column(&variable.name);
            self.templates.uses.push(Use { column: variable.name, unknown });
        }
        match template.body {
            Body::Engine(template) => self.templates.steps.push(Step::Engine { template, depth, field }),
            Body::Segments(segments) => {
                for segment in segments {
                    match segment {
                        Segment::Text(text) => self.write(&text, depth),
                        Segment::Variable(name) => {
                            if let Some(value) = self.constant(&name) {
                                self.write(&value, depth);
                            } else {
                                let column = self.column(&name);
                                let field = Arc::clone(&field);
                                self.templates.steps.push(Step::Column { column, depth, field });
                            }
                        }
                    }
                }
            }
        }
    }

    /// The program, its columns sorted, or every mistake.
    pub(super) fn finish(self) -> Result<Templates, Diagnostics> {
        if !self.mistakes.is_empty() {
            return Err(self.mistakes);
        }
        let mut templates = self.templates;
        let met = std::mem::take(&mut templates.columns);
        templates.columns.clone_from(&met);
        templates.columns.sort_unstable();
        for step in &mut templates.steps {
            if let Step::Column { column, .. } = step {
                *column = templates.columns.binary_search(&met[*column]).expect("sorted from the same names");
            }
        }
        Ok(templates)
    }

    /// Writes constant text; neighbours become one step.
    fn write(&mut self, text: &str, depth: u8) {
        if let Some(Step::Text(last)) = self.templates.steps.last_mut() {
            escape_into(last, text, depth);
        } else {
            let mut first = String::new();
            escape_into(&mut first, text, depth);
            self.templates.steps.push(Step::Text(first));
        }
    }

    fn constant(&self, name: &str) -> Option<String> {
        self.templates.constants.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn column(&mut self, name: &str) -> usize {
        let columns = &mut self.templates.columns;
        columns.iter().position(|known| known == name).unwrap_or_else(|| {
            columns.push(name.to_owned());
            columns.len() - 1
        })
    }
}
