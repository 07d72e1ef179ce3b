//! Label matchers in Alertmanager's syntax: `team="db"`, `env!~"dev|test"`.
//!
//! Follows Alertmanager's UTF-8 parser (0.27 and later): names and values are
//! bare words or quoted with Go escapes, braces and a trailing comma are
//! allowed, expressions are anchored at both ends and a missing label is the
//! empty value. Its older lenient parser guesses where this one asks for quotes.

use std::fmt::{self, Write as _};

use super::pattern::Pattern;

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// Whether it asks for a value rather than against one.
    pub fn is_positive(self) -> bool {
        match self {
            Self::Equal | Self::Regex => true,
            Self::NotEqual | Self::NotRegex => false,
        }
    }
}

/// A test of one label.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: Box<str>,
    op: MatchOp,
    value: Box<str>,
    pattern: Pattern,
}

impl Matcher {
    /// The label's name: any UTF-8, not empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or expression as written, without quotes and escapes.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether the label's value passes. Pass "" for a missing label.
    pub fn matches(&self, value: &str) -> bool {
        self.pattern.contains(value) == self.op.is_positive()
    }

    /// Whether every value passes, also a missing one: `x=~".*"`.
    pub fn matches_everything(&self) -> bool {
        self.op == MatchOp::Regex && matches!(self.pattern, Pattern::Anything)
    }

    /// Whether its value is a regular expression.
    pub(super) fn is_expression(&self) -> bool {
        match self.op {
            MatchOp::Regex | MatchOp::NotRegex => true,
            MatchOp::Equal | MatchOp::NotEqual => false,
        }
    }

    pub(super) fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.chars().any(|c| !is_bare(c)) {
            quote(f, &self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        f.write_str(self.op.as_str())?;
        quote(f, &self.value)
    }
}

/// In quotes and escaped as [`parse`] reads it back.
fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// A mistake in a matcher.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadMatcher {
    /// Which character of the text is to blame, from 0.
    pub at: usize,
    /// What is wrong and the way out.
    pub message: String,
}

/// Reads one matcher or several: `a="b"`, `a="b",c=~"d"`, `{a="b",c=~"d"}`.
/// Only braces may be empty; they match everything.
pub fn parse(text: &str) -> Result<Vec<Matcher>, BadMatcher> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    let braced = reader.take("{");
    let mut matchers = Vec::new();
    loop {
        reader.skip_space();
        let at_end = if braced { reader.peek() == Some('}') } else { reader.peek().is_none() };
        if at_end && (braced || !matchers.is_empty()) {
            break;
        }
        matchers.push(reader.matcher()?);
        reader.skip_space();
        if !reader.take(",") {
            break;
        }
    }
    if braced && !reader.take("}") {
        return Err(reader.unexpected("a comma or \"}\"; quote values that hold other signs"));
    }
    reader.skip_space();
    if reader.peek().is_some() {
        return Err(reader.unexpected("a comma or the end; quote values that hold other signs"));
    }
    Ok(matchers)
}

/// Whether a character may stand in a word without quotes.
fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !"{}!=~,\\'\"`".contains(c)
}

