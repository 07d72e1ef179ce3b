//! How much more may be begun, by how loud it is.

use super::Urgent;

/// How many more of something may be begun now. The louder, the more: each
/// number counts what is quieter too, and beginning one takes from all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headroom {
    /// For phone and SMS pages, and what they wait for.
    pub loud: usize,
    /// For buzzes in the app, and what they wait for.
    pub app: usize,
    /// For everything else.
    pub rest: usize,
}

impl Headroom {
    /// As many as there are.
    pub const PLENTY: Self = Self { loud: usize::MAX, app: usize::MAX, rest: usize::MAX };

    /// For each loudness what `count` says.
    pub fn by(mut count: impl FnMut(Urgent) -> usize) -> Self {
        Self { loud: count(Urgent::Phone), app: count(Urgent::App), rest: count(Urgent::None) }
    }

    /// How many of that loudness.
    pub fn of(&self, urgent: Urgent) -> usize {
        match urgent {
            Urgent::Phone | Urgent::Sms => self.loud,
            Urgent::App => self.app,
            Urgent::None => self.rest,
        }
    }

    /// One was begun.
    pub fn take(&mut self) {
        for left in [&mut self.loud, &mut self.app, &mut self.rest] {
            *left = left.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_begun_takes_from_all() {
        let mut left = Headroom { loud: 3, app: 2, rest: 0 };
        left.take();
        assert_eq!(left, Headroom { loud: 2, app: 1, rest: 0 });
        assert_eq!(Urgent::ALL.map(|urgent| left.of(urgent)), [0, 1, 2, 2]);
    }
}
