//! The frame of the long connection: one message of proto2, by hand.
//!
//! ```text
//! Header { required string key = 1; required string value = 2 }
//! Frame  { required uint64 SeqID = 1; required uint64 LogID = 2;
//!          required int32 service = 3; required int32 method = 4;
//!          repeated Header headers = 5; optional string payload_encoding = 6;
//!          optional string payload_type = 7; optional bytes payload = 8;
//!          optional string LogIDNew = 9 }
//! ```
//!
//! Two small messages do not pay for a code generator, and most of those leave
//! out a field that is zero, which Feishu requires to be there.
//!
//! # Invariants
//!
//! * What was decoded encodes to the same, but for fields nobody knows.
//! * Bytes from outside never panic, and take no more memory than a small
//!   multiple of their length.

/// Most headers a frame may have; Feishu sends about ten.
const HEADERS_MAX: usize = 64;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Ping and pong.
    Control,
    /// An event, or the answer to one.
    Data,
}

/// One message of the long connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// Feishu's; an answer repeats it.
    pub seq_id: u64,
    /// Feishu's; an answer repeats it.
    pub log_id: u64,
    /// The connection's, from the address that was dialled.
    pub service: i32,
    /// 0 or 1, see [`method`](Self::method).
    pub method: i32,
    /// In their order; a key may stand there twice.
    pub headers: Vec<(String, String)>,
    /// Unused by Feishu.
    pub payload_encoding: Option<String>,
    /// Unused by Feishu.
    pub payload_type: Option<String>,
    /// JSON, or a part of it.
    pub payload: Option<Vec<u8>>,
    /// Feishu's; an answer repeats it.
    pub log_id_new: Option<String>,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a frame of Feishu's: {0}")]
pub struct NoFrame(&'static str);

impl Frame {
    /// The ping of a connection.
    pub fn ping(service: i32) -> Self {
        Self { service, headers: vec![("type".to_owned(), "ping".to_owned())], ..Self::default() }
    }

    /// `None` for a method nobody knows.
    pub fn method(&self) -> Option<Method> {
        match self.method {
            0 => Some(Method::Control),
            1 => Some(Method::Data),
            _ => None,
        }
    }

    /// The first header of that name.
    pub fn header(&self, key: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The answer to this frame, after so many milliseconds: all that came, one
    /// header more, another payload.
    #[must_use]
    pub fn answered(mut self, took_ms: u128, payload: Vec<u8>) -> Self {
        self.headers.push(("biz_rt".to_owned(), took_ms.to_string()));
        Self { payload: Some(payload), ..self }
    }

    /// As it goes over the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (field, number) in [
            (1, self.seq_id),
            (2, self.log_id),
            (3, i64::from(self.service).cast_unsigned()),
            (4, i64::from(self.method).cast_unsigned()),
        ] {
            varint(&mut out, field << 3 | VARINT);
            varint(&mut out, number);
        }
        for (key, value) in &self.headers {
            let mut header = Vec::new();
            bytes(&mut header, 1, key.as_bytes());
            bytes(&mut header, 2, value.as_bytes());
            bytes(&mut out, 5, &header);
        }
        let text = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
        for (field, value) in [
            (6, text(&self.payload_encoding)),
            (7, text(&self.payload_type)),
            (8, self.payload.clone()),
            (9, text(&self.log_id_new)),
        ] {
            if let Some(value) = value {
                bytes(&mut out, field, &value);
            }
        }
        out
    }

    /// Reads what came over the wire.
    ///
    /// # Errors
    ///
    /// When it is cut short, lacks what must be there or is no such message at all.
    pub fn decode(wire: &[u8]) -> Result<Self, NoFrame> {
        let mut reader = Reader(wire);
        let mut frame = Self::default();
        let [mut seq_id, mut log_id] = [None, None];
        let [mut service, mut method] = [None, None];
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Value::Number(n)) => seq_id = Some(n),
                (2, Value::Number(n)) => log_id = Some(n),
                (3, Value::Number(n)) => service = Some(int32(n)?),
                (4, Value::Number(n)) => method = Some(int32(n)?),
                (5, Value::Bytes(_)) if frame.headers.len() >= HEADERS_MAX => {
                    return Err(NoFrame("too many headers"));
                }
                (5, Value::Bytes(b)) => frame.headers.push(header(b)?),
                (6, Value::Bytes(b)) => frame.payload_encoding = Some(utf8(b)?),
                (7, Value::Bytes(b)) => frame.payload_type = Some(utf8(b)?),
                (8, Value::Bytes(b)) => frame.payload = Some(b.to_vec()),
                (9, Value::Bytes(b)) => frame.log_id_new = Some(utf8(b)?),
                (1..=9, _) => return Err(NoFrame("a field has the wrong type")),
                _ => {}
            }
        }
        let missing = NoFrame("a required field is missing");
        Ok(Self {
            seq_id: seq_id.ok_or(missing)?,
            log_id: log_id.ok_or(missing)?,
            service: service.ok_or(missing)?,
            method: method.ok_or(missing)?,
            ..frame
        })
    }
}

/// Wire types of protocol buffers.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

fn varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = (number & 0x7f).to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | LENGTH);
    // No length on this machine is beyond 64 bits.
    varint(out, u64::try_from(value.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(value);
}

fn int32(number: u64) -> Result<i32, NoFrame> {
    i32::try_from(number.cast_signed()).map_err(|_| NoFrame("a number is too large"))
}

fn utf8(bytes: &[u8]) -> Result<String, NoFrame> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| NoFrame("a text is not UTF-8"))
}

