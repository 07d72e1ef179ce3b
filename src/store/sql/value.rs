//! What goes into a statement and what comes out of a row, whichever database it is.
//!
//! A backend turns a [`Value`] into its driver's parameter and its driver's row
//! into a [`Row`]. There are four kinds of columns and no more: whole numbers,
//! text, bytes, and NULL in place of any of them; a yes or no is the number 1 or 0.

use std::borrow::Cow;

use crate::store::StoreError;

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Value<'a> {
    /// NULL.
    Null,
    /// A whole number, or yes (1) and no (0).
    Int(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u8> for Value<'_> {
    fn from(number: u8) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(yes: bool) -> Self {
        Self::Int(yes.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text.as_str().into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The parameters of a statement, `?1` first.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::sql::Value::from($value)),*]
    };
}
pub(in crate::store) use values;

/// A row that a statement has found. Columns count from 0. A column of another
/// kind than asked for is an error, never a wrong value.
pub(in crate::store) trait Row {
    /// A number, if there is one.
    fn int_opt(&self, column: usize) -> Result<Option<i64>, StoreError>;
    /// Text, if there is one.
    fn text_opt(&self, column: usize) -> Result<Option<&str>, StoreError>;
    /// Bytes, if there are any.
    fn bytes_opt(&self, column: usize) -> Result<Option<&[u8]>, StoreError>;
}

impl dyn Row + '_ {
    /// A number.
    pub(in crate::store) fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.int_opt(column)?.ok_or_else(|| missing(column))
    }

    /// A yes or no.
    pub(in crate::store) fn flag(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    /// Text.
    pub(in crate::store) fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.text_opt(column)?.ok_or_else(|| missing(column))
    }

    /// Text of one's own.
    pub(in crate::store) fn string(&self, column: usize) -> Result<String, StoreError> {
        self.text(column).map(str::to_owned)
    }

    /// Text of one's own, if there is one.
    pub(in crate::store) fn string_opt(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.text_opt(column)?.map(str::to_owned))
    }

    /// Bytes.
    pub(in crate::store) fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        self.bytes_opt(column)?.ok_or_else(|| missing(column))
    }
}

fn missing(column: usize) -> StoreError {
    StoreError::Unavailable(format!("a stored row cannot be read: column {column} is empty"))
}
