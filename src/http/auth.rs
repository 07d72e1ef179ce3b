//! Who may call.
//!
//! Secrets are compared in constant time through their digests, so neither
//! their content nor their length shows in how long an answer takes.

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use crate::settings::Webhook;

/// Hexadecimal HMAC-SHA256, as Grafana sends it.
const SIGNATURE: &str = "X-Grafana-Alerting-Signature";
/// Unix seconds; when present they are signed along with the body.
const SIGNED_AT: &str = "X-Grafana-Alerting-Timestamp";
/// How far a signed time may be off, either way.
const WINDOW_SECONDS: i64 = 300;

/// What the head of a request says about its sender.
#[derive(Debug)]
pub(super) enum Caller {
    /// May come in.
    Admitted,
    /// May come in if this signature fits the body.
    Signed(Signature),
}

/// A signature that waits for the body it signs.
#[derive(Debug)]
pub(super) struct Signature {
    key: SecretString,
    mac: Vec<u8>,
    signed_at: Option<String>,
}

/// Whether the sender of a webhook may come in, from the head of the request alone.
pub(super) fn webhook(request: &HttpRequest, access: &Webhook) -> Result<Caller, Problem> {
    if !access.is_guarded() {
        return if access.open || is_local(request) { Ok(Caller::Admitted) } else { Err(strangers()) };
    }
    let bearer = access.bearer_token.as_ref();
    if bearer.is_some_and(|token| has_bearer(request, token)) {
        return Ok(Caller::Admitted);
    }
    if let Some(basic) = &access.basic
        && has_basic(request, &basic.username, &basic.password)
    {
        return Ok(Caller::Admitted);
    }
    match (&access.grafana_hmac_secret, text(request, SIGNATURE)) {
        (Some(key), Some(mac)) => signature(request, key, mac).map(Caller::Signed),
        (_, _) => Err(refused(access)),
    }
}

/// Whether the caller may use the API.
pub(super) fn api(request: &HttpRequest, token: Option<&SecretString>) -> Result<(), Problem> {
    match token {
        Some(token) if has_bearer(request, token) => Ok(()),
        Some(_) => {
            Err(unauthorized("send `Authorization: Bearer` with the token of server.api_token", "Bearer"))
        }
        None if is_local(request) => Ok(()),
        None => Err(unauthorized(
            "without server.api_token this is served to the machine itself only, by its address or a name \
             without dots: set one to use it from elsewhere",
            "Bearer",
        )),
    }
}

impl Signature {
    /// Whether it signs this body, at about this time.
    pub(super) fn check(&self, body: &[u8], now: Timestamp) -> Result<(), Problem> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose_secret().as_bytes()) else {
            return Err(forged("the signature cannot be checked with webhook.grafana_hmac_secret"));
        };
        if let Some(signed_at) = &self.signed_at {
            let seconds: i64 =
                signed_at.parse().map_err(|_| forged(format!("{SIGNED_AT} must be Unix time in seconds")))?;
            if seconds.abs_diff(now.as_second()) > WINDOW_SECONDS.unsigned_abs() {
                return Err(forged(format!(
                    "the request was signed more than {WINDOW_SECONDS} s before or after now: check both clocks"
                )));
            }
            mac.update(signed_at.as_bytes());
            mac.update(b":");
        }
        mac.update(body);
        mac.verify_slice(&self.mac)
            .map_err(|_| forged("the signature does not fit the body: check webhook.grafana_hmac_secret"))
    }
}

fn signature(request: &HttpRequest, key: &SecretString, mac: &str) -> Result<Signature, Problem> {
    let mac =
        hex::decode(mac).map_err(|_| forged(format!("{SIGNATURE} must be a hexadecimal HMAC-SHA256")))?;
    let signed_at = text(request, SIGNED_AT).map(str::to_owned);
    Ok(Signature { key: key.clone(), mac, signed_at })
}

/// Whether the caller sits on this machine. Someone who was passed on by a
/// proxy, or by a browser from a foreign page, does not.
fn is_local(request: &HttpRequest) -> bool {
    let loopback = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let foreign =
        ["Forwarded", "X-Forwarded-For", "X-Real-IP"].iter().any(|h| request.headers().contains_key(*h))
            || text(request, "Sec-Fetch-Site").is_some_and(|site| site != "same-origin" && site != "none")
            || has_foreign_origin(request)
            || !names_this_machine(request);
    loopback && !foreign
}

/// Whether a page of another origin sent it. Browsers without `Sec-Fetch-Site` tell it here.
fn has_foreign_origin(request: &HttpRequest) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return false };
    let own = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    own.is_none() || own != text(request, header::HOST.as_str())
}

/// Whether the request was meant for an address or for a name without dots. A
/// browser shows here when a page's own name was made to point at this machine
/// (DNS rebinding), and tells nothing else then; that name has dots.
fn names_this_machine(request: &HttpRequest) -> bool {
    let Some(host) = request.headers().get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    !name.contains('.') || name.parse::<std::net::Ipv4Addr>().is_ok() || host.starts_with('[')
}

fn has_bearer(request: &HttpRequest, token: &SecretString) -> bool {
    credentials(request, "Bearer")
        .is_some_and(|given| same(given.as_bytes(), token.expose_secret().as_bytes()))
}

