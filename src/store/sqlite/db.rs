//! SQLite's driver as the SQL of the store sees it.

use rusqlite::types::{FromSqlError, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ffi, params_from_iter};

use crate::store::StoreError;
use crate::store::sql::{Db, Row, Value};

impl Db for Connection {
    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let changed = self.prepare_cached(sql)?.execute(params_from_iter(values))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        look: &mut dyn FnMut(&dyn Row) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if !look(row)? {
                break;
            }
        }
        Ok(())
    }
}

impl Row for rusqlite::Row<'_> {
    fn int_opt(&self, column: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.get_ref(column)?.as_i64_or_null()?)
    }

    fn text_opt(&self, column: usize) -> Result<Option<&str>, StoreError> {
        Ok(self.get_ref(column)?.as_str_or_null()?)
    }

    fn bytes_opt(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.get_ref(column)?.as_blob_or_null()?)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let taken = [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_PRIMARYKEY];
        match error.sqlite_error() {
            Some(code) if taken.contains(&code.extended_code) => Self::Conflict,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<FromSqlError> for StoreError {
    fn from(error: FromSqlError) -> Self {
        Self::Unavailable(format!("a stored value cannot be read: {error}"))
    }
}
