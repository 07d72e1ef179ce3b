//! Label and annotation sets: sorted pairs, borrowed where possible.

use std::borrow::Cow;

/// A set of name/value pairs, sorted by name, each name once.
///
/// A sorted vector beats a map here: senders already send sorted names, alerts
/// have about a dozen labels, and the names and values can borrow from the
/// payload. Names may be any UTF-8 (Alertmanager ≥ 0.27); values are untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Labels<'a> {
    /// Sorts by name; of a repeated name the last value wins, as in JSON maps.
    pub fn from_pairs(mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Self {
        let sorted = pairs.is_sorted_by(|a, b| a.0 < b.0);
        if !sorted {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs.reverse();
            pairs.dedup_by(|a, b| a.0 == b.0);
            pairs.reverse();
        }
        Self(pairs)
    }

    /// The value of a label, or `None` when it is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(n, _)| n.as_ref().cmp(name)).ok()?;
        self.0.get(at).map(|(_, v)| v.as_ref())
    }

    /// Pairs in name order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + '_ {
        self.0.iter().map(|(n, v)| (n.as_ref(), v.as_ref()))
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same set, owning its text.
    pub fn into_owned(self) -> Labels<'static> {
        let own = |s: Cow<'_, str>| Cow::Owned(s.into_owned());
        Labels(self.0.into_iter().map(|(n, v)| (own(n), own(v))).collect())
    }

    /// The pairs that both sets hold with the same value.
    #[must_use]
    pub fn common(&self, other: &Labels<'_>) -> Self {
        Self(self.0.iter().filter(|(n, v)| other.get(n) == Some(v.as_ref())).cloned().collect())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        Self::from_pairs(pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }
}

impl FromIterator<(String, String)> for Labels<'static> {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self::from_pairs(pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsorted_and_repeated_names_end_sorted_with_the_last_value() {
        let labels: Labels<'_> = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!((labels.get("b"), labels.get("c")), (Some("3"), None));
    }

    #[test]
    fn common_keeps_equal_pairs_only() {
        let a: Labels<'_> = [("x", "1"), ("y", "2")].into_iter().collect();
        let b: Labels<'_> = [("x", "1"), ("y", "3"), ("z", "4")].into_iter().collect();
        assert_eq!(a.common(&b).iter().collect::<Vec<_>>(), [("x", "1")]);
    }
}
