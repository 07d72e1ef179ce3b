//! Where time comes from, so that nobody has to ask the machine.

use jiff::Timestamp;

/// A source of the current time.
///
/// The one real implementation lives in `app`; tests and the demo pass clocks
/// they can move. Pure rooms take `now` as an argument instead.
pub trait Clock: Send + Sync + 'static {
    /// The current time. Steps of the machine's clock show.
    fn now(&self) -> Timestamp;
}