fn header(wire: &[u8]) -> Result<(String, String), NoFrame> {
    let mut reader = Reader(wire);
    let (mut key, mut text) = (None, None);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Bytes(b)) => key = Some(utf8(b)?),
            (2, Value::Bytes(b)) => text = Some(utf8(b)?),
            (1 | 2, _) => return Err(NoFrame("a field has the wrong type")),
            _ => {}
        }
    }
    key.zip(text).ok_or(NoFrame("a header without key or value"))
}

/// What stands in a field.
enum Value<'w> {
    Number(u64),
    Bytes(&'w [u8]),
    /// Of a type that no known field has.
    Skipped,
}

/// What is still to be read.
struct Reader<'w>(&'w [u8]);

impl<'w> Reader<'w> {
    /// The next field; `None` at the end.
    fn field(&mut self) -> Result<Option<(u64, Value<'w>)>, NoFrame> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            VARINT => Value::Number(self.varint()?),
            LENGTH => {
                let length = usize::try_from(self.varint()?).map_err(|_| NoFrame("cut short"))?;
                Value::Bytes(self.take(length)?)
            }
            FIXED64 => self.take(8).map(|_| Value::Skipped)?,
            FIXED32 => self.take(4).map(|_| Value::Skipped)?,
            _ => return Err(NoFrame("a field of no known type")),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'w [u8], NoFrame> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(NoFrame("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, NoFrame> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first().ok_or(NoFrame("cut short"))?;
            self.0 = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(NoFrame("a number without end"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PING: &str = "0800100018f681801020002a0c0a0474797065120470696e67";
    const DATA: &str = "0801100218f681801020012a0d0a047479706512056576656e742a100a0a6d6573736167655f696412026d31\
                        2a080a0373756d1201312a080a037365711201302a0e0a0874726163655f69641202743142107b2273636865\
                        6d61223a22322e30227d";
    const SERVICE: i32 = 33_554_678;

    fn data() -> Frame {
        let headers =
            [("type", "event"), ("message_id", "m1"), ("sum", "1"), ("seq", "0"), ("trace_id", "t1")];
        Frame {
            seq_id: 1,
            log_id: 2,
            service: SERVICE,
            method: 1,
            headers: headers.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            payload: Some(br#"{"schema":"2.0"}"#.to_vec()),
            ..Frame::default()
        }
    }

    #[test]
    fn ping_data_and_answer_are_byte_for_byte_feishus() {
        for (frame, wire) in [(Frame::ping(SERVICE), PING), (data(), DATA)] {
            let wire = hex::decode(wire).unwrap();
            assert_eq!(hex::encode(frame.encode()), hex::encode(&wire));
            assert_eq!(Frame::decode(&wire), Ok(frame));
        }
        let (before, _) = DATA.split_once("4210").unwrap();
        let answer = format!("{before}2a0b0a0662697a5f7274120133420d7b22636f6465223a203230307d");
        let answered = data().answered(3, br#"{"code": 200}"#.to_vec());
        assert_eq!(hex::encode(answered.encode()), answer);
        assert_eq!((data().method(), Frame::ping(1).method()), (Some(Method::Data), Some(Method::Control)));
        assert_eq!((data().header("message_id"), data().header("biz_rt")), (Some("m1"), None));
    }

    #[test]
    fn bytes_that_are_no_frame_say_why() {
        let whole = data().encode();
        let with = |more: &[u8]| [whole.as_slice(), more].concat();
        for (wire, why) in [
            (whole[..whole.len() - 1].to_vec(), "cut short"),
            (vec![0x08, 0x01, 0x10, 0x02, 0x18, 0x01], "a required field is missing"),
            (with(&[0x0a, 0x00]), "a field has the wrong type"),
            (with(&[0x2a, 0x03, 0x0a, 0x01, b'k']), "a header without key or value"),
            (with(&[0x2a, 0x02, 0x08, 0x01]), "a field has the wrong type"),
            (with(&[0x32, 0x01, 0xff]), "a text is not UTF-8"),
            (with(&[0x0b]), "a field of no known type"),
            (with(&[0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), "cut short"),
            (with(&[0xff; 11]), "a number without end"),
            (with(&[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f]), "a number is too large"),
            (with(&[0x2a, 0x04, 0x0a, 0x00, 0x12, 0x00].repeat(HEADERS_MAX)), "too many headers"),
        ] {
            assert_eq!(Frame::decode(&wire), Err(NoFrame(why)), "{}", hex::encode(&wire));
        }
        let unknown = [0x51, 1, 2, 3, 4, 5, 6, 7, 8, 0x55, 1, 2, 3, 4, 0x58, 9, 0x62, 1, b'x'];
        assert_eq!(Frame::decode(&with(&unknown)), Ok(data()), "fields of a later version are passed over");
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let text = || proptest::option::of(".{0,12}");
        (
            (any::<u64>(), any::<u64>(), any::<i32>(), any::<i32>()),
            proptest::collection::vec((".{0,8}", ".{0,8}"), 0..6),
            (text(), text(), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)), text()),
        )
            .prop_map(|((seq_id, log_id, service, method), headers, more)| {
                let (payload_encoding, payload_type, payload, log_id_new) = more;
                Frame {
                    seq_id,
                    log_id,
                    service,
                    method,
                    headers,
                    payload_encoding,
                    payload_type,
                    payload,
                    log_id_new,
                }
            })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(frame in frames()) {
            prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }

        #[test]
        fn hostile_bytes_do_no_harm(
            mut wire in frames().prop_map(|frame| frame.encode()),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            noise in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            for (place, byte) in damage {
                let place = place.index(wire.len());
                wire[place] = byte;
            }
            for bytes in [wire, noise] {
                if let Ok(frame) = Frame::decode(&bytes) {
                    prop_assert!(frame.payload.map_or(0, |p| p.len()) <= bytes.len());
                    prop_assert!(frame.headers.len() <= HEADERS_MAX);
                }
            }
        }
    }
}
