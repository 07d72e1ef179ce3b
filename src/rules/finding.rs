//! What is wrong with a rules file, and where.

use std::fmt;

/// A mistake in a rules file: it is not loaded.
pub type RuleError = Finding;

/// Something in a rules file that is allowed and yet probably not meant.
pub type Warning = Finding;

/// A message about one place in a rules file, written
/// `rules/oncall.yaml:13:5: message; way out`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, as [`SourceFile::path`](super::SourceFile::path) names it.
    /// Empty when there is no file to blame.
    pub path: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong and the way out.
    pub message: String,
    /// What kind of thing it is, in a word that stays the same from release to
    /// release: of a warning one of [`LINTS`](super::LINTS).
    pub code: &'static str,
}

impl Finding {
    /// What is wrong, without the way out.
    pub fn problem(&self) -> &str {
        self.halves().0
    }

    /// The way out, where the message names one.
    pub fn hint(&self) -> Option<&str> {
        self.halves().1
    }

    /// The message at its first `; ` that is not in a quotation.
    fn halves(&self) -> (&str, Option<&str>) {
        let mut quoted = false;
        let mut before = ' ';
        for (at, c) in self.message.char_indices() {
            match c {
                '"' if before != '\\' => quoted = !quoted,
                ';' if !quoted => {
                    let (problem, rest) = self.message.split_at(at);
                    if let Some(hint) = rest.strip_prefix("; ") {
                        return (problem, Some(hint));
                    }
                }
                _ => {}
            }
            // An escaped backslash escapes nothing itself.
            before = if before == '\\' && c == '\\' { ' ' } else { c };
        }
        (&self.message, None)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}:{}:{}: {}", self.path, self.line, self.column, self.message)
    }
}

impl std::error::Error for Finding {}

/// A place in a rules file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The file.
    pub(super) path: &'a str,
    /// Line, from 1.
    pub(super) line: u64,
    /// Column in characters, from 1.
    pub(super) column: u64,
}

impl Place<'_> {
    /// Says something about this place.
    pub(super) fn finding(self, code: &'static str, message: impl Into<String>) -> Finding {
        let message = message.into();
        Finding { path: self.path.to_owned(), line: self.line, column: self.column, message, code }
    }

    /// The place alone, to be kept for what is said later.
    pub(super) fn spot(self) -> Spot {
        Spot { path: self.path.to_owned(), line: self.line, column: self.column }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// A place that outlives the text it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub path: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl Spot {
    /// Says something about this place.
    pub fn finding(&self, code: &'static str, message: impl Into<String>) -> Finding {
        let message = message.into();
        Finding { path: self.path.clone(), line: self.line, column: self.column, message, code }
    }
}

/// How many known names an error lists.
const LISTED_MAX: usize = 12;

/// `unknown person "lim"; did you mean "lin"?`, or the known names when none is near.
pub(super) fn unknown<'n>(
    noun: &str,
    plural: &str,
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(name, &known) {
        return format!("unknown {noun} {name:?}; did you mean {near:?}?");
    }
    if known.is_empty() {
        return format!("unknown {noun} {name:?}; no {plural} are defined");
    }
    let more = known.len().saturating_sub(LISTED_MAX);
    let listed: Vec<&str> = known.into_iter().take(LISTED_MAX).collect();
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("unknown {noun} {name:?}; known: {}{tail}", listed.join(", "))
}

/// The known name that a slip of the fingers may have turned into `name`: at
/// most one edit in three characters, whatever the case. Of equally near ones the first.
pub(super) fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let allowed = (wanted.len() / 3).clamp(1, 3);
    known
        .iter()
        .map(|k| (edits(&wanted, &k.to_lowercase().chars().collect::<Vec<_>>()), *k))
        .filter(|(distance, k)| *distance <= allowed && *distance < k.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// How many insertions, deletions and replacements turn one text into the other.
fn edits(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (b, above) in to.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(a != b)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_far_ones_listed() {
        for (name, known, expected) in [
            ("lim", &["lin", "mara"][..], r#"unknown person "lim"; did you mean "lin"?"#),
            ("Mara", &["lin", "mara"], r#"unknown person "Mara"; did you mean "mara"?"#),
            ("maar", &["lin", "mara"], r#"unknown person "maar"; known: lin, mara"#),
            ("nobody", &["lin", "mara"], r#"unknown person "nobody"; known: lin, mara"#),
            ("x", &["y"], r#"unknown person "x"; known: y"#),
            ("lin", &[], r#"unknown person "lin"; no people are defined"#),
        ] {
            assert_eq!(unknown("person", "people", name, known.iter().copied()), expected);
        }
    }

    #[test]
    fn the_way_out_comes_after_the_first_semicolon_outside_quotations() {
        for (message, problem, hint) in [
            ("no rule; add one", "no rule", Some("add one")),
            ("bad \"a; b\"; write c; or d", "bad \"a; b\"", Some("write c; or d")),
            (r#"bad "\"; b"; write c"#, r#"bad "\"; b""#, Some("write c")),
            (r#"bad "\\"; write c"#, r#"bad "\\""#, Some("write c")),
            ("plain", "plain", None),
        ] {
            let place = Place { path: "a.yaml", line: 1, column: 1 };
            let finding = place.finding("code", message);
            assert_eq!((finding.problem(), finding.hint()), (problem, hint), "{message}");
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<String> = (10..30).map(|n| format!("person-number-{n}")).collect();
        let text = unknown("person", "people", "zoe", names.iter().map(String::as_str));
        assert!(text.ends_with("person-number-21 and 8 more"), "{text}");
    }

    #[test]
    fn edit_distances() {
        for (a, b, n) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("值班", "值", 1)]
        {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            assert_eq!(edits(&chars(a), &chars(b)), n, "{a} {b}");
        }
    }
}
