//! The `pushplan` command. Everything it does is in the library.

use std::process::ExitCode;

/// Each call and each row allocates, and the allocator of a static program (musl) is slow where threads share it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pushplan::command::main()
}
