//! Feishu's documented vectors, what tampers with them, and everything read and written.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::domain::{Action, IncidentId, StormId};

const KEY: &str = "test key";
const APP: &str = "cli_1";
const AT: i64 = 1_700_000_000;
const CHALLENGE: &str = "AAECAwQFBgcICQoLDA0ODxT/dH7HGaZSqzJLo9upOhtSUSeYdDu5IlNDrKUrdoPv93FT6nWCcNfs7fZ8t/Gcz7ke+1jpdzkpaEpqAXB/1lk=";

fn now() -> Timestamp {
    Timestamp::from_second(AT).unwrap()
}

fn sign(timestamp: &str, key: &str, body: &[u8]) -> String {
    hex::encode(Sha256::digest([timestamp.as_bytes(), b"n", key.as_bytes(), body].concat()))
}

fn encrypt(inner: &Value) -> Vec<u8> {
    let key: [u8; 32] = Sha256::digest(KEY).into();
    let vector = [7_u8; 16];
    let blocks = cbc::Encryptor::<aes::Aes256>::new(&key.into(), &vector.into())
        .encrypt_padded_vec::<Pkcs7>(inner.to_string().as_bytes());
    let text = STANDARD.encode([vector.as_slice(), &blocks].concat());
    json!({"encrypt": text}).to_string().into_bytes()
}

fn sealed() -> Callbacks {
    Callbacks::new(Some("vt".into()), Some(KEY.into()))
}

/// Opens a body signed now by the right key.
fn opened(callbacks: &Callbacks, body: &[u8]) -> Result<Inbound, Refused> {
    let timestamp = AT.to_string();
    let signature = sign(&timestamp, KEY, body);
    let headers = Signed { timestamp: Some(&timestamp), nonce: Some("n"), signature: Some(&signature) };
    callbacks.open(headers, body, now())
}

fn is_forged(outcome: &Result<Inbound, Refused>) -> bool {
    matches!(outcome, Err(Refused::Forged(_)))
}

fn event(kind: &str, event: &Value) -> Value {
    json!({"schema": "2.0", "event": event,
           "header": {"event_id": "e1", "event_type": kind, "token": "vt", "create_time": "1700000000000"}})
}

fn press(value: &Value) -> Value {
    event(
        "card.action.trigger",
        &json!({"operator": {"open_id": "ou_1", "union_id": "on_1", "user_id": ""}, "token": "c-1",
                "action": {"value": value, "tag": "button"}, "host": "im_message",
                "context": {"open_message_id": "om_1", "open_chat_id": "oc_1"}}),
    )
}

