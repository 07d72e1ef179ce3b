//! One request, taken apart, and the helpers to read it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::api::Api;
use super::refusal::Refusal;

/// A request whose path named a call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) api: Api,
    pub(super) now: Timestamp,
    /// The app whose token it carries; empty for the token calls.
    pub(super) app: String,
    /// Where it was sent, as the caller names it: `127.0.0.1:9120`.
    pub(super) host: String,
    /// Ids in the path, in order.
    pub(super) ids: Vec<String>,
    pub(super) query: BTreeMap<String, String>,
    /// The body; null when there was none.
    pub(super) body: Value,
}

impl Call {
    /// The first id of the path.
    pub(super) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }

    /// The second id of the path.
    pub(super) fn second_id(&self) -> &str {
        self.ids.get(1).map_or("", String::as_str)
    }

    /// A query parameter.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// A query parameter that names a kind of user id; `open_id` when absent.
    pub(super) fn id_kind(&self, name: &str) -> Result<&str, Refusal> {
        match self.param(name) {
            None => Ok("open_id"),
            Some(kind @ ("open_id" | "union_id" | "user_id")) => Ok(kind),
            Some(_) => Err(Refusal::field(name, "must be one of: open_id, union_id, user_id")),
        }
    }

    /// A string of the body that must be there.
    pub(super) fn text(&self, field: &str) -> Result<&str, Refusal> {
        self.optional_text(field)?.ok_or_else(|| Refusal::field(field, &format!("{field} is required")))
    }

    /// A string of the body that may be absent or null.
    pub(super) fn optional_text(&self, field: &str) -> Result<Option<&str>, Refusal> {
        let value = self.body.get(field).filter(|v| !v.is_null());
        value
            .map(|v| {
                v.as_str().ok_or_else(|| {
                    Refusal::malformed(&format!(
                        "Invalid parameter type in json: {field}. A string is expected"
                    ))
                })
            })
            .transpose()
    }

    /// A boolean of the body; false when absent.
    pub(super) fn flag(&self, field: &str) -> Result<bool, Refusal> {
        let value = self.body.get(field).filter(|v| !v.is_null());
        value.map_or(Ok(false), |v| {
            v.as_bool().ok_or_else(|| {
                Refusal::malformed(&format!("Invalid parameter type in json: {field}. A boolean is expected"))
            })
        })
    }

    /// A list of strings of the body; empty when absent.
    pub(super) fn texts(&self, field: &str) -> Result<Vec<String>, Refusal> {
        let bad = || {
            Refusal::malformed(&format!(
                "Invalid parameter type in json: {field}. A list of strings is expected"
            ))
        };
        let Some(value) = self.body.get(field).filter(|v| !v.is_null()) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(bad)?;
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(bad)).collect()
    }

    /// The part of `all` that `page_size` (default 20, at most `most`) and
    /// `page_token` ask for, and the token of the next page.
    pub(super) fn page<T>(&self, all: Vec<T>, most: usize) -> Result<(Vec<T>, Option<String>), Refusal> {
        let number = |name: &str, default: usize| {
            self.param(name).map_or(Ok(default), |text| {
                text.parse().map_err(|_| Refusal::field(name, &format!("{name} is not valid")))
            })
        };
        let size = number("page_size", 20)?;
        if size == 0 || size > most {
            return Err(Refusal::field("page_size", &format!("must be between 1 and {most}")));
        }
        let start = number("page_token", 0)?;
        let beyond = start.saturating_add(size);
        let next = (beyond < all.len()).then(|| beyond.to_string());
        Ok((all.into_iter().skip(start).take(size).collect(), next))
    }
}
