//! Frames of the long connection: no bytes panic, and what was decoded encodes
//! to bytes that decode to the same.

#![no_main]

use larkhorn::feishu::long_connection::Frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|wire: &[u8]| {
    let Ok(frame) = Frame::decode(wire) else { return };
    frame.method();
    frame.header("type");
    let written = frame.encode();
    assert_eq!(Frame::decode(&written).as_ref(), Ok(&frame), "written and read again it is another");
    assert_eq!(Frame::decode(&written).map(|again| again.encode()), Ok(written));
    let held = frame.payload.as_ref().map_or(0, Vec::len)
        + frame.headers.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    assert!(held <= wire.len(), "{held} bytes were made of {}", wire.len());
    // Another header comes with the answer; as many as there may be are read here, not there.
    let full = frame.headers.len() >= 64;
    let answer = frame.answered(7, b"{\"code\":200}".to_vec());
    assert!(full || Frame::decode(&answer.encode()) == Ok(answer));
});
