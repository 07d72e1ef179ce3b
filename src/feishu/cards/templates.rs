//! Card templates: the ones inside the binary, the operator's, and the helpers
//! they write with.
//!
//! Handlebars in strict mode. What `{{…}}` writes is escaped for a JSON string
//! and can open no tag; `{{md …}}` makes text harmless in card markdown,
//! `{{plain …}}` in plain text. `{{time …}}`, `{{clock …}}` and `{{duration …}}`
//! speak the reader's language and zone, `{{link …}}` lets only http and https
//! pass. The fields are in `view`.

use std::collections::{BTreeMap, BTreeSet};

use std::fmt::Write as _;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::links::usable;
use super::text::{markdown, plain};
use super::words::{clock, duration, time};
use crate::settings::Locale;

/// The template that always exists.
const ALERT: &str = "alert";
/// The one for storms. It has fields of its own, see `storm`.
const STORM: &str = "storm";

/// The templates of one language, ready to render.
#[derive(Clone, Debug)]
pub(crate) struct Templates {
    shipped: Handlebars<'static>,
    operators: Handlebars<'static>,
}

impl Templates {
    /// Reads the shipped templates and `overrides`; one problem for each that cannot be read.
    pub(crate) fn new(
        locale: Locale,
        zone: &TimeZone,
        overrides: &[(String, String)],
    ) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut shipped = registry(locale, zone);
        let texts = match locale {
            Locale::ZhCn => [
                (ALERT, include_str!("../../../templates/zh-CN/alert.hbs")),
                (STORM, include_str!("../../../templates/zh-CN/storm.hbs")),
            ],
            Locale::En => [
                (ALERT, include_str!("../../../templates/en/alert.hbs")),
                (STORM, include_str!("../../../templates/en/storm.hbs")),
            ],
        };
        for (name, text) in texts {
            if let Err(error) = shipped.register_template_string(name, text) {
                problems.push(format!("the shipped template {}/{name}.hbs: {error}", locale.as_str()));
            }
        }
        let mut operators = registry(locale, zone);
        for (path, text) in overrides {
            if let Err(problem) = take(&mut operators, locale, path, text) {
                problems.push(format!("template {path}: {problem}; it is not used"));
            }
        }
        for (name, problem) in endless(&operators, locale, overrides) {
            operators.unregister_template(&name);
            problems.push(problem);
        }
        (Self { shipped, operators }, problems)
    }

    /// The templates to try for a storm, best first.
    pub(crate) fn of_storms(&self) -> Vec<Template<'_>> {
        let own = self.operators.has_template(STORM);
        let own = own.then_some(Template { registry: &self.operators, name: STORM });
        own.into_iter().chain([Template { registry: &self.shipped, name: STORM }]).collect()
    }

    /// The templates to try for a name, best first, and what is wrong if the name is unknown.
    pub(crate) fn candidates(&self, name: &str) -> (Vec<Template<'_>>, Option<String>) {
        let own =
            |name| self.operators.has_template(name).then_some(Template { registry: &self.operators, name });
        let shipped = Template { registry: &self.shipped, name: ALERT };
        let named = self.operators.get_templates().get_key_value(name).map(|(name, _)| name.as_str());
        let unknown = (named.is_none() && name != ALERT)
            .then(|| format!("there is no template {name}.hbs; {ALERT}.hbs is used"));
        let best = named.and_then(own).or_else(|| own(ALERT));
        (best.into_iter().chain([shipped]).collect(), unknown)
    }
}

/// A template that can be rendered.
pub(crate) struct Template<'a> {
    registry: &'a Handlebars<'static>,
    name: &'a str,
}

impl Template<'_> {
    /// The card as JSON, or what is wrong with the template.
    pub(crate) fn render(&self, view: &impl Serialize) -> Result<Value, String> {
        let text = self.registry.render(self.name, view).map_err(|error| self.named(&error.to_string()))?;
        let card: Value = serde_json::from_str(&text)
            .map_err(|error| self.named(&format!("it renders to JSON that cannot be read: {error}")))?;
        if card.is_object() { Ok(card) } else { Err(self.named("it renders to JSON that is no object")) }
    }

    /// A problem, with the template's name.
    pub(crate) fn named(&self, problem: &str) -> String {
        format!("template {}.hbs: {problem}", self.name)
    }
}

fn take(registry: &mut Handlebars<'_>, locale: Locale, path: &str, text: &str) -> Result<(), String> {
    let known = "expected a name like zh-CN/alert.hbs or en/alert.hbs";
    let (folder, file) = path.split_once('/').ok_or(known)?;
    let folder = Locale::from_word(folder).ok_or(known)?;
    let name = file.strip_suffix(".hbs").filter(|name| !name.is_empty()).ok_or(known)?;
    if folder == locale {
        registry.register_template_string(name, text).map_err(|error| error.to_string())
    } else {
        handlebars::Template::compile(text).map(drop).map_err(|error| error.to_string())
    }
}

