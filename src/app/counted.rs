//! What is noted of every call to Feishu.

use std::sync::Arc;

use crate::domain::Clock;
use crate::feishu::{self, CallError};
use crate::telemetry::Metrics;
use crate::worker::courier::Reach;

/// Counts calls to Feishu, and remembers when it last answered.
pub(super) struct Counted {
    metrics: Metrics,
    pub(super) reach: Arc<Reach>,
    clock: Arc<dyn Clock>,
}

impl Counted {
    pub(super) fn new(metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        Self { metrics, reach: Arc::default(), clock }
    }
}

impl feishu::Observer for Counted {
    fn called(&self, api: &'static str, answer: Result<(), &CallError>) {
        self.metrics.feishu_call(api, answer.err().map_or(0, CallError::counted_code));
        self.reach.hear(answer, self.clock.now());
    }
}
