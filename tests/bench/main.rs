//! The benchmark: `cargo bench` prints ratios against a reference measured in the same run.
//!
//! `cargo bench -- matching decoding` runs only the named parts. A goal that is
//! missed is printed as missed; a request that is not answered, or an alert that
//! is lost, ends the run.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark prints its table and fails by panicking; its numbers are far from any bound"
)]

#[path = "../support/cluster.rs"]
mod cluster;
mod decoding;
mod fake;
mod ingest;
mod latency;
mod load;
mod machine;
mod matching;
mod memory;
mod pace;
mod pager;
mod payload;
mod reference;
mod stores;
mod table;

/// As in the program, so that the reference server has the same one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(reference::ARGUMENT) {
        reference::serve(std::env::args().nth(2).as_deref());
        return;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let parts: [(&str, fn()); 7] = [
        ("ingest", ingest::run),
        ("stores", stores::run),
        ("latency", latency::run),
        ("matching", matching::run),
        ("decoding", decoding::run),
        ("memory", memory::run),
        ("pace", pace::run),
    ];
    for name in &wanted {
        assert!(parts.iter().any(|(part, _)| part == name), "no part is called {name}");
    }
    machine::print();
    for (name, run) in parts {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("\n## {name}\n");
            run();
        }
    }
}
