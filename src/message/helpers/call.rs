//! The arguments of a helper's call, and how a function becomes a Handlebars helper.

use std::borrow::Cow;

use handlebars::{
    Context, Handlebars, HelperDef, JsonRender, RenderContext, RenderError, RenderErrorReason, ScopedJson,
};
use serde_json::Value as Json;

use crate::message::render::{Fault, Why};

/// What a helper does.
pub(in crate::message) type Run = fn(&Args<'_, '_>) -> Result<Json, Fault>;

/// What a call's literal arguments can be held to before there is a row; says what is wrong with them.
pub(in crate::message) type Check = fn(&dyn Given) -> Result<(), String>;

/// The arguments of a call as far as they are known: all of them at a render, literals alone before.
pub(in crate::message) trait Given {
    fn param(&self, index: usize) -> Option<&Json>;
    fn option(&self, name: &str) -> Option<&Json>;

    /// An option that must be text.
    fn text_option<'a>(&'a self, name: &str, or: &'a str) -> Result<&'a str, String> {
        match self.option(name) {
            None => Ok(or),
            Some(Json::String(text)) => Ok(text),
            Some(_) => Err(format!("{name} must be text in quotes")),
        }
    }
}

/// The arguments of a call at a render.
pub(in crate::message) struct Args<'h, 'rc>(pub(super) &'h handlebars::Helper<'rc>);

impl Given for Args<'_, '_> {
    fn param(&self, index: usize) -> Option<&Json> {
        self.0.param(index).map(handlebars::PathAndJson::value)
    }

    fn option(&self, name: &str) -> Option<&Json> {
        self.0.hash_get(name).map(handlebars::PathAndJson::value)
    }
}

impl Args<'_, '_> {
    /// A parameter that must be there.
    pub(super) fn value(&self, index: usize) -> Result<&Json, Fault> {
        match self.0.param(index) {
            Some(param) if !param.is_value_missing() && !param.value().is_null() => Ok(param.value()),
            Some(param) if !param.is_value_missing() => Err(self.fault(index, Why::Null)),
            _ => Err(self.fault(index, Why::Missing)),
        }
    }

    /// A parameter that must be text, a number or a boolean, as it prints.
    pub(super) fn text(&self, index: usize) -> Result<Cow<'_, str>, Fault> {
        match self.value(index)? {
            Json::String(text) => Ok(Cow::Borrowed(text)),
            Json::Array(_) | Json::Object(_) => Err(self.fault(index, Why::NotText)),
            scalar => Ok(Cow::Owned(scalar.render())),
        }
    }

    pub(super) fn fault(&self, index: usize, why: Why) -> Fault {
        let variable = self.0.param(index).and_then(|param| param.relative_path().cloned());
        Fault { variable, why }
    }

    /// The helper refuses its parameter.
    pub(super) fn refuse(&self, index: usize, message: impl std::fmt::Display) -> Fault {
        self.fault(index, Why::Helper(format!("{}: {message}", self.0.name())))
    }
}

/// A function as a Handlebars helper.
pub(super) struct Own(pub(super) Run);

impl HelperDef for Own {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &handlebars::Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        (self.0)(&Args(helper))
            .map(ScopedJson::Derived)
            .map_err(|fault| RenderErrorReason::NestedError(Box::new(fault)).into())
    }
}
