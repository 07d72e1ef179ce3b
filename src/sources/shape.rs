//! Reads JSON values of an expected shape, and says so when another one comes.
//!
//! serde's derived readers don't borrow text inside containers, build a map
//! for every label set and repeat a whole wrong string in their errors. A
//! [`Shape`] says which JSON values it takes; all others are refused with the
//! same short words ("expected a string, got the number 3").

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::{DecodeError, Excerpt, Trail};
use crate::domain::Labels;

/// What is expected at a place of the body and what becomes of it.
///
/// A shape implements the methods of the JSON types it takes.
pub(super) trait Shape<'a>: Sized {
    /// What it becomes.
    type Value;

    /// Completes "expected …".
    fn expected(&self) -> &'static str;

    fn null<E: Error>(self) -> Result<Self::Value, E> {
        Err(mistaken(self.expected(), "null"))
    }

    fn boolean<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Err(mistaken(self.expected(), format_args!("the boolean {value}")))
    }

    fn number<E: Error>(self, value: Number) -> Result<Self::Value, E> {
        Err(mistaken(self.expected(), format_args!("the number {value}")))
    }

    /// Text that holds escapes and so can't be borrowed from the body.
    fn text<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Err(mistaken(self.expected(), format_args!("\"{}\"", Excerpt(text))))
    }

    /// Text as it stands in the body.
    fn borrowed<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
        self.text(text)
    }

    fn array<A: SeqAccess<'a>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(mistaken(self.expected(), "an array"))
    }

    fn object<A: MapAccess<'a>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(mistaken(self.expected(), "an object"))
    }
}

/// The error of every shape: what was expected and what came.
pub(super) fn mistaken<E: Error>(expected: &str, got: impl fmt::Display) -> E {
    E::custom(format_args!("expected {expected}, got {got}"))
}

/// Reads a whole body of one shape; nothing may follow it.
pub(super) fn read<'a, S: Shape<'a>>(
    text: &'a str,
    shape: S,
    trail: &Trail,
) -> Result<S::Value, DecodeError> {
    let mut parser = serde_json::Deserializer::from_str(text);
    Read(shape)
        .deserialize(&mut parser)
        .and_then(|value| parser.end().map(|()| value))
        .map_err(|error| DecodeError::explain(&error, trail))
}

/// Reads the value that belongs to the key just read.
#[inline]
pub(super) fn value<'a, A: MapAccess<'a>, S: Shape<'a>>(
    map: &mut A,
    trail: &Trail,
    name: &str,
    shape: S,
) -> Result<S::Value, A::Error> {
    map.next_value_seed(Read(shape)).inspect_err(|_| trail.field(name))
}

/// Passes over the value that belongs to the key just read.
#[inline]
pub(super) fn skip<'a, A: MapAccess<'a>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// Makes a reader of a [`Shape`].
pub(super) struct Read<S>(pub(super) S);

impl<'a, S: Shape<'a>> DeserializeSeed<'a> for Read<S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'a>>(self, parser: D) -> Result<S::Value, D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'a, S: Shape<'a>> Visitor<'a> for Read<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.expected())
    }

    fn visit_unit<E: Error>(self) -> Result<S::Value, E> {
        self.0.null()
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<S::Value, E> {
        self.0.boolean(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<S::Value, E> {
        self.0.number(Number::Whole(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<S::Value, E> {
        self.0.number(Number::Negative(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<S::Value, E> {
        self.0.number(Number::Fraction(value))
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<S::Value, E> {
        self.0.text(text)
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<S::Value, E> {
        self.0.borrowed(text)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<S::Value, A::Error> {
        self.0.array(seq)
    }

    #[inline]
    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<S::Value, A::Error> {
        self.0.object(map)
    }
}

/// A JSON number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// Not negative, without fraction.
    Whole(u64),
    /// Negative, without fraction.
    Negative(i64),
    /// With a fraction or exponent, or beyond 64 bits.
    Fraction(f64),
}

impl fmt::Display for Number {
    /// In full, but very large and very small ones with an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(n) => write!(f, "{n}"),
            Self::Negative(n) => write!(f, "{n}"),
            Self::Fraction(n) if *n != 0.0 && !(1e-6..1e21).contains(&n.abs()) => write!(f, "{n:e}"),
            Self::Fraction(n) => write!(f, "{n}"),
        }
    }
}

/// A string. With `KEEP` off it is checked and forgotten.
pub(super) struct Text<const KEEP: bool> {
    /// Whether `null` stands for the empty string.
    pub(super) nullable: bool,
}

impl<'a, const KEEP: bool> Shape<'a> for Text<KEEP> {
    type Value = Cow<'a, str>;

    fn expected(&self) -> &'static str {
        "a string"
    }

    fn null<E: Error>(self) -> Result<Cow<'a, str>, E> {
        if self.nullable { Ok(Cow::Borrowed("")) } else { Err(mistaken(self.expected(), "null")) }
    }

    #[inline]
    fn text<E: Error>(self, text: &str) -> Result<Cow<'a, str>, E> {
        Ok(if KEEP { Cow::Owned(text.to_owned()) } else { Cow::Borrowed("") })
    }

    #[inline]
    fn borrowed<E: Error>(self, text: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(text))
    }
}

/// An object of strings, or `null` for an empty one. A value that is `null`
/// counts as absent: it must not cost the alert. With `KEEP` off it is checked
/// and forgotten.
pub(super) struct Pairs<'t, const KEEP: bool> {
    pub(super) trail: &'t Trail,
    /// Room for so many pairs is made at once.
    pub(super) capacity: usize,
}

impl<'a, const KEEP: bool> Shape<'a> for Pairs<'_, KEEP> {
    type Value = Labels<'a>;

    fn expected(&self) -> &'static str {
        "an object of strings"
    }

    fn null<E: Error>(self) -> Result<Labels<'a>, E> {
        Ok(Labels::default())
    }

    #[inline]
    fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Labels<'a>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(name) = map.next_key_seed(Read(Text::<KEEP> { nullable: false }))? {
            let text = value(&mut map, self.trail, &name, Text::<KEEP> { nullable: true })?;
            if KEEP && !text.is_empty() {
                if pairs.is_empty() {
                    pairs.reserve_exact(self.capacity);
                }
                pairs.push((name, text));
            }
        }
        Ok(Labels::from_pairs(pairs))
    }
}

