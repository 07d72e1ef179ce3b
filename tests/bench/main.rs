//! The benchmark: `cargo bench` prints ratios against a reference measured in the same run.
//!
//! `cargo bench -- matching decoding` runs only the named parts.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a benchmark prints its table and fails by panicking"
)]

mod decoding;
mod matching;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let parts: [(&str, fn()); 2] = [("decoding", decoding::run), ("matching", matching::run)];
    for (name, run) in parts {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("\n== {name}");
            run();
        }
    }
}
