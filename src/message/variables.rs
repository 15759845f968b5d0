//! Which variables a template uses, found on its syntax tree before there is a row.
//!
//! On the way the tree is made strict: a plain `{{column}}` becomes a call of `print`, and an argument of one
//! of Handlebars' own helpers is wrapped in `need`. Handlebars' strict mode would let `{{#if missing}}` pass
//! and write null as nothing.
//!
//! Whatever cannot be known here is refused with the reason: a column that only the data names would be found
//! missing row by row.

use std::collections::HashMap;
use std::ops::Range;

use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, Subexpression, TemplateElement};
use handlebars::{Path, PathSeg};
use serde_json::Value as Json;

use super::helpers::{self, Given, HELPERS, Kind, NEED, PRINT};
use super::template::{Mistake, Variable, offset};
use crate::diagnostic::nearest;

/// What a bare name means where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// A column.
    Row,
    /// A field of what `with` names.
    With,
    /// A field of one of `each`'s items; `with` inside it too, so that no loop runs in a loop.
    Each,
}

/// Finds every use of a variable and makes the template strict.
pub(super) fn check(text: &str, template: &mut handlebars::Template) -> Result<Vec<Variable>, Vec<Mistake>> {
    let mut walk = Walk { text, at: 0, variables: Vec::new(), mistakes: Vec::new() };
    walk.template(template, Scope::Row);
    if walk.mistakes.is_empty() { Ok(walk.variables) } else { Err(walk.mistakes) }
}

struct Walk<'t> {
    text: &'t str,
    /// Where the element that is being looked at begins.
    at: usize,
    variables: Vec<Variable>,
    mistakes: Vec<Mistake>,
}

