//! Where a shared calendar is.

use std::fmt;
use std::path::Path;

/// So many digits of an address' digest are shown.
const DIGITS_SHOWN: usize = 4;

/// Longest number of a port.
const PORT_DIGITS: usize = 5;

/// The file or the address that a layer's `ical` names.
///
/// An address often *is* the secret that opens the calendar ("private link"), so it
/// shows itself as scheme, host and a few digits that tell it from others there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CalendarAddress(String);

impl CalendarAddress {
    /// As it is written in a rules file. A file's path is relative to the folder of
    /// the rules file; `webcal:` is another word for `https:`. `None`: it is empty, or meant
    /// to be an address and is none.
    pub(in crate::rules) fn new(written: &str, rules_file: &str) -> Option<Self> {
        let written = written.trim();
        // A letter and a colon may be a drive; two and a colon are a scheme.
        let scheme = written.split_once(':').filter(|(scheme, _)| {
            scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        });
        let Some((scheme, rest)) = scheme else {
            // What looks like an address may hold what opens it.
            if written.contains("//") {
                return None;
            }
            let folder = Path::new(rules_file).parent().unwrap_or_else(|| Path::new(""));
            return (!written.is_empty()).then(|| Self(folder.join(written).display().to_string()));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => "http",
            "https" | "webcal" | "webcals" => "https",
            _ => return None,
        };
        rest.strip_prefix("//").filter(|rest| !rest.is_empty()).map(|rest| Self(format!("{scheme}://{rest}")))
    }

    /// The file to read; `None`: it is an address to ask.
    pub fn file(&self) -> Option<&Path> {
        if self.is_url() { None } else { Some(Path::new(&self.0)) }
    }

    /// The address to ask; `None`: it is a file. Never to be shown.
    pub fn url(&self) -> Option<&str> {
        self.is_url().then_some(self.0.as_str())
    }

    /// What to keep a copy under: a digest that gives nothing away.
    pub fn digest(&self) -> String {
        super::super::digest("calendar", [self.0.as_str()])
    }

    fn is_url(&self) -> bool {
        self.0.starts_with("http://") || self.0.starts_with("https://")
    }
}

impl fmt::Display for CalendarAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.url().and_then(|url| url.split_once("://")) else {
            return f.write_str(&self.0);
        };
        let digest = self.digest();
        let host = rest.get(..shown(rest)).unwrap_or_default();
        write!(f, "{scheme}://{host}/…{}", digest.get(..DIGITS_SHOWN).unwrap_or_default())
    }
}

impl fmt::Debug for CalendarAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How many bytes of an address behind its scheme are no secret: its host and port.
fn shown(address: &str) -> usize {
    // With a password before it, where the host begins is a matter of taste.
    if address.contains('@') {
        return 0;
    }
    let length = |text: &str, plain: fn(char) -> bool| text.find(|c| !plain(c)).unwrap_or(text.len());
    let host = length(address, |c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let port = address.get(host..).and_then(|rest| rest.strip_prefix(':'));
    let digits = port.map_or(0, |port| length(port, |c| c.is_ascii_digit()));
    if (1..=PORT_DIGITS).contains(&digits) { host + 1 + digits } else { host }
}

/// A line of a rules file with a star for every character of an address behind its host,
/// and of whatever else is named as a calendar and may be meant as one, so that what
/// stands after it stays where it is.
pub fn masked(line: &str) -> String {
    if let Some((before, named)) = line.split_once("ical:").filter(|(_, named)| !named.contains("://")) {
        let secret = named.contains(['/', ':', '\\']);
        let stars = |c: char| if secret && !c.is_whitespace() { '*' } else { c };
        return before.chars().chain("ical:".chars()).chain(named.chars().map(stars)).collect();
    }
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        let (address, tail) = after.split_at(after.find([' ', '"']).unwrap_or(after.len()));
        let (host, secret) = address.split_at(shown(address));
        masked.extend([before, "://", host]);
        masked.extend(std::iter::repeat_n('*', secret.chars().count()));
        rest = tail;
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_beside_the_rules_and_an_address_keeps_its_secret() {
        for (written, file, shown) in [
            ("oncall.ics", Some("rules/oncall.ics"), "rules/oncall.ics"),
            ("/etc/oncall.ics", Some("/etc/oncall.ics"), "/etc/oncall.ics"),
            ("https://lin:pw@cal.example:8443/private-abc/basic.ics?key=1", None, "https:///…"),
            ("https://cal.example:8443/private-abc/basic.ics?key=1", None, "https://cal.example:8443/…"),
            ("https://u:KEY?b@h/x", None, "https:///…"),
            ("https://h:9%2FKEY", None, "https://h:9/…"),
            ("https://h:KEY/x", None, "https://h/…"),
            ("WebCal://cal.example?secret", None, "https://cal.example/…"),
            ("HTTP://127.0.0.1:1/x", None, "http://127.0.0.1:1/…"),
            ("https://cal.example\\secret\\x.ics", None, "https://cal.example/…"),
        ] {
            let address = CalendarAddress::new(written, "rules/a.yaml").unwrap();
            assert_eq!(address.file(), file.map(Path::new), "{written}");
            let told = address.to_string();
            assert_eq!(format!("{address:?}"), told);
            let digits = if file.is_none() { DIGITS_SHOWN } else { 0 };
            assert_eq!(&told[..told.len() - digits], shown);
            assert_eq!(address.url().is_some(), file.is_none());
        }
        let shown = |key: &str| CalendarAddress::new(&format!("https://a/{key}"), "").unwrap().to_string();
        assert_ne!(shown("1"), shown("2"), "two of one server can be told apart");
        for wrong in [
            "",
            " ",
            "htps://cal.example/secret",
            "https:/cal.example/secret",
            "https://",
            "file:///etc/x",
            "<https://h/KEY>",
            "//h/KEY",
        ] {
            assert_eq!(CalendarAddress::new(wrong, "rules/a.yaml"), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_is_shown_without_the_secret_of_an_address() {
        for (line, shown) in [
            (
                "  - {ical: \"https://cal.example:1/key?a=1\", timezone: UTC}",
                "  - {ical: \"https://cal.example:1********\", timezone: UTC}",
            ),
            ("- ical: http://lin:pw@a/é # why", "- ical: http://********** # why"),
            ("- ical: https://h:KEY/x", "- ical: https://h******"),
            ("- {who: lin}", "- {who: lin}"),
            ("- ical: oncall.ics", "- ical: oncall.ics"),
            ("- ical: https:/h/KEY", "- ical: ************"),
            ("- ical: 'https://h/a,KEY'", "- ical: 'https://h*******"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
