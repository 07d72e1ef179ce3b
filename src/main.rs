//! The `larkhorn` program: hands its arguments and environment to [`larkhorn::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    larkhorn::cli::run(std::env::args_os(), std::env::vars_os())
}