impl Walk<'_> {
    fn template(&mut self, template: &mut handlebars::Template, scope: Scope) {
        for (number, element) in template.elements.iter_mut().enumerate() {
            // The block that an `{{else if}}` is turned into has no place of its own: it follows the last one.
            if let Some(mapping) = template.mapping.get(number) {
                self.at = offset(self.text, mapping.0, mapping.1);
            }
            self.element(element, scope);
        }
    }

    fn element(&mut self, element: &mut TemplateElement, scope: Scope) {
        use TemplateElement as Element;
        match element {
            Element::RawString(_) | Element::Comment(_) => {}
            Element::Expression(call) | Element::HtmlExpression(call) => self.expression(call, scope),
            Element::HelperBlock(call) => self.block(call, scope),
            Element::PartialExpression(part) | Element::PartialBlock(part) => {
                self.unsupported(part, "there are no partials", "write the text where it belongs");
            }
            Element::DecoratorExpression(part) | Element::DecoratorBlock(part) => {
                self.unsupported(part, "there are no decorators", "remove it");
            }
            _ => self.mistake("bad-template", "", "this is not supported in a message", "remove it"),
        }
    }

    fn expression(&mut self, call: &mut HelperTemplate, scope: Scope) {
        if !call.params.is_empty() || !call.hash.is_empty() {
            self.call(call, scope, false);
            return;
        }
        let Parameter::Path(path) = &call.name else {
            self.mistake(
                "bad-template",
                "",
                "the name of a helper cannot be computed",
                "write the call itself, without the brackets: {{upper city}}",
            );
            return;
        };
        if let Some(helper) = helpers::find(raw(path)) {
            let message = format!("`{0}` is a helper and has no arguments here", helper.name);
            let help = format!(
                "write {}, or {{{{this.{}}}}} for a column of that name",
                helper.example, helper.name
            );
            self.mistake("helper-arguments", helper.name, message, help);
            return;
        }
        self.path(path, scope);
        let name = std::mem::replace(&mut call.name, Parameter::Name(PRINT.to_owned()));
        call.params.push(name);
    }

    fn block(&mut self, call: &mut HelperTemplate, scope: Scope) {
        let name = call.name.as_name().unwrap_or_default().to_owned();
        self.call(call, scope, true);
        let inner = match &name[..] {
            "each" if scope == Scope::Each => {
                self.mistake(
                    "bad-template",
                    "each",
                    "an `each` stands inside another",
                    "a loop in a loop makes a message as long as the data likes; give the audience a flat list",
                );
                return;
            }
            "each" => Scope::Each,
            "with" if scope == Scope::Row => Scope::With,
            _ => scope,
        };
        if call.block_param.is_some() && !matches!(&name[..], "each" | "with") {
            let message = format!("`{name}` gives no block parameter");
            self.mistake("helper-arguments", "as", message, "remove `as |…|`");
        }
        // What a block parameter names is inside the block's own value, as every bare name there is.
        if let Some(template) = &mut call.template {
            self.template(template, inner);
        }
        if let Some(inverse) = &mut call.inverse {
            self.template(inverse, scope);
        }
    }

    /// A helper with its arguments.
    fn call(&mut self, call: &mut HelperTemplate, scope: Scope, block: bool) {
        let name = call.name.as_name().unwrap_or_default().to_owned();
        let Some(helper) = helpers::find(&name) else {
            self.unknown_helper(&name);
            return;
        };
        if block && !helper.block {
            let message = format!("`{name}` is no block");
            let help = format!("write {}", helper.example);
            self.mistake("helper-arguments", &name, message, help);
        }
        if !block && helper.block {
            let message = format!("`{name}` is a block");
            let help = format!("write {}", helper.example);
            self.mistake("helper-arguments", &name, message, help);
        }
        if !helper.params.contains(&call.params.len()) {
            let (least, most) = (helper.params.start(), helper.params.end());
            let wanted = if least == most { format!("{least}") } else { format!("{least} to {most}") };
            let message = format!("`{name}` takes {wanted} arguments, not {}", call.params.len());
            self.mistake("helper-arguments", &name, message, format!("write {}", helper.example));
        }
        for option in call.hash.keys().filter(|option| !helper.options.contains(&option.as_str())) {
            let message = format!("`{name}` has no option `{option}`");
            let help = match (nearest(option, helper.options.iter().copied()), helper.options) {
                (Some(known), _) => format!("did you mean `{known}`?"),
                (None, []) => "it has none".to_owned(),
                (None, options) => format!("it has {}", options.join(", ")),
            };
            self.mistake("helper-arguments", option, message, help);
        }
        if let Kind::Own { check: Some(check), .. } = &helper.kind
            && let Err(message) = check(&Literals { params: &call.params, options: &call.hash })
        {
            let help = format!("write {}", helper.example);
            self.mistake("helper-arguments", &name, format!("{name}: {message}"), help);
        }
        for param in &mut call.params {
            self.argument(param, scope);
            if matches!(helper.kind, Kind::Engine) && matches!(param, Parameter::Path(_)) {
                let path = std::mem::replace(param, Parameter::Literal(Json::Null));
                let need = Parameter::Name(NEED.to_owned());
                *param = Parameter::Subexpression(Subexpression::new(need, vec![path], HashMap::new()));
            }
        }
        for option in call.hash.values_mut() {
            self.argument(option, scope);
        }
    }

    fn argument(&mut self, argument: &mut Parameter, scope: Scope) {
        match argument {
            Parameter::Path(path) => self.path(path, scope),
            Parameter::Subexpression(sub) => match sub.element.as_mut() {
                TemplateElement::Expression(call) if !call.params.is_empty() || !call.hash.is_empty() => {
                    self.call(call, scope, false);
                }
                _ => self.mistake(
                    "helper-arguments",
                    "(",
                    "brackets hold a helper with arguments",
                    "write a variable without them",
                ),
            },
            _ => {}
        }
    }

    fn path(&mut self, path: &Path, scope: Scope) {
        let raw = raw(path);
        let segments = match path {
            Path::Local((0, name, _))
                if scope == Scope::Each && matches!(&name[..], "index" | "key" | "first" | "last") =>
            {
                return;
            }
            Path::Local(_) => {
                let message = format!("there is no `{raw}` here");
                let help = "@index, @key, @first and @last stand inside `each`; @root.column is a column";
                self.mistake("bad-template", raw, message, help);
                return;
            }
            Path::Relative((segments, _)) => segments,
        };
        let from_root = raw.starts_with("@root");
        if !from_root && segments.iter().any(|segment| matches!(segment, PathSeg::Ruled(_))) {
            let message = format!("`{raw}` climbs out of its block");
            self.mistake("bad-template", raw, message, "name a column from anywhere as {{@root.column}}");
            return;
        }
        if scope != Scope::Row && !from_root {
            return;
        }
        let column = segments.iter().find_map(|segment| match segment {
            PathSeg::Named(name) => Some(name.clone()),
            _ => None,
        });
        if let Some(name) = column {
            self.variables.push(Variable { name, at: self.find(raw) });
        } else {
            let message = format!("`{raw}` is the whole row here, not a column");
            self.mistake("bad-template", raw, message, "name the column");
        }
    }

    fn unknown_helper(&mut self, name: &str) {
        let message = match name {
            "lookup" => {
                "`lookup` is not supported: what it finds is known only when a row is there".to_owned()
            }
            _ => format!("unknown helper `{name}`"),
        };
        let help = match nearest(name, HELPERS.iter().map(|helper| helper.name)) {
            _ if name == "lookup" => "name the field: {{address.city}}".to_owned(),
            Some(known) => format!("did you mean `{known}`?"),
            None => {
                let known: Vec<&str> = HELPERS.iter().map(|helper| helper.name).collect();
                format!(
                    "the helpers are {}; a column whose name holds a space is written {{{{[first name]}}}}",
                    known.join(", ")
                )
            }
        };
        self.mistake("unknown-helper", name, message, help);
    }

    fn unsupported(&mut self, part: &DecoratorTemplate, message: &str, help: &str) {
        let name = part.name.as_name().unwrap_or_default().to_owned();
        self.mistake("bad-template", &name, message, help);
    }

    fn mistake(
        &mut self,
        code: &'static str,
        part: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let mistake = Mistake { code, message: message.into(), help: Some(help.into()), at: self.find(part) };
        self.mistakes.push(mistake);
    }

    /// Where a part of the present element stands: its first whole appearance from the element's beginning.
    fn find(&self, part: &str) -> Range<usize> {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@');
        self.text[self.at..]
            .match_indices(part)
            .map(|(start, _)| self.at + start..self.at + start + part.len())
            .find(|at| {
                !part.starts_with(is_part)
                    || !self.text[..at.start].ends_with(is_part) && !self.text[at.end..].starts_with(is_part)
            })
            .unwrap_or(self.at..self.at)
    }
}

fn raw(path: &Path) -> &str {
    match path {
        Path::Relative((_, raw)) | Path::Local((_, _, raw)) => raw,
    }
}

/// The literal arguments of a call.
struct Literals<'a> {
    params: &'a [Parameter],
    options: &'a HashMap<String, Parameter>,
}

impl Given for Literals<'_> {
    fn param(&self, index: usize) -> Option<&Json> {
        literal(self.params.get(index)?)
    }

    fn option(&self, name: &str) -> Option<&Json> {
        literal(self.options.get(name)?)
    }
}

fn literal(parameter: &Parameter) -> Option<&Json> {
    match parameter {
        Parameter::Literal(json) => Some(json),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
