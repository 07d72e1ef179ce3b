//! Matchers: no text panics, and what was read is written so that it reads the
//! same again and matches the same values.

#![no_main]

use larkhorn::rules::parse_matchers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // The value to be matched stands behind the last line break.
    let (text, value) = text.rsplit_once('\n').unwrap_or((text, ""));
    let matchers = match parse_matchers(text) {
        Ok(matchers) => matchers,
        Err(mistake) => {
            assert!(mistake.at <= text.chars().count(), "{mistake} in {text:?} at {}", mistake.at);
            return;
        }
    };
    for matcher in matchers {
        let written = matcher.to_string();
        let again = parse_matchers(&written).unwrap_or_else(|e| panic!("{written:?} cannot be read: {e}"));
        let [again] = again.as_slice() else { panic!("{written:?} is {} matchers", again.len()) };
        assert_eq!(
            (again.name(), again.op(), again.value()),
            (matcher.name(), matcher.op(), matcher.value()),
            "{written:?}"
        );
        for value in [value, "", matcher.value()] {
            assert_eq!(again.matches(value), matcher.matches(value), "{written:?} on {value:?}");
        }
    }
});