/// Templates that include themselves, straight or in a circle: rendering one
/// would not end, and take the process with it.
fn endless(
    registry: &Handlebars<'_>,
    locale: Locale,
    overrides: &[(String, String)],
) -> Vec<(String, String)> {
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, text) in overrides {
        let name = path.strip_prefix(locale.as_str()).and_then(|p| p.strip_prefix('/'));
        if let Some(name) = name.and_then(|n| n.strip_suffix(".hbs")).filter(|n| registry.has_template(n)) {
            texts.insert(name, text);
        }
    }
    let includes: BTreeMap<&str, Vec<&str>> = texts
        .iter()
        .map(|(name, text)| (*name, texts.keys().copied().filter(|other| names(text, other)).collect()))
        .collect();
    let circles = texts.keys().filter(|name| reaches(&includes, name, name));
    circles
        .map(|name| {
            let folder = locale.as_str();
            ((*name).to_owned(), format!("template {folder}/{name}.hbs: it includes itself, perhaps by way of another; it is not used"))
        })
        .collect()
}

/// Whether a text includes the template of that name. A partial whose name is
/// computed may be any.
fn names(text: &str, name: &str) -> bool {
    text.split("{{").skip(1).any(|tag| {
        let tag = tag.trim_start_matches(['{', '~']);
        let Some(partial) = tag.strip_prefix('>').or_else(|| tag.strip_prefix("#>")) else { return false };
        let word = partial.trim_start().trim_start_matches(['"', '\'']);
        word.starts_with('(')
            || word.split(|c: char| c.is_whitespace() || "}\"'~".contains(c)).next() == Some(name)
    })
}

/// Whether `from` includes `to`, directly or through others.
fn reaches(includes: &BTreeMap<&str, Vec<&str>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = includes.get(from).cloned().unwrap_or_default();
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            open.extend(includes.get(name).into_iter().flatten());
        }
    }
    false
}

fn registry(locale: Locale, zone: &TimeZone) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(escape);
    register(&mut registry, "md", |value| Ok(markdown(&as_text(value))));
    register(&mut registry, "plain", |value| Ok(plain(&as_text(value))));
    register(&mut registry, "link", |value| Ok(usable(&as_text(value)).unwrap_or_default()));
    let here = zone.clone();
    register(&mut registry, "time", move |value| Ok(time(&here, instant(value)?)));
    let here = zone.clone();
    register(&mut registry, "clock", move |value| Ok(clock(&here, instant(value)?)));
    register(&mut registry, "duration", move |value| {
        let seconds = value.as_i64().ok_or("duration needs a number of seconds")?;
        Ok(duration(locale, SignedDuration::from_secs(seconds)))
    });
    registry
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
    }
}

fn instant(value: &Value) -> Result<Timestamp, String> {
    let text = value.as_str().ok_or("time and clock need a time such as opened_at")?;
    text.parse().map_err(|_| format!("{text:?} is not a time"))
}

/// The inside of a JSON string. A `<` that could open a tag becomes a look-alike.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '<' if next.is_alphabetic() || matches!(next, '/' | '!' | '?') => out.push('‹'),
            c if u32::from(c) < 0x20 => {
                // Writing to a String cannot fail.
                write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default();
            }
            c => out.push(c),
        }
    }
    out
}

/// A helper of one argument that writes text.
struct TextHelper<F> {
    name: &'static str,
    write: F,
}

fn register<F>(registry: &mut Handlebars<'_>, name: &'static str, write: F)
where
    F: Fn(&Value) -> Result<String, String> + Send + Sync + 'static,
{
    registry.register_helper(name, Box::new(TextHelper { name, write }));
}

impl<F> HelperDef for TextHelper<F>
where
    F: Fn(&Value) -> Result<String, String> + Send + Sync,
{
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let param = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex(self.name, 0))?;
        if registry.strict_mode() && param.is_value_missing() {
            return Err(RenderError::strict_error(param.relative_path()));
        }
        let text = (self.write)(param.value()).map_err(RenderErrorReason::Other)?;
        Ok(ScopedJson::Derived(Value::String(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_that_include_themselves_are_refused_and_the_shipped_one_serves() {
        let file = |name: &str, text: &str| (format!("en/{name}.hbs"), text.to_owned());
        let overrides = [
            file("alert", "{\"a\": {{> b}} }"),
            file("b", "{{~#if x}}{{> alert}}{{/if}}"),
            file("own", "{{>own}}"),
            file("fine", "{ {{> leaf}} }"),
            file("leaf", "\"own\": 1"),
        ];
        let (templates, problems) = Templates::new(Locale::En, &TimeZone::UTC, &overrides);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().all(|p| p.contains("includes itself")), "{problems:?}");
        assert!(templates.operators.has_template("fine") && templates.operators.has_template("leaf"));
        assert_eq!(templates.candidates("alert").0.len(), 1, "the shipped one");
    }
}
