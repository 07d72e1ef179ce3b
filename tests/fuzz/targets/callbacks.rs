//! Whatever comes as a callback or an event: no panic, nothing believed without
//! its token, and a reply is understood or not, but never longer than allowed.

#![no_main]

use jiff::Timestamp;
use larkhorn::domain::Action;
use larkhorn::feishu::callbacks::{Callbacks, Inbound, Refused, Signed, read, spoken};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

const TOKEN: &str = "token-of-the-fuzzer";

fuzz_target!(|body: &[u8]| {
    let now = Timestamp::from_second(1_790_000_000).expect("a time that exists");
    let guarded = Callbacks::new(Some(SecretString::from(TOKEN)), None);
    if guarded.open(Signed::default(), body, now).is_ok() {
        let text = std::str::from_utf8(body).expect("what was read is text");
        let json: serde_json::Value = serde_json::from_str(text).expect("what was read is JSON");
        let tokens = [json.pointer("/header/token"), json.get("token")];
        assert!(tokens.contains(&Some(&TOKEN.into())), "believed without the token");
    }
    // Decryption: nobody knows the key, so whatever opens is by chance, and unsigned it is no event.
    let sealed = Callbacks::new(None, Some(SecretString::from("key-of-the-fuzzer")));
    let unsigned = sealed.open(Signed::default(), body, now);
    assert!(matches!(unsigned, Err(Refused::Forged(_)) | Ok(Inbound::Challenge(_))), "{unsigned:?}");
    let forged = Signed { timestamp: Some("1790000000"), nonce: Some("n"), signature: Some("00") };
    assert!(sealed.open(forged, body, now).is_err(), "a forged signature was believed");

    if let Ok(Inbound::Said { text, .. }) = read(body, "cli_fuzz") {
        understood(&text);
    }
    if let Ok(text) = std::str::from_utf8(body) {
        understood(text);
    }
});

fn understood(text: &str) {
    if let Some(Action::Snooze { span } | Action::Silence { span }) = spoken(text) {
        assert!(span.is_positive() && span <= Action::SPAN_MAX, "{text:?} is {span:?}");
    }
}
