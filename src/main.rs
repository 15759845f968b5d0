//! The `pushplan` command. Everything it does is in the library.

use std::process::ExitCode;

/// Each call and each row allocates, and musl's own allocator is slow where threads share it.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pushplan::command::main()
}
