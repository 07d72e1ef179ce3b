//! Files and connections that the process may have open.
//!
//! Many systems allow 1024 at first and many more to whoever asks. A pager that
//! has none left can neither take a webhook nor call Feishu, so it asks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer than this are said to be few.
const FEW: u64 = 4096;

/// Allows as many as the system lets this process have.
pub(super) fn allow_many() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return warn(current);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => warn(maximum),
        Err(error) => {
            tracing::warn!(%error, ?current, "the limit of open files stays as it is");
            warn(current);
        }
    }
}

fn warn(limit: Option<u64>) {
    if let Some(limit) = limit.filter(|limit| *limit < FEW) {
        tracing::warn!(
            limit,
            "few connections can be open at a time: raise LimitNOFILE of the service, or ulimit -n"
        );
    }
}
