//! Takes the teeth out of text that comes from alerts.
//!
//! Labels, annotations and even label names are hostile (anchors.md §2.1). Two
//! places, two ways: [`markdown`] for card markdown, where every character that
//! could mean something becomes a numeric entity that reads the same, and
//! [`plain`] for plain text, where entities would show, so the few dangerous
//! characters are swapped for look-alikes. Both drop what cannot be seen:
//! controls, zero-width and direction-turning characters.

/// Whether a character is invisible or turns the reading direction.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}

/// Visible characters only; line breaks become `\n`, tabs spaces.
fn visible(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter_map(|c| match c {
        '\n' | '\u{0085}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        '\t' => Some(' '),
        c => (!is_unseen(c)).then_some(c),
    })
}

/// Text that reads the same in card markdown and does nothing there. Line
/// breaks stay.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut chars = visible(text).peekable();
    while let Some(c) = chars.next() {
        let means_something = match c {
            '&' | '<' | '>' | '*' | '_' | '~' | '`' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '\\'
            | '$' | '{' | '}' | '@' => true,
            // Lists, rules and headings need them at the start of a line, links after a scheme.
            '-' | '+' | '=' => out.is_empty() || out.ends_with(['\n', ' ', ';']),
            '.' => out.ends_with(|before: char| before.is_ascii_digit()) && chars.peek() == Some(&' '),
            ':' => chars.peek() == Some(&'/'),
            _ => false,
        };
        if means_something {
            out.push_str("&#");
            out.push_str(&u32::from(c).to_string());
            out.push(';');
        } else {
            out.push(c);
        }
    }
    out
}

/// One line of text that neither a card's plain text nor a text message takes
/// for a tag, an entity or a link.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let visible: String = visible(text).collect();
    let mut chars = visible.trim_end().chars().peekable();
    while let Some(c) = chars.next() {
        // What follows the end is not known, so the worst.
        let next = chars.peek().copied();
        match c {
            '\n' | ' ' if out.ends_with(' ') => {}
            '\n' => out.push(' '),
            '<' if !matches!(next, Some(' ' | '=' | '0'..='9')) => out.push('‹'),
            '&' if next.is_none_or(|next| next.is_ascii_alphabetic() || next == '#') => out.push('＆'),
            ']' if matches!(next, None | Some('(' | '[' | ':')) => out.push('］'),
            ':' if next == Some('/') => out.push_str(": "),
            c => out.push(c),
        }
    }
    out
}

/// The visible part of a text, at most `max` characters. Empty if there is nothing to see.
pub(crate) fn shown(text: &str, max: usize) -> String {
    cut(visible(text).collect::<String>().trim(), max)
}

/// The same in one line: what stands in a row with other things must not begin
/// a row of its own.
pub(crate) fn shown_in_line(text: &str, max: usize) -> String {
    let line: String = visible(text).map(|c| if c == '\n' { ' ' } else { c }).collect();
    cut(line.trim(), max)
}

/// Whether there is nothing to see.
pub(crate) fn is_blank(text: &str) -> bool {
    visible(text).all(char::is_whitespace)
}

/// The first `max` characters, with `…` for the rest.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let mut kept = text.char_indices().map(|(at, _)| at).skip(max.saturating_sub(1));
    match (kept.next(), kept.next()) {
        _ if max == 0 => String::new(),
        (Some(at), Some(_)) => format!("{}…", text.get(..at).unwrap_or_default().trim_end()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_reads_the_same_and_does_nothing() {
        let table = [
            ("CPU 5.2% on web-1", "CPU 5.2% on web-1"),
            ("a < b", "a &#60; b"),
            ("<at id=all></at>", "&#60;at id=all&#62;&#60;/at&#62;"),
            ("[x](https://e.com)", "&#91;x&#93;&#40;https&#58;//e.com&#41;"),
            ("&#60;at", "&#38;&#35;60;at"),
            ("**b** ~~s~~ `c`", "&#42;&#42;b&#42;&#42; &#126;&#126;s&#126;&#126; &#96;c&#96;"),
            ("- x\n--- \n1. y", "&#45; x\n&#45;&#45;&#45; \n1&#46; y"),
            ("a\u{202E}b\u{200B}c\u{7}d\te", "abcd e"),
            ("\u{200B}- x", "&#45; x"),
            ("10.0.0.1:9100", "10.0.0.1:9100"),
            ("端口 8080 不可用 🔥", "端口 8080 不可用 🔥"),
        ];
        for (text, expected) in table {
            assert_eq!(markdown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn plain_text_is_one_line_without_tags_entities_and_links() {
        let table = [
            // What is joined to the end must not become a part of it.
            ("a < ", "a ‹"),
            ("b] \n", "b］"),
            ("c & ", "c ＆"),
            ("CPU > 90 and mem < 5 %", "CPU > 90 and mem < 5 %"),
            ("<at user_id=\"all\">x</at>", "‹at user_id=\"all\">x‹/at>"),
            ("<\u{200B}at>", "‹at>"),
            ("[t](https://e.com)", "[t］(https: //e.com)"),
            ("&lt;at&gt; a & b", "＆lt;at＆gt; a & b"),
            ("two\n\n lines\r\n", "two lines"),
            ("a\u{2067}b\u{FEFF}", "ab"),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_nothing() {
        assert!(is_blank("\u{200B}\u{202E} \n\u{FEFF}") && is_blank("") && !is_blank(" x"));
        assert_eq!(shown("\u{200B} a\u{200B}bc \u{7}", 9), "abc");
        assert_eq!((shown("\u{3164}", 9), shown("abcd", 3)), (String::new(), "ab…".to_owned()));
    }

    #[test]
    fn a_line_has_no_second_one() {
        assert_eq!(shown_in_line("\na\nb\r\nc\u{2028}d\n", 9), "a b c d");
        assert_eq!(shown_in_line("ab\ncd", 4), "ab…");
    }

    #[test]
    fn cutting_counts_characters() {
        assert_eq!(cut("告警告警", 4), "告警告警");
        assert_eq!(cut("告警告警", 3), "告警…");
        assert_eq!([cut("", 5), cut("ab", 1), cut("ab", 0)], ["", "…", ""]);
    }
}
