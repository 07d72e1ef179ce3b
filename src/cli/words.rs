//! What the terminal says, in two languages.

use crate::settings::Locale;

/// Chooses between the two languages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words(pub(super) Locale);

impl Words {
    /// As `LC_ALL`, `LC_MESSAGES` or `LANG` ask, in that order.
    pub(super) fn of_env(env: &[(String, String)]) -> Self {
        let wish = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| env.iter().find(|(n, v)| n == name && !v.is_empty()));
        let chinese = wish.is_some_and(|(_, value)| value.to_ascii_lowercase().starts_with("zh"));
        Self(if chinese { Locale::ZhCn } else { Locale::En })
    }

    /// One of the two.
    pub(super) fn pick<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self.0 {
            Locale::En => en,
            Locale::ZhCn => zh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_follows_the_environment() {
        let locale = |pairs: &[(&str, &str)]| {
            let env: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            Words::of_env(&env).0
        };
        assert_eq!(locale(&[]), Locale::En);
        assert_eq!(locale(&[("LANG", "zh_CN.UTF-8")]), Locale::ZhCn);
        assert_eq!(locale(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C.UTF-8")]), Locale::En);
        assert_eq!(locale(&[("LC_ALL", ""), ("LANG", "zh_TW.UTF-8")]), Locale::ZhCn);
    }
}