fn has_basic(request: &HttpRequest, username: &str, password: &SecretString) -> bool {
    let Some(given) = credentials(request, "Basic").and_then(|c| STANDARD.decode(c).ok()) else {
        return false;
    };
    let wanted = format!("{username}:{}", password.expose_secret());
    same(&given, wanted.as_bytes())
}

/// What follows the scheme in `Authorization`.
fn credentials<'r>(request: &'r HttpRequest, scheme: &str) -> Option<&'r str> {
    let (given, rest) = text(request, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn text<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

fn same(given: &[u8], wanted: &[u8]) -> bool {
    Sha256::digest(given).ct_eq(&Sha256::digest(wanted)).into()
}

fn strangers() -> Problem {
    unauthorized(
        "no authentication is set up, so alerts are taken from this machine only, by its address or a name \
         without dots: set webhook.bearer_token, webhook.basic or webhook.grafana_hmac_secret",
        "Bearer",
    )
}

fn refused(access: &Webhook) -> Problem {
    let ways = [
        (access.bearer_token.is_some(), "the token of webhook.bearer_token"),
        (access.basic.is_some(), "the user and password of webhook.basic"),
        (access.grafana_hmac_secret.is_some(), "a signature with webhook.grafana_hmac_secret"),
    ];
    let ways: Vec<_> = ways.iter().filter(|(set, _)| *set).map(|(_, way)| *way).collect();
    let challenge = if access.basic.is_some() && access.bearer_token.is_none() { "Basic" } else { "Bearer" };
    unauthorized(&format!("send {}", ways.join(" or ")), challenge)
}

fn forged(detail: impl AsRef<str>) -> Problem {
    unauthorized(detail.as_ref(), "Bearer")
}

fn unauthorized(detail: &str, scheme: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
        .header(header::WWW_AUTHENTICATE, format!("{scheme} realm=\"larkhorn\""))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::test::TestRequest;

    use super::*;

    fn from(peer: &str) -> TestRequest {
        TestRequest::post().peer_addr(peer.parse::<SocketAddr>().unwrap())
    }

    #[test]
    fn the_machine_itself_is_told_from_everybody_else() {
        for (peer, local) in [
            ("127.0.0.1:5", true),
            ("127.8.8.8:5", true),
            ("[::1]:5", true),
            ("[::ffff:127.0.0.1]:5", true),
            ("10.0.0.1:5", false),
            ("[fe80::1]:5", false),
            ("[::ffff:10.0.0.1]:5", false),
        ] {
            assert_eq!(is_local(&from(peer).to_http_request()), local, "{peer}");
        }
        assert!(!is_local(&TestRequest::post().to_http_request()), "an unknown peer is a stranger");
    }

    #[test]
    fn a_request_that_was_passed_on_is_not_local() {
        for (header, value, local) in [
            ("Forwarded", "for=10.0.0.1", false),
            ("X-Forwarded-For", "127.0.0.1", false),
            ("X-Real-IP", "127.0.0.1", false),
            ("Sec-Fetch-Site", "cross-site", false),
            ("Sec-Fetch-Site", "same-site", false),
            ("Sec-Fetch-Site", "same-origin", true),
            ("Sec-Fetch-Site", "none", true),
            ("Host", "localhost:9119", true),
            ("Host", "larkhorn", true),
            ("Host", "127.0.0.1:9119", true),
            ("Host", "[::1]:9119", true),
            ("Host", "[::ffff:127.0.0.1]", true),
            ("Host", "evil.example:9119", false),
            ("Host", "127.0.0.1.evil.example", false),
            ("Host", "evil.:9119", false),
        ] {
            let request = from("127.0.0.1:5").insert_header((header, value)).to_http_request();
            assert_eq!(is_local(&request), local, "{header}: {value}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_not_local() {
        for (origin, local) in [
            ("http://localhost:9119", true),
            ("http://localhost:9120", false),
            ("https://evil.example", false),
            ("null", false),
        ] {
            let request = from("127.0.0.1:5")
                .insert_header(("Host", "localhost:9119"))
                .insert_header(("Origin", origin));
            assert_eq!(is_local(&request.to_http_request()), local, "{origin}");
        }
    }

    #[test]
    fn strangers_get_in_with_credentials_or_where_it_is_open_only() {
        let stranger = from("10.0.0.1:5").to_http_request();
        let nothing = Webhook::default();
        assert!(matches!(webhook(&stranger, &nothing), Err(p) if p.status() == StatusCode::UNAUTHORIZED));
        let open = Webhook { open: true, ..Webhook::default() };
        assert!(matches!(webhook(&stranger, &open), Ok(Caller::Admitted)));
        let guarded = Webhook { bearer_token: Some("t".into()), open: true, ..Webhook::default() };
        assert!(webhook(&stranger, &guarded).is_err(), "a token that is set is wanted, open or not");
        let local = from("127.0.0.1:5").to_http_request();
        assert!(webhook(&local, &guarded).is_err(), "from this machine too");
        assert!(api(&stranger, None).is_err());
        assert!(api(&local, None).is_ok());
    }
}
