//! The dashboard: one page that shows the incidents of the API.
//!
//! # Invariants
//!
//! * The files hold no data, so anybody may load them; what they show comes
//!   from the JSON API, which asks for the token.
//! * Nothing foreign is loaded and nothing inline runs, whatever a label says.
//! * No path is absolute, so the page also works below a proxy's prefix.
//!
//! What an incident looks like as JSON is said by `incidents`; every word the
//! page shows is in `words.js`, in both languages.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, EntityTag, Header, IfNoneMatch};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use super::problem::{safe, wrong_method};

/// Path, type and content of each file.
const FILES: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("index.html")),
    ("/dashboard.css", "text/css; charset=utf-8", include_str!("dashboard.css")),
    ("/dashboard.js", JAVASCRIPT, include_str!("dashboard.js")),
    ("/dashboard-filter.js", JAVASCRIPT, include_str!("filter.js")),
    ("/dashboard-look.js", JAVASCRIPT, include_str!("look.js")),
    ("/dashboard-text.js", JAVASCRIPT, include_str!("text.js")),
    ("/dashboard-words.js", JAVASCRIPT, include_str!("words.js")),
];
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The icon is the only `data:`; markup is never made from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) fn routes(config: &mut ServiceConfig) {
    for (path, kind, text) in FILES {
        let tag = EntityTag::new_strong(digest(text));
        let file = move |request: HttpRequest| {
            let answer = answer(&request, kind, text, &tag);
            async move { answer }
        };
        config.service(
            web::resource(path)
                .route(web::get().to(file.clone()))
                .route(web::head().to(file))
                .default_service(wrong_method(&["GET", "HEAD"])),
        );
    }
}

/// The file, or 304 for those who have it. Browsers ask each time, so that a
/// page never runs with the scripts of another release.
fn answer(request: &HttpRequest, kind: &'static str, text: &'static str, tag: &EntityTag) -> HttpResponse {
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Ok(IfNoneMatch::Any) => true,
        Err(_) => false,
    };
    let mut answer = safe(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    answer
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::ETAG, tag.to_string()))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    if known {
        return answer.finish();
    }
    answer.content_type(kind).body(Bytes::from_static(text.as_bytes()))
}

/// Tells this content from any other.
fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
