//! A connection whose answers are waited for, but not for ever.
//!
//! The driver is asynchronous; here each call waits on the thread that makes it. A
//! peer that neither answers nor hangs up, as behind a network that is cut, is
//! given up after [`PATIENCE`]: the connection is then of no more use, and what became
//! of the call is not known.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Config, Connection, Error, Row, Socket, Statement};

use super::address::plain;
use crate::store::StoreError;

/// For an answer. Longer than the server takes to give a statement up by itself.
const PATIENCE: Duration = Duration::from_secs(8);

/// See the module. Not for async threads.
pub(super) struct Client {
    runtime: Runtime,
    driver: tokio_postgres::Client,
    told: mpsc::UnboundedReceiver<String>,
    hangs: Cell<bool>,
}

impl Client {
    /// Connects.
    pub(super) fn connect<T>(config: &Config, tls: T) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let connecting = async { tokio::time::timeout(PATIENCE, config.connect(tls)).await };
        let connected = runtime.block_on(connecting).map_err(|_| hung())?;
        let (driver, connection) =
            connected.map_err(|e| StoreError::Unavailable(format!("it cannot be reached: {}", plain(&e))))?;
        let (tell, told) = mpsc::unbounded_channel();
        runtime.spawn(drive(connection, tell));
        Ok(Self { runtime, driver, told, hangs: Cell::new(false) })
    }

    /// Whether it is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        self.hangs.get() || self.driver.is_closed()
    }

    fn wait<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        if self.hangs.get() {
            return Err(hung());
        }
        let answer = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, call).await });
        answer
            .map_err(|_| {
                self.hangs.set(true);
                hung()
            })?
            .map_err(StoreError::from)
    }

    /// Carries out statements without parameters.
    pub(super) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.wait(self.driver.batch_execute(sql))
    }

    /// Prepares a statement.
    pub(super) fn prepare(&self, sql: &str) -> Result<Statement, StoreError> {
        self.wait(self.driver.prepare(sql))
    }

    /// Carries out a statement; how many rows it changed.
    pub(super) fn execute(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        self.wait(self.driver.execute(statement, parameters))
    }

    /// The rows that a statement finds.
    pub(super) fn query(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.wait(self.driver.query(statement, parameters))
    }

    /// Waits for the server to tell something; `None`: it did not within that time.
    pub(super) fn hear(&mut self, within: Duration) -> Result<Option<String>, StoreError> {
        let Self { runtime, told, .. } = self;
        match runtime.block_on(async { tokio::time::timeout(within, told.recv()).await }) {
            Ok(Some(payload)) => Ok(Some(payload)),
            Ok(None) => Err(StoreError::Unavailable("the connection ended".to_owned())),
            Err(_) => Ok(None),
        }
    }
}

fn hung() -> StoreError {
    StoreError::Unavailable("it does not answer".to_owned())
}

/// Moves bytes until the connection ends; passes on what the server tells.
async fn drive<S>(mut connection: Connection<Socket, S>, tell: mpsc::UnboundedSender<String>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
        match message {
            Ok(AsyncMessage::Notification(told)) => {
                if tell.send(told.payload().to_owned()).is_err() {
                    return;
                }
            }
            Ok(AsyncMessage::Notice(notice)) => tracing::debug!("PostgreSQL: {}", notice.message()),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!("the connection to PostgreSQL ended: {}", plain(&error));
                return;
            }
        }
    }
}
