//! Answers: JSON, plain text and `application/problem+json` (RFC 9457).
//!
//! Every answer forbids guessing its type; nothing here may be kept by caches.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError, Route, web};
use serde::Serialize;

/// An error as its caller sees it: a status and one sentence.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<String>,
    header: Option<(header::HeaderName, String)>,
    close: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [String],
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), header: None, close: false }
    }

    /// 400.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// With the single errors that the detail sums up.
    pub(super) fn errors(self, errors: Vec<String>) -> Self {
        Self { errors, ..self }
    }

    /// With a header.
    pub(super) fn header(self, name: header::HeaderName, value: impl Into<String>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }

    /// The connection ends with the answer: the rest of the request is not wanted.
    pub(super) fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = safe(self.status);
        if let Some((name, value)) = &self.header {
            answer.insert_header((name.clone(), value.as_str()));
        }
        if self.close {
            answer.force_close();
        }
        answer.content_type("application/problem+json");
        answer.json(Body {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        })
    }
}

/// An answer with the headers that every answer has.
pub(super) fn safe(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

/// 404 for everything that is no route.
pub(super) async fn no_such_path(request: HttpRequest) -> HttpResponse {
    let detail = format!(
        "there is nothing at {}: alerts go to /webhook, incidents are at /api/v1/incidents",
        request.path()
    );
    Problem::new(StatusCode::NOT_FOUND, detail).error_response()
}

/// 405 for a path that exists and a method that does not.
pub(super) fn wrong_method(allowed: &'static [&'static str]) -> Route {
    web::to(async move |request: HttpRequest| {
        let detail =
            format!("{} does not work at {}: use {}", request.method(), request.path(), allowed.join(" or "));
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
            .header(header::ALLOW, allowed.join(", "))
            .error_response()
    })
}
