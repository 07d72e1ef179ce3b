//! PostgreSQL's driver as the SQL of the store sees it.
//!
//! Statements are prepared once per connection. Parameters `?1` are written `$1`,
//! and `INDEXED BY` is left out: PostgreSQL plans by itself.

use std::cell::RefCell;
use std::collections::HashMap;

use tokio_postgres::Statement;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::address::plain;
use super::client::Client;
use crate::store::StoreError;
use crate::store::sql::{Db, Row, Value};

/// Takes the lock of all who write, until the transaction ends. One for each schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1279351403, hashtext(current_schema()))";
/// The savepoint fails in a transaction that has failed; COMMIT alone would end that
/// without a word.
const COMMIT: &str = "SAVEPOINT sound; COMMIT";

type Failure = Box<dyn std::error::Error + Sync + Send>;

/// A connection. Transactions are begun and ended by whoever has it.
pub(super) struct Session {
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
}

impl Session {
    pub(super) fn of(client: Client) -> Self {
        Self { client, statements: RefCell::default() }
    }

    /// Whether it is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        self.client.is_lost()
    }

    /// Carries out statements without parameters.
    pub(super) fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.client.batch(sql)
    }

    fn statement(&self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(&translated(sql))?;
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Begins a transaction that no other writes beside.
    pub(super) fn begin_writing(&self) -> Result<(), StoreError> {
        self.execute("BEGIN")?;
        self.query(LOCK, &[]).map(drop)
    }

    /// Commits. `Ok` means synced.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        self.execute(COMMIT)
    }

    /// Carries out `work` in a transaction that no other writes beside. After an
    /// error the connection is of no more use.
    pub(super) fn alone<T>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.begin_writing()?;
        let done = work(self)?;
        self.commit()?;
        Ok(done)
    }

    /// Rows of a statement with parameters of the driver's own.
    pub(super) fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let statement = self.statement(sql)?;
        self.client.query(&statement, parameters)
    }
}

impl Db for Session {
    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let statement = self.statement(sql)?;
        self.client.execute(&statement, &parameters(values))
    }

    fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        look: &mut dyn FnMut(&dyn Row) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for row in self.query(sql, &parameters(values))? {
            if !look(&row)? {
                break;
            }
        }
        Ok(())
    }
}

fn parameters<'a>(values: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| -> &(dyn ToSql + Sync) { value }).collect()
}

/// The statement as PostgreSQL writes it.
fn translated(sql: &str) -> String {
    let mut words = sql.split_whitespace();
    let mut plain = Vec::new();
    while let Some(word) = words.next() {
        if word == "INDEXED" {
            // BY, and the name.
            words.nth(1);
        } else {
            plain.push(word.replace('?', "$"));
        }
    }
    plain.join(" ")
}

/// Reads a column of any kind of whole number, or a yes or no.
struct Int(i64);

impl<'a> FromSql<'a> for Int {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(match *ty {
            Type::BOOL => bool::from_sql(ty, raw)?.into(),
            Type::INT4 => i32::from_sql(ty, raw)?.into(),
            _ => i64::from_sql(ty, raw)?,
        }))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::BOOL | Type::INT4 | Type::INT8)
    }
}

impl Row for tokio_postgres::Row {
    fn int_opt(&self, column: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get::<_, Option<Int>>(column)?.map(|Int(number)| number))
    }

    fn text_opt(&self, column: usize) -> Result<Option<&str>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes_opt(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Value::Int(number) => number.to_sql(ty, out),
            // The one character that PostgreSQL's text cannot hold.
            Value::Text(text) if text.contains('\0') => text.replace('\0', "\u{fffd}").to_sql(ty, out),
            Value::Text(text) => text.as_ref().to_sql(ty, out),
            Value::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
            return Self::Conflict;
        }
        Self::Unavailable(plain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_written_as_postgresql_has_them() {
        assert_eq!(
            translated("SELECT id FROM inbox INDEXED BY inbox_waiting\n WHERE done = ?1 AND id > ?12"),
            "SELECT id FROM inbox WHERE done = $1 AND id > $12"
        );
    }
}
