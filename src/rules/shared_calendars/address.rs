//! Where a shared calendar is.

use std::fmt;
use std::path::Path;

/// The file or the address that a layer's `ical` names.
///
/// An address often *is* the secret that opens the calendar ("private link"), so it
/// shows itself as scheme and host only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CalendarAddress(String);

impl CalendarAddress {
    /// As it is written in a rules file. A file's path is relative to the folder of
    /// the rules file; `webcal:` is another word for `https:`.
    pub(in crate::rules) fn new(written: &str, rules_file: &str) -> Self {
        let written = written.trim();
        let scheme = written.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        match scheme {
            Some((scheme, rest)) if scheme == "webcal" => Self(format!("https://{rest}")),
            Some((scheme, rest)) if scheme == "http" || scheme == "https" => {
                Self(format!("{scheme}://{rest}"))
            }
            _ => {
                let folder = Path::new(rules_file).parent().unwrap_or_else(|| Path::new(""));
                Self(folder.join(written).display().to_string())
            }
        }
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
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        write!(f, "{scheme}://{host}/…")
    }
}

impl fmt::Debug for CalendarAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_beside_the_rules_and_an_address_keeps_its_secret() {
        for (written, file, shown) in [
            ("oncall.ics", Some("rules/oncall.ics"), "rules/oncall.ics"),
            ("/etc/oncall.ics", Some("/etc/oncall.ics"), "/etc/oncall.ics"),
            (
                "https://lin:pw@cal.example:8443/private-abc/basic.ics?key=1",
                None,
                "https://cal.example:8443/…",
            ),
            ("WebCal://cal.example?secret", None, "https://cal.example/…"),
            ("HTTP://127.0.0.1:1/x", None, "http://127.0.0.1:1/…"),
        ] {
            let address = CalendarAddress::new(written, "rules/a.yaml");
            assert_eq!(address.file(), file.map(Path::new), "{written}");
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), shown);
            assert_eq!(address.url().is_some(), file.is_none());
        }
    }
}
