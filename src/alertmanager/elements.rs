//! Cuts a JSON array that arrives in parts into its objects, one at a time.
//!
//! So an answer about thousands of alerts never stands in memory as a whole,
//! and what is looked for can end the reading. Looks at brackets and quotes
//! only; whether an object is well formed is found out by whoever reads it.

/// Longest object: 1 MiB. Alertmanager's senders keep annotations far below.
const OBJECT_BYTES_MAX: usize = 1024 * 1024;

/// Where in the array the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the array.
    Start,
    /// After `[`.
    First,
    /// In an object, so many braces deep.
    Object(usize),
    /// In a string of an object that is so many braces deep.
    String(usize),
    /// After a backslash in a string.
    Escape(usize),
    /// After an object.
    Behind,
    /// After a comma.
    Next,
    /// After the array.
    End,
}

/// The array's objects, as they become complete.
pub(crate) struct Elements {
    place: Place,
    object: Vec<u8>,
}

impl Elements {
    pub(crate) fn new() -> Self {
        Self { place: Place::Start, object: Vec::new() }
    }

    /// Takes bytes up to the end of the next object and hands that out; `None`
    /// once all of `part` is taken. An error says what is wrong with the text.
    pub(crate) fn next(&mut self, part: &mut &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        while let Some((byte, rest)) = part.split_first() {
            *part = rest;
            let before = self.place;
            self.place = after(before, *byte)?;
            if matches!(self.place, Place::Object(_) | Place::String(_) | Place::Escape(_)) {
                if self.object.len() >= OBJECT_BYTES_MAX {
                    return Err("an element of the list is too large");
                }
                self.object.push(*byte);
            } else if self.place == Place::Behind && before != Place::Behind {
                self.object.push(*byte);
                return Ok(Some(std::mem::take(&mut self.object)));
            }
        }
        Ok(None)
    }

    /// Whether the array has ended.
    pub(crate) fn ended(&self) -> bool {
        self.place == Place::End
    }
}

/// The place after a byte.
fn after(place: Place, byte: u8) -> Result<Place, &'static str> {
    Ok(match (place, byte) {
        (Place::Escape(depth), _) | (Place::Object(depth), b'"') => Place::String(depth),
        (Place::String(depth), b'\\') => Place::Escape(depth),
        (Place::String(depth), b'"') => Place::Object(depth),
        (Place::Object(depth), b'{') => Place::Object(depth + 1),
        (Place::Object(1), b'}') => Place::Behind,
        (Place::Object(depth), b'}') => Place::Object(depth - 1),
        (Place::String(_) | Place::Object(_), _) | (_, b' ' | b'\n' | b'\r' | b'\t') => place,
        (Place::Start, b'[') => Place::First,
        (Place::First | Place::Next, b'{') => Place::Object(1),
        (Place::Behind, b',') => Place::Next,
        (Place::First | Place::Behind, b']') => Place::End,
        (Place::Start | Place::First | Place::Behind | Place::Next | Place::End, _) => {
            return Err("it is not a list of objects");
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Cuts `text` that arrives in parts of `size` bytes.
    fn cut(text: &str, size: usize) -> Result<Vec<String>, &'static str> {
        let (mut elements, mut found) = (Elements::new(), Vec::new());
        for mut part in text.as_bytes().chunks(size) {
            while let Some(object) = elements.next(&mut part)? {
                found.push(String::from_utf8(object).unwrap());
            }
        }
        if elements.ended() { Ok(found) } else { Err("cut off") }
    }

    #[test]
    fn lists_are_cut_and_others_refused() {
        let table: [(&str, Result<Vec<&str>, &str>); 12] = [
            ("[]", Ok(vec![])),
            (" [ ] \n", Ok(vec![])),
            (r#"[{"a":1}, {"b":{}}]"#, Ok(vec![r#"{"a":1}"#, r#"{"b":{}}"#])),
            (r#"[{"}\"":"]{\\"}]"#, Ok(vec![r#"{"}\"":"]{\\"}"#])),
            ("", Err("cut off")),
            (r#"[{"a":1}"#, Err("cut off")),
            (r#"[{"a":1}{"#, Err("it is not a list of objects")),
            (r#"[{"a":1},]"#, Err("it is not a list of objects")),
            ("[,{}]", Err("it is not a list of objects")),
            ("[1]", Err("it is not a list of objects")),
            ("{}", Err("it is not a list of objects")),
            ("[] []", Err("it is not a list of objects")),
        ];
        for (text, expected) in table {
            for size in 1..=text.len().max(1) {
                let found = cut(text, size);
                let found = found.as_ref().map(|f| f.iter().map(String::as_str).collect()).map_err(|e| *e);
                assert_eq!(found, expected, "{text} in parts of {size}");
            }
        }
        let huge = format!("[{{\"a\":\"{}\"}}]", "x".repeat(OBJECT_BYTES_MAX));
        assert_eq!(cut(&huge, 4096), Err("an element of the list is too large"));
    }

    proptest! {
        #[test]
        fn whatever_the_parts_the_objects_are_the_same(
            texts in prop::collection::vec(("\\PC*", ".*"), 0..5),
            size in 1_usize..40,
        ) {
            let objects: Vec<Value> =
                texts.iter().map(|(k, v)| serde_json::json!({k: {"v": v, "l": [{}, [v]]}})).collect();
            let found = cut(&Value::from(objects.clone()).to_string(), size).unwrap();
            let found: Vec<Value> = found.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(found, objects);
        }
    }
}
