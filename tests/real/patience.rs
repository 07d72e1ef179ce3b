//! Waiting for what shall come to be.

use std::time::{Duration, Instant};

/// Enough for anything on a busy machine with two cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked.
const GLANCE: Duration = Duration::from_millis(10);

/// Looks until it is so.
///
/// # Panics
///
/// When it is not so after [`PATIENCE`], with `what` was waited for.
pub(crate) async fn eventually(what: &str, so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < PATIENCE, "waited {} s in vain for: {what}", PATIENCE.as_secs());
        tokio::time::sleep(GLANCE).await;
    }
}
