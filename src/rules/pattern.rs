//! Anchored regular expressions, and what can be known of their matches beforehand.
//!
//! Most expressions in rules are plainer than they look: `dev|test` is two
//! words, `web-.*` a beginning. Those are tested without the regex engine and
//! filed by the [`Router`](super::Router) under words or beginnings.

use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{Extractor, Seq};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition};

/// Compiled size of one expression at most, in bytes. `\w{1,50}` fits, `(\w{1,50}){50}` does not.
const COMPILED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Groups within groups at most.
const NESTING_MAX: u32 = 100;
/// An expression that stands for at most so many words is taken as these words.
const WORDS_MAX: usize = 512;
/// Longest word or beginning that is looked for, in bytes.
const WORD_BYTES_MAX: usize = 256;

/// A set of values, written as a value or as an expression anchored at both ends.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// Exactly these values; sorted, at least one.
    Words(Box<[Box<str>]>),
    /// Every value, also the empty one: `.*`.
    Anything,
    /// Every value but the empty one: `.+`.
    Something,
    /// Values that start so: `web-.*`.
    Starts(Box<str>),
    /// Values that end so: `.*-prod`.
    Ends(Box<str>),
    /// Values that hold this: `.*canary.*`.
    Holds(Box<str>),
    /// Anything else.
    Expression {
        /// The anchored expression.
        regex: Regex,
        /// Each match starts with one of these (bytes, as a cut may split a
        /// character). Empty: nothing is known.
        starts: Box<[Box<[u8]>]>,
    },
}

/// A mistake in an expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadExpression(pub(super) String);

impl Pattern {
    /// The one value.
    pub(super) fn word(value: &str) -> Self {
        Self::Words(Box::new([value.into()]))
    }

    /// Reads an expression. `.` matches line breaks too, as in Alertmanager.
    pub(super) fn expression(text: &str) -> Result<Self, BadExpression> {
        let hir = ParserBuilder::new()
            .dot_matches_new_line(true)
            .nest_limit(NESTING_MAX)
            .build()
            .parse(text)
            .map_err(|e| BadExpression(explain(&e)))?;
        if let Some(plain) = plain(&hir) {
            return Ok(plain);
        }
        let regex = RegexBuilder::new(&anchored(text))
            .size_limit(COMPILED_BYTES_MAX)
            .nest_limit(NESTING_MAX + 2)
            .build()
            .map_err(|e| BadExpression(explain_build(&e)))?;
        Ok(Self::Expression { regex, starts: beginnings(&hir) })
    }

    /// A value that is probably in the set: the shortest way through the expression.
    pub(super) fn example(text: &str) -> Option<String> {
        let hir = ParserBuilder::new()
            .dot_matches_new_line(true)
            .nest_limit(NESTING_MAX)
            .build()
            .parse(text)
            .ok()?;
        let mut example = Vec::new();
        walk(&hir, &mut example)?;
        String::from_utf8(example).ok()
    }

    /// The values, if they are listed.
    pub(super) fn words(&self) -> Option<&[Box<str>]> {
        let Self::Words(words) = self else { return None };
        Some(words)
    }

    /// The value, if there is only one.
    pub(super) fn only_word(&self) -> Option<&str> {
        let Self::Words(words) = self else { return None };
        let [word] = &**words else { return None };
        Some(word)
    }

    /// Whether the value is in the set.
    pub(super) fn contains(&self, value: &str) -> bool {
        match self {
            Self::Words(words) => match &**words {
                [word] => **word == *value,
                many => many.binary_search_by(|w| (**w).cmp(value)).is_ok(),
            },
            Self::Anything => true,
            Self::Something => !value.is_empty(),
            Self::Starts(text) => value.starts_with(&**text),
            Self::Ends(text) => value.ends_with(&**text),
            Self::Holds(text) => value.contains(&**text),
            Self::Expression { regex, .. } => regex.is_match(value),
        }
    }
}