#[test]
fn the_documented_cipher_texts_open() {
    let hello = seal::decrypt("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=", &KEY.into());
    assert_eq!(hello.as_deref(), Some(b"hello world".as_slice()));
    let challenge = seal::decrypt(CHALLENGE, &KEY.into()).unwrap();
    assert_eq!(challenge, br#"{"challenge":"c-1","token":"vt","type":"url_verification"}"#);
    for garbage in ["", "no base64!", "AAAA", &STANDARD.encode([1; 40]), &STANDARD.encode([1; 16])] {
        assert_eq!(seal::decrypt(garbage, &KEY.into()), None, "{garbage:?}");
    }
    assert_eq!(seal::decrypt(CHALLENGE, &"another key".into()), None);
}

#[test]
fn the_documented_signature_fits_and_nothing_near_it_does() {
    let body = br#"{"encrypt":"abc"}"#;
    let off_by_one = "fa25b1676251ac6f7e77ce096f97c39d68faf9c7ce89a34ee58abf9ecad1558f";
    let good = "fa24b1676251ac6f7e77ce096f97c39d68faf9c7ce89a34ee58abf9ecad1558f";
    let check = |timestamp, nonce, signature, key: &str, body: &[u8], at: i64| {
        let headers = Signed { timestamp: Some(timestamp), nonce: Some(nonce), signature: Some(signature) };
        seal::check(headers, &key.into(), body, Timestamp::from_second(at).unwrap()).is_ok()
    };
    for at in [AT, AT - 300, AT + 300] {
        assert!(check("1700000000", "nonce123", good, KEY, body, at), "{at}");
    }
    assert!(!check("1700000000", "nonce123", good, KEY, body, AT + 301), "a replay is stale");
    assert!(!check("1700000000", "nonce123", good, KEY, body, AT - 301), "so is the future");
    assert!(!check("1700000001", "nonce123", good, KEY, body, AT));
    assert!(!check("1700000000", "nonce124", good, KEY, body, AT));
    assert!(!check("1700000000", "nonce123", off_by_one, KEY, body, AT));
    assert!(!check("1700000000", "nonce123", &good[..62], KEY, body, AT));
    assert!(!check("1700000000", "nonce123", "", KEY, body, AT));
    assert!(!check("1700000000", "nonce123", good, "test kez", body, AT));
    assert!(!check("1700000000", "nonce123", good, KEY, br#"{"encrypt":"abd"}"#, AT));
}

#[test]
fn the_console_is_answered_with_its_challenge() {
    let expected = Ok(Inbound::Challenge("c-1".into()));
    let encrypted = json!({"encrypt": CHALLENGE}).to_string();
    assert_eq!(sealed().open(Signed::default(), encrypted.as_bytes(), now()), expected);
    let clear = br#"{"challenge":"c-1","token":"vt","type":"url_verification"}"#;
    let by_token = Callbacks::new(Some("vt".into()), None);
    assert_eq!(by_token.open(Signed::default(), clear, now()), expected);
    assert!(is_forged(&sealed().open(Signed::default(), clear, now())), "with a key it comes encrypted");
    let other = Callbacks::new(Some("vt2".into()), Some(KEY.into()));
    assert!(is_forged(&other.open(Signed::default(), encrypted.as_bytes(), now())));
}

#[test]
fn an_event_needs_signature_and_token() {
    let value = button_value(&Button { incident: IncidentId(7), epoch: 3, action: Action::Acknowledge });
    let body = encrypt(&press(&value));
    assert!(matches!(opened(&sealed(), &body), Ok(Inbound::Press { .. })));
    let by_signature = Callbacks::new(None, Some(KEY.into()));
    assert!(matches!(opened(&by_signature, &body), Ok(Inbound::Press { .. })));
    let by_token = Callbacks::new(Some("vt".into()), None);
    let clear = press(&value).to_string();
    assert!(matches!(by_token.open(Signed::default(), clear.as_bytes(), now()), Ok(Inbound::Press { .. })));

    assert!(is_forged(&opened(&Callbacks::new(Some("vx".into()), Some(KEY.into())), &body)));
    assert!(is_forged(&opened(&Callbacks::new(Some("vt".into()), Some("other".into())), &body)));
    assert!(is_forged(&Callbacks::new(Some("vx".into()), None).open(
        Signed::default(),
        clear.as_bytes(),
        now()
    )));
    assert!(is_forged(&by_token.open(Signed::default(), &body, now())), "encrypted, and no key to open it");
    assert!(is_forged(&by_token.open(Signed::default(), b"{", now())));
    let nobody = Callbacks::new(None, None);
    assert_eq!(nobody.open(Signed::default(), clear.as_bytes(), now()), Err(Refused::Unguarded));
}

#[test]
fn whatever_is_wrong_with_an_unsigned_request_it_is_told_the_same() {
    let padding = json!({"encrypt": STANDARD.encode([1; 48])}).to_string().into_bytes();
    let unsigned =
        [encrypt(&press(&json!({}))), encrypt(&json!("x")), padding, b"{".to_vec(), b"{}".to_vec()];
    let told: Vec<_> = unsigned.iter().map(|body| sealed().open(Signed::default(), body, now())).collect();
    assert!(told.iter().all(|outcome| is_forged(outcome) && Some(outcome) == told.first()), "{told:?}");
    let no_time = Signed { timestamp: None, nonce: Some("n"), signature: Some("00") };
    assert!(is_forged(&sealed().open(no_time, b"{}", now())));
}

#[test]
fn what_feishu_signed_and_nobody_understands_is_unreadable() {
    for body in [b"{".as_slice(), br#"{"encrypt":"abc"}"#, br#"{"encrypt":5}"#] {
        assert!(matches!(opened(&sealed(), body), Err(Refused::Unreadable(_))));
    }
    let mut no_id = press(&json!({}));
    no_id["header"]["event_id"] = json!("");
    assert_eq!(
        read(no_id.to_string().as_bytes(), APP),
        Err(Refused::Unreadable("/header/event_id is missing or no text".into()))
    );
}

#[test]
fn secrets_do_not_print() {
    let shown = format!("{:?}", Callbacks::new(Some("hush-1".into()), Some("hush-2".into())));
    assert!(!shown.contains("hush"), "{shown}");
}

fn heard(kind: &str, body: &Value) -> Inbound {
    read(event(kind, body).to_string().as_bytes(), APP).unwrap()
}

#[test]
fn a_press_tells_who_where_and_what() {
    let button = Button {
        incident: IncidentId(142),
        epoch: 3,
        action: Action::Snooze { span: SignedDuration::from_mins(90) },
    };
    let value = json!({"v": 1, "do": "snooze", "inc": "INC-142", "epoch": 3, "for": "1h30m"});
    assert_eq!(button_value(&button), value);
    let Ok(Inbound::Press { event_id, operator, message, chat, value }) =
        read(press(&value).to_string().as_bytes(), APP)
    else {
        panic!("no press");
    };
    assert_eq!((event_id.as_str(), message.0.as_str(), chat), ("e1", "om_1", Some(ChatId("oc_1".into()))));
    assert_eq!(operator.contacts(), [Contact::OpenId("ou_1".into()), Contact::UnionId("on_1".into())]);
    assert_eq!(value, Pressed::Incident(button));
}

#[test]
fn foreign_buttons_are_told_from_forgeries() {
    let good = json!({"v": 1, "do": "snooze", "inc": "INC-1", "epoch": 3, "for": "1h"});
    let spoiled = |name: &str, value: Value| {
        let mut spoiled = good.clone();
        spoiled[name] = value;
        spoiled
    };
    for value in [
        json!({"a": "ack"}),
        json!("acknowledge"),
        Value::Null,
        spoiled("v", json!(2)),
        spoiled("do", json!("explode")),
        spoiled("inc", json!("INC-0")),
        spoiled("epoch", json!(-1)),
        spoiled("for", json!("8d")),
        spoiled("for", json!("0s")),
        spoiled("for", json!(60)),
        spoiled("do", json!("hand_over")),
    ] {
        let outcome = read(press(&value).to_string().as_bytes(), APP);
        assert!(matches!(outcome, Err(Refused::Button(_))), "{value}: {outcome:?}");
    }
}

fn message(content: &Value, changes: &Value) -> Value {
    let kind = if content.get("text").is_some() { "text" } else { "post" };
    let mut body = json!({
        "sender": {"sender_id": {"open_id": "ou_1"}, "sender_type": "user"},
        "message": {"message_id": "om_2", "parent_id": "om_1", "root_id": "om_0", "chat_id": "oc_1",
                    "chat_type": "group", "message_type": kind, "content": content.to_string()},
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        *body.pointer_mut(name).unwrap() = value.clone();
    }
    body
}

#[test]
fn what_people_say_is_read_without_whom_they_address() {
    let said = |content: Value| {
        let heard = heard("im.message.receive_v1", &message(&content, &json!({})));
        let Inbound::Said { text, parent, root, .. } = heard else { panic!("{heard:?}") };
        assert_eq!((parent.unwrap().0, root.unwrap().0), ("om_1".to_owned(), "om_0".to_owned()));
        text
    };
    for (content, text) in [
        (json!({"text": "@_user_1 ack"}), "ack"),
        (json!({"text": "@_user_12@_user_1 2h @_all"}), "2h"),
        (json!({"text": "mail me@_home"}), "mail me@_home"),
        (
            json!({"content": [[{"tag": "at", "user_id": "@_user_1"}, {"tag": "text", "text": " 认领 "}]]}),
            "认领",
        ),
    ] {
        assert_eq!(said(content), text);
    }
}

#[test]
fn bots_pictures_and_unknown_events_are_of_no_interest() {
    let text = json!({"text": "ack"});
    let bodies = [
        ("im.message.receive_v1", message(&text, &json!({"/sender/sender_type": "bot"}))),
        ("im.message.receive_v1", message(&text, &json!({"/message/message_type": "image"}))),
        ("im.message.receive_v1", message(&text, &json!({"/message/content": "{"}))),
        ("im.message.reaction.created_v1", json!({"operator_type": "app"})),
        ("im.chat.disbanded_v1", json!({"chat_id": "oc_1"})),
    ];
    for (kind, body) in bodies {
        assert_eq!(heard(kind, &body), Inbound::Other { event_id: "e1".into(), kind: kind.into() });
    }
    let old = json!({"ts": "1", "uuid": "u1", "token": "vt", "type": "event_callback", "event": {"type": "message"}});
    let by_token = Callbacks::new(Some("vt".into()), None);
    let other = Inbound::Other { event_id: "u1".into(), kind: "message".into() };
    assert_eq!(by_token.open(Signed::default(), old.to_string().as_bytes(), now()), Ok(other));
}

#[test]
fn reactions_and_receipts_tell_who_and_what() {
    let reaction = json!({"message_id": "om_1", "reaction_type": {"emoji_type": "OnIt"},
                          "operator_type": "user", "user_id": {"open_id": "ou_1"}, "action_time": "1"});
    for (kind, put_on) in
        [("im.message.reaction.created_v1", true), ("im.message.reaction.deleted_v1", false)]
    {
        let Inbound::Reacted { operator, message, emoji, added, .. } = heard(kind, &reaction) else {
            panic!("no reaction");
        };
        assert_eq!((operator.open_id.as_deref(), emoji.as_str(), added), (Some("ou_1"), "OnIt", put_on));
        assert_eq!(message, MessageId("om_1".into()));
    }
    let receipt = json!({"reader": {"reader_id": {"open_id": "ou_1"}, "read_time": "1"},
                         "message_id_list": ["om_1", "om_2"]});
    let Inbound::Read { reader, messages, .. } = heard("im.message.message_read_v1", &receipt) else {
        panic!("no receipt");
    };
    assert_eq!((reader.open_id.as_deref(), messages.len()), (Some("ou_1"), 2));
}

#[test]
fn replies_are_understood_in_both_languages() {
    let snooze = |minutes| Action::Snooze { span: SignedDuration::from_mins(minutes) };
    for (text, action) in [
        ("ack", Action::Acknowledge),
        (" ACK! ", Action::Acknowledge),
        ("“认领”。", Action::Acknowledge),
        ("收到", Action::Acknowledge),
        ("确认～", Action::Acknowledge),
        ("unack", Action::Unacknowledge),
        ("取消认领", Action::Unacknowledge),
        ("resolve", Action::Resolve),
        ("Resolved.", Action::Resolve),
        ("已解决", Action::Resolve),
        ("恢复", Action::Resolve),
        ("升级!", Action::Escalate),
        ("Escalate", Action::Escalate),
        ("2h", snooze(120)),
        ("２ｈ", snooze(120)),
        ("30m", snooze(30)),
        ("1h30m", snooze(90)),
        ("2 Hours", snooze(120)),
        ("2小时", snooze(120)),
        ("1 个小时 30 分钟", snooze(90)),
        ("snooze 2h", snooze(120)),
        ("静音2小时", snooze(120)),
        ("静音 2小时", snooze(120)),
        ("7d", snooze(7 * 24 * 60)),
    ] {
        assert_eq!(spoken(text), Some(action), "{text:?}");
    }
}

#[test]
fn talk_is_not_taken_for_orders() {
    for text in [
        "",
        "!",
        "I will resolve this tomorrow",
        "ack?? why",
        "已解决了吗",
        "2",
        "0h",
        "8d",
        "resolved?",
        "解决？",
        "2h later",
        "snooze",
        "99999999999999999999h",
        "back in 2h",
        "2hh",
        "30m2h",
    ] {
        assert_eq!(spoken(text), None, "{text:?}");
    }
}

#[test]
fn answers_are_worded_as_documented() {
    let toast = Toast::new(ToastKind::Success, "已认领", "Acknowledged");
    assert_eq!(
        reply(Some(&toast), Some(r#"{"schema":"2.0"}"#)),
        json!({
            "toast": {"type": "success", "content": "Acknowledged",
                      "i18n": {"zh_cn": "已认领", "en_us": "Acknowledged"}},
            "card": {"type": "raw", "data": {"schema": "2.0"}},
        })
    );
    assert_eq!(reply(None, None), json!({}));
    assert_eq!(reply(None, Some("[1]")), json!({}), "a card is an object");
}

proptest! {
    #[test]
    fn every_button_comes_back_as_it_was_drawn(
        number in 1..i64::MAX, epoch: u64, seconds in 1..=604_800_i64, kind in 0..7_usize, to in ".{1,20}",
    ) {
        let span = SignedDuration::from_secs(seconds);
        let action = [
            Action::Acknowledge, Action::Unacknowledge, Action::Snooze { span }, Action::Resolve,
            Action::Escalate, Action::HandOver { to }, Action::Silence { span },
        ][kind].clone();
        let button = Button { incident: IncidentId(number), epoch, action };
        prop_assert_eq!(Pressed::read(&button_value(&button)), Ok(Pressed::Incident(button)));
        let all = StormButton { storm: StormId(number), seen: epoch };
        prop_assert_eq!(Pressed::read(&storm_button_value(all)), Ok(Pressed::Storm(all)));
    }

    #[test]
    fn no_text_is_too_strange(text in ".*") {
        spoken(&text);
        prop_assert!(opened(&sealed(), text.as_bytes()).is_err());
    }
}