/// A number of things; `null` is none.
pub(super) struct Count;

impl Shape<'_> for Count {
    type Value = u64;

    fn expected(&self) -> &'static str {
        "a whole number that is not negative"
    }

    fn null<E: Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn number<E: Error>(self, number: Number) -> Result<u64, E> {
        match number {
            Number::Whole(count) => Ok(count),
            Number::Negative(_) | Number::Fraction(_) => {
                Err(mistaken(self.expected(), format_args!("the number {number}")))
            }
        }
    }
}

/// An instant as RFC 3339, with up to 9 fraction digits and any offset.
///
/// `null`, the empty string and anything in the year 1 (Go's zero time, in
/// whatever zone it was printed) are no instant.
pub(super) struct Instant;

impl Shape<'_> for Instant {
    type Value = Option<Timestamp>;

    fn expected(&self) -> &'static str {
        "an RFC 3339 time such as 2026-11-22T03:45:14.271Z"
    }

    fn null<E: Error>(self) -> Result<Option<Timestamp>, E> {
        Ok(None)
    }

    #[inline]
    fn text<E: Error>(self, text: &str) -> Result<Option<Timestamp>, E> {
        if text.is_empty() || text.starts_with("0001-") {
            return Ok(None);
        }
        match text.parse() {
            Ok(instant) => Ok(Some(instant)),
            Err(_) => Err(mistaken(self.expected(), format_args!("\"{}\"", Excerpt(text)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_instant(json: &str) -> Result<Option<Timestamp>, DecodeError> {
        read(json, Instant, &Trail::default())
    }

    #[test]
    fn instants_are_read_as_go_writes_them() {
        let table = [
            (r#""2026-11-22T03:45:14Z""#, Some("2026-11-22T03:45:14Z")),
            (r#""2026-11-22T03:45:14.2Z""#, Some("2026-11-22T03:45:14.2Z")),
            (r#""2026-11-22T03:45:14.271Z""#, Some("2026-11-22T03:45:14.271Z")),
            (r#""2026-11-22T03:45:14.271934856Z""#, Some("2026-11-22T03:45:14.271934856Z")),
            (r#""2026-01-15T18:20:30.405950092+08:00""#, Some("2026-01-15T10:20:30.405950092Z")),
            (r#""2026-01-15T00:20:30-03:30""#, Some("2026-01-15T03:50:30Z")),
            (r#""0001-01-01T00:00:00Z""#, None),
            (r#""0001-01-01T08:05:43+08:05""#, None),
            (r#""""#, None),
            ("null", None),
        ];
        for (json, instant) in table {
            assert_eq!(read_instant(json), Ok(instant.map(|i| i.parse().unwrap())), "{json}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for json in
            [r#""yesterday""#, r#""2026-11-22""#, r#""2026-11-22T03:45:14""#, r#""2026-13-01T00:00:00Z""#]
        {
            let error = read_instant(json).unwrap_err().to_string();
            assert!(error.contains(&format!("got {json}")), "{error}");
        }
        let error = read_instant("1795319485").unwrap_err().to_string();
        assert!(error.contains("got the number 1795319485"), "{error}");
    }

    #[test]
    fn text_without_escapes_is_borrowed_from_the_body() {
        let body = String::from(r#"{"plain":"值","esc\u0061ped":"a\nb"}"#);
        let trail = Trail::default();
        let pairs = read(&body, Collect, &trail).unwrap();
        let borrowed: Vec<bool> =
            pairs.iter().flat_map(|(n, v)| [n, v]).map(|t| matches!(t, Cow::Borrowed(_))).collect();
        assert_eq!(borrowed, [true, true, false, false]);
        let labels = read(&body, Pairs::<true> { trail: &trail, capacity: 4 }, &trail).unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("escaped", "a\nb"), ("plain", "值")]);
    }

    /// The pairs before [`Labels`] hides whether they borrow.
    struct Collect;

    impl<'a> Shape<'a> for Collect {
        type Value = Vec<(Cow<'a, str>, Cow<'a, str>)>;

        fn expected(&self) -> &'static str {
            "an object"
        }

        fn object<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            let text = || Read(Text::<true> { nullable: false });
            while let Some(pair) = map.next_entry_seed(text(), text())? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    #[test]
    fn numbers_read_as_their_senders_print_them() {
        let table = [
            (Number::Whole(1), "1"),
            (Number::Negative(-1), "-1"),
            (Number::Fraction(12.5), "12.5"),
            (Number::Fraction(0.0), "0"),
            (Number::Fraction(1e300), "1e300"),
            (Number::Fraction(-2.5e-9), "-2.5e-9"),
        ];
        for (number, text) in table {
            assert_eq!(number.to_string(), text);
        }
    }
}