/// Writes what the expression asks for at least; `None` for what nothing matches,
/// or what is longer than one looks for.
fn walk(hir: &Hir, out: &mut Vec<u8>) -> Option<()> {
    if out.len() > WORD_BYTES_MAX {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(text) => out.extend(&text.0),
        HirKind::Class(Class::Unicode(class)) => {
            // Of `.` rather a letter than a control character.
            let ranges = class.ranges();
            let first = ranges.first()?.start();
            let usual = ranges.iter().any(|range| (range.start()..=range.end()).contains(&'x'));
            out.extend(if usual { 'x' } else { first }.encode_utf8(&mut [0; 4]).bytes());
        }
        HirKind::Class(Class::Bytes(class)) => out.push(class.ranges().first()?.start()),
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                walk(&repetition.sub, out)?;
            }
        }
        HirKind::Capture(capture) => walk(&capture.sub, out)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| walk(part, out))?,
        HirKind::Alternation(parts) => walk(parts.first()?, out)?,
    }
    Some(())
}

/// The expression between anchors, so that `x|y` does not match `xq`.
pub(super) fn anchored(text: &str) -> String {
    format!("^(?s:{text})$")
}

/// The pattern without regex engine, if the expression is that plain.
fn plain(hir: &Hir) -> Option<Pattern> {
    if let Some(words) = words(hir) {
        return Some(Pattern::Words(words));
    }
    if let Some(least) = any_text(hir) {
        return Some(if least == 0 { Pattern::Anything } else { Pattern::Something });
    }
    let HirKind::Concat(parts) = hir.kind() else { return None };
    match &**parts {
        [start, any] if any_text(any) == Some(0) => literal(start).map(Pattern::Starts),
        [any, end] if any_text(any) == Some(0) => literal(end).map(Pattern::Ends),
        [any, middle, other] if any_text(any) == Some(0) && any_text(other) == Some(0) => {
            literal(middle).map(Pattern::Holds)
        }
        _ => None,
    }
}

/// All values the expression matches, sorted, if they are few.
fn words(hir: &Hir) -> Option<Box<[Box<str>]>> {
    if !hir.properties().look_set().is_empty() {
        return None;
    }
    let seq = prefixes(hir);
    let literals = seq.literals()?;
    let mut words: Vec<Box<str>> = literals
        .iter()
        .map(|l| if l.is_exact() { std::str::from_utf8(l.as_bytes()).ok().map(Into::into) } else { None })
        .collect::<Option<_>>()?;
    words.sort_unstable();
    words.dedup();
    (!words.is_empty()).then(|| words.into_boxed_slice())
}

/// What every match starts with; empty when nothing is known.
fn beginnings(hir: &Hir) -> Box<[Box<[u8]>]> {
    let seq = prefixes(hir);
    let Some(literals) = seq.literals() else { return Box::default() };
    if literals.iter().any(regex_syntax::hir::literal::Literal::is_empty) {
        return Box::default();
    }
    let mut starts: Vec<Box<[u8]>> = literals.iter().map(|l| l.as_bytes().into()).collect();
    starts.sort_unstable();
    starts.dedup();
    starts.into_boxed_slice()
}

fn prefixes(hir: &Hir) -> Seq {
    Extractor::new().limit_total(WORDS_MAX).limit_literal_len(WORD_BYTES_MAX).extract(hir)
}

/// How many characters at least, if the expression is `.*` or `.+`.
fn any_text(hir: &Hir) -> Option<u32> {
    let HirKind::Repetition(Repetition { min: min @ (0 | 1), max: None, sub, .. }) = hir.kind() else {
        return None;
    };
    let any = ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)]);
    match sub.kind() {
        HirKind::Class(Class::Unicode(class)) if *class == any => Some(*min),
        HirKind::Capture(_)
        | HirKind::Class(_)
        | HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Concat(_)
        | HirKind::Alternation(_) => None,
    }
}

/// The text, if the expression is nothing but a text.
fn literal(hir: &Hir) -> Option<Box<str>> {
    let HirKind::Literal(text) = hir.kind() else { return None };
    std::str::from_utf8(&text.0).ok().map(Into::into)
}