struct Reader<'a> {
    text: &'a str,
    /// Byte position.
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error_at(&self, byte: usize, message: impl Into<String>) -> BadMatcher {
        let at = self.text.get(..byte).unwrap_or_default().chars().count();
        BadMatcher { at, message: message.into() }
    }

    fn unexpected(&self, wanted: &str) -> BadMatcher {
        let found = self.peek().map_or_else(|| "the end".to_owned(), |c| format!("{:?}", c.to_string()));
        self.error_at(self.at, format!("found {found}, expected {wanted}"))
    }

    fn matcher(&mut self) -> Result<Matcher, BadMatcher> {
        let start = self.at;
        let name = self.word("a label name")?;
        if name.is_empty() {
            return Err(self.error_at(start, "a label name is not empty"));
        }
        self.skip_space();
        let op = self.op()?;
        self.skip_space();
        let value_start = self.at;
        let value = self.word("a value; write \"\" for the empty one")?;
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => Pattern::word(&value),
            MatchOp::Regex | MatchOp::NotRegex => Pattern::expression(&value).map_err(|e| {
                self.error_at(value_start, format!("bad regular expression {value:?}: {}", e.0))
            })?,
        };
        Ok(Matcher { name: name.into(), op, value: value.into(), pattern })
    }

    fn op(&mut self) -> Result<MatchOp, BadMatcher> {
        let start = self.at;
        for op in [MatchOp::Regex, MatchOp::NotRegex, MatchOp::NotEqual, MatchOp::Equal] {
            if self.take(op.as_str()) {
                if op == MatchOp::Equal && self.peek() == Some('=') {
                    return Err(self.error_at(start, "found \"==\"; equality is written ="));
                }
                return Ok(op);
            }
        }
        Err(self.unexpected("one of = != =~ !~ after the label name"))
    }

    fn word(&mut self, wanted: &str) -> Result<String, BadMatcher> {
        match self.peek() {
            Some('"') => self.quoted(),
            Some('\'' | '`') => Err(self.unexpected(&format!("{wanted}; quotes are \"double\""))),
            _ => {
                let rest = self.rest();
                let end = rest.find(|c| !is_bare(c)).unwrap_or(rest.len());
                let word = rest.get(..end).unwrap_or_default();
                if word.is_empty() {
                    return Err(self.unexpected(wanted));
                }
                self.at += end;
                Ok(word.to_owned())
            }
        }
    }

    /// A Go string literal.
    fn quoted(&mut self) -> Result<String, BadMatcher> {
        let start = self.at;
        self.next();
        let mut bytes = Vec::new();
        loop {
            let here = self.at;
            match self.next() {
                Some('"') => break,
                Some('\\') => self.escape(here, &mut bytes)?,
                Some(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                None => return Err(self.error_at(start, "the closing quote is missing")),
            }
        }
        String::from_utf8(bytes).map_err(|_| self.error_at(start, "its \\x escapes make no valid UTF-8"))
    }

    fn escape(&mut self, start: usize, out: &mut Vec<u8>) -> Result<(), BadMatcher> {
        let simple = match self.next() {
            Some('a') => 0x07,
            Some('b') => 0x08,
            Some('f') => 0x0C,
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('v') => 0x0B,
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('x') => self.byte(start, self.at, 2, 16)?,
            Some('0'..='7') => self.byte(start, start + 1, 3, 8)?,
            Some('u') => return self.code_point(start, 4, out),
            Some('U') => return self.code_point(start, 8, out),
            Some(c) => {
                let hint = format!("unknown escape \\{c}; a backslash itself is written \\\\");
                return Err(self.error_at(start, hint));
            }
            None => return Err(self.error_at(start, "the closing quote is missing")),
        };
        out.push(simple);
        Ok(())
    }

    fn byte(&mut self, start: usize, from: usize, digits: usize, radix: u32) -> Result<u8, BadMatcher> {
        let number = self.number(start, from, digits, radix)?;
        u8::try_from(number).map_err(|_| self.error_at(start, "an octal escape ends at \\377"))
    }

    fn code_point(&mut self, start: usize, digits: usize, out: &mut Vec<u8>) -> Result<(), BadMatcher> {
        let number = self.number(start, self.at, digits, 16)?;
        let c =
            char::from_u32(number).ok_or_else(|| self.error_at(start, "this escape names no character"))?;
        out.extend(c.encode_utf8(&mut [0; 4]).bytes());
        Ok(())
    }

    fn number(&mut self, start: usize, from: usize, digits: usize, radix: u32) -> Result<u32, BadMatcher> {
        let text = self.text.get(from..from + digits).filter(|t| t.chars().all(|c| c.is_digit(radix)));
        let number = text.and_then(|t| u32::from_str_radix(t, radix).ok());
        let number =
            number.ok_or_else(|| self.error_at(start, format!("this escape needs {digits} digits")))?;
        self.at = from + digits;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matchers as they read back.
    fn shown(text: &str) -> Vec<String> {
        parse(text).unwrap().iter().map(Matcher::to_string).collect()
    }

    #[test]
    fn matchers_are_read_as_alertmanager_reads_them() {
        for (text, expected) in [
            (r#"team="db""#, &[r#"team="db""#][..]),
            (r#"  team  !=  "db"  "#, &[r#"team!="db""#]),
            ("team=db", &[r#"team="db""#]),
            ("env=~dev|test", &[r#"env=~"dev|test""#]),
            (r#"env!~"dev|test""#, &[r#"env!~"dev|test""#]),
            (r#"team="""#, &[r#"team="""#]),
            (r#""k8s.pod.name"="x""#, &[r#"k8s.pod.name="x""#]),
            (r#""two words"="x""#, &[r#""two words"="x""#]),
            ("grafana_folder=生产环境", &[r#"grafana_folder="生产环境""#]),
            (r#"{a="b",c=~"d"}"#, &[r#"a="b""#, r#"c=~"d""#]),
            (r#" { a = "b" , c = "d" , } "#, &[r#"a="b""#, r#"c="d""#]),
            (r#"a="b",c="d","#, &[r#"a="b""#, r#"c="d""#]),
            (r#"a="b, c=\"d\" }""#, &[r#"a="b, c=\"d\" }""#]),
            ("{}", &[]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn quoted_text_has_the_escapes_of_go() {
        for (text, expected) in [
            (r#""\a\b\f\n\r\t\v\\\"""#, "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\""),
            (r#""\x41\101\u652F\U0001F525""#, "AA支🔥"),
            (r#""\xe6\x94\xaf""#, "支"),
        ] {
            assert_eq!(parse(&format!("a={text}")).unwrap()[0].value(), expected, "{text}");
        }
        for (text, at) in [
            (r#""\q""#, 3),
            (r#""\'""#, 3),
            (r#""\x4""#, 3),
            (r#""\400""#, 3),
            (r#""\ud800""#, 3),
            (r#""\xff""#, 2),
            (r#""\"#, 3),
        ] {
            assert_eq!(parse(&format!("a={text}")).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same_again() {
        for value in ["\0\u{14}", "\u{7f}\u{85}", "\u{200b}\u{e000}", "a\"b\\c\n\t\r", "支🔥", "'", ""] {
            for name in [value, "plain", "two words"].into_iter().filter(|name| !name.is_empty()) {
                let matcher = Matcher {
                    name: name.into(),
                    op: MatchOp::Equal,
                    value: value.into(),
                    pattern: Pattern::word(value),
                };
                let written = matcher.to_string();
                let again = parse(&written).unwrap();
                assert_eq!((again[0].name(), again[0].value(), again.len()), (name, value, 1), "{written}");
            }
        }
    }

    #[test]
    fn mistakes_name_their_character() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("team", 4),
            ("支付=", 3),
            ("a=\"b\" c", 6),
            ("a=b}", 3),
            ("{a=b", 4),
            ("a==b", 1),
            ("a='b'", 2),
            ("\"\"=b", 0),
            ("a=b,,c=d", 4),
            ("a=~\"(\"", 3),
        ] {
            assert_eq!(parse(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn a_missing_label_is_the_empty_value() {
        for (text, value, expected) in [
            (r#"a="""#, "", true),
            (r#"a!="x""#, "", true),
            (r#"a!="""#, "", false),
            (r#"a=~"x|""#, "", true),
            (r#"a=~".+""#, "", false),
            (r#"a!~".+""#, "", true),
            (r#"a!~"dev|test""#, "dev", false),
            (r#"a!~"dev|test""#, "devel", true),
        ] {
            assert_eq!(parse(text).unwrap()[0].matches(value), expected, "{text} {value:?}");
        }
    }
}
