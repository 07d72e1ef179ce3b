//! Labels as Alertmanager's `filter` parameters.
//!
//! They only make answers smaller. What every version can read is asked for,
//! as much of it as fits into an address; the rest is left out. So whoever
//! reads the answer must still look at what is in it.

use crate::domain::Labels;

/// Bytes of all filters together, encoded. Proxies refuse addresses above 8 KiB.
const BYTES_MAX: usize = 6_000;

/// One `filter` parameter for each label that can be asked for.
pub(crate) fn filters(labels: &Labels<'_>) -> Vec<(&'static str, String)> {
    let mut left = BYTES_MAX;
    let mut found = Vec::new();
    for (name, value) in labels.iter().filter(|(name, value)| is_plain(name) && !value.is_empty()) {
        let filter = format!("{name}=\"{}\"", escaped(value));
        let bytes = "&filter=".len() + encoded_len(&filter);
        if bytes <= left {
            left -= bytes;
            found.push(("filter", filter));
        }
    }
    found
}

/// A label name that every Alertmanager takes. Others need 0.27 and its UTF-8 matchers.
pub(crate) fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// As both the classic and the UTF-8 parser of Alertmanager read it between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn encoded_len(text: &str) -> usize {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { 1 } else { 3 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_quoted_and_what_old_versions_cannot_read_is_left_out() {
        let labels: Labels<'_> = [
            ("alertname", "Disk \"full\""),
            ("path", "C:\\x\ny"),
            ("名", "x"),
            ("9lives", "x"),
            ("a.b", "x"),
            ("", "x"),
            ("empty", ""),
            ("case", "磁盘"),
        ]
        .into_iter()
        .collect();
        let texts: Vec<String> = filters(&labels).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, [r#"alertname="Disk \"full\"""#, r#"case="磁盘""#, r#"path="C:\\x\ny""#]);
    }

    #[test]
    fn what_does_not_fit_into_an_address_is_left_out() {
        let long = "磁".repeat(700);
        let labels: Labels<'_> = [("a", "1"), ("b", &long), ("c", &long), ("d", "2")].into_iter().collect();
        let names: Vec<char> = filters(&labels).iter().filter_map(|(_, text)| text.chars().next()).collect();
        assert_eq!(names, ['a', 'd'], "one value of 6300 bytes is too much by itself");
        let values: Vec<String> = (0..100).map(|n| format!("{n:0100}")).collect();
        let labels: Labels<'_> =
            values.iter().map(|value| (value.replace('0', "x"), value.clone())).collect();
        let bytes: usize = filters(&labels).iter().map(|(_, text)| 8 + encoded_len(text)).sum();
        assert!((5_000..=BYTES_MAX).contains(&bytes), "{bytes}");
    }
}