/// The parser's message in one line, with the character it means.
fn explain(error: &regex_syntax::Error) -> String {
    let (what, span) = match error {
        regex_syntax::Error::Parse(e) => (e.kind().to_string(), e.span()),
        regex_syntax::Error::Translate(e) => (e.kind().to_string(), e.span()),
        other => return last_line(&other.to_string()),
    };
    format!("{what}, at its character {}", span.start.column)
}

fn explain_build(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(limit) = error {
        return format!("it grows beyond {} KiB; use smaller repetitions", limit / 1024);
    }
    last_line(&error.to_string())
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(text: &str) -> &'static str {
        match Pattern::expression(text).unwrap() {
            Pattern::Words(_) => "words",
            Pattern::Anything => "anything",
            Pattern::Something => "something",
            Pattern::Starts(_) => "starts",
            Pattern::Ends(_) => "ends",
            Pattern::Holds(_) => "holds",
            Pattern::Expression { starts, .. } if starts.is_empty() => "expression",
            Pattern::Expression { .. } => "expression with starts",
        }
    }

    #[test]
    fn plain_expressions_are_seen_through() {
        for (text, expected) in [
            ("", "words"),
            ("dev", "words"),
            ("dev|test", "words"),
            ("(web|api)-(1|2)", "words"),
            ("eu-[123]", "words"),
            ("(?i)dev", "words"),
            ("prod-?", "words"),
            (".*", "anything"),
            (".+", "something"),
            ("web-.*", "starts"),
            (".*-prod", "ends"),
            (".*canary.*", "holds"),
            ("web-[0-9]+", "expression with starts"),
            ("(web|api)-.*", "expression with starts"),
            ("[a-z]+", "expression"),
            ("[0-9]+", "expression with starts"),
            ("x*", "expression"),
            ("^dev$", "expression with starts"),
            ("(?-s).*", "expression"),
            ("[^\\x00-\\x{10FFFF}]", "expression"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn expressions_are_anchored_and_cross_lines() {
        for (text, value, expected) in [
            ("x|y", "xq", false),
            ("x|y", "y", true),
            ("a.b", "a\nb", true),
            ("web-.*", "web-\n", true),
            ("dev", "dev\n", false),
            ("dev$", "dev\n", false),
            ("支付.+", "支付失败", true),
            ("[^x]+", "", false),
        ] {
            assert_eq!(Pattern::expression(text).unwrap().contains(value), expected, "{text} {value:?}");
        }
    }

    #[test]
    fn expressions_that_only_balance_between_anchors_are_refused() {
        for text in ["a)(b", "a|b)", "(?x)[a-z] # open comment", "(", "*", "\\1", "(?P<n", "[z-a]"] {
            assert!(Pattern::expression(text).is_err(), "{text}");
        }
    }

    #[test]
    fn huge_expressions_are_refused_in_no_time() {
        let deep = "(".repeat(5_000) + &")".repeat(5_000);
        for text in ["(\\w{1,100}){100}", "((a{1000}){1000}){1000}", &deep] {
            assert!(Pattern::expression(text).is_err(), "{text}");
        }
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "a", "b", "ab", "ba", ".", "\\w", "[ab]", "[^a]", "(?i:A)", "^", "$", "\\b", "", "é",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
                (inner, prop::sample::select(vec!["*", "+", "?", "{0,2}", "{2}"]))
                    .prop_map(|(inner, times)| format!("(?:{inner}){times}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn what_is_known_beforehand_agrees_with_the_engine(text in expression(), values in prop::collection::vec("[aAbé\n]{0,5}", 8)) {
            let pattern = Pattern::expression(&text).unwrap();
            let engine = Regex::new(&anchored(&text)).unwrap();
            for value in &values {
                prop_assert_eq!(pattern.contains(value), engine.is_match(value), "{} {:?}", text, value);
                if let Pattern::Expression { starts, .. } = &pattern
                    && engine.is_match(value)
                    && !starts.is_empty()
                {
                    prop_assert!(starts.iter().any(|s| value.as_bytes().starts_with(s)), "{} {:?}", text, value);
                }
            }
        }
    }
}
