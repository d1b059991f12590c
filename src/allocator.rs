//! The allocator's habits, as a server that runs for months wants them.
//!
//! glibc gives its heap back from the top down, as far as nothing is in use, and counts as used what
//! it caches of freed blocks, seven of each small size. After a crowd some of these lie at the very
//! top and keep everything below them: 10 MB after 2,000 TLS connections. The cache is for programs
//! of many threads, and our steady state allocates nothing, so we do without it. The smallest freed
//! blocks it keeps aside too, which saves memory while a crowd is there; once it has gone, [`tidy`] has
//! them merged.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where glibc reads its habits, before `main`.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Nothing is cached outside of the heap proper.
const NO_CACHE: &str = "glibc.malloc.tcache_count=0";

/// The free block that makes glibc tidy up is 64 KiB; one of twice that would not lie in its heap.
const TIDY: usize = 96 << 10;

/// Has the allocator merge the freed blocks that it keeps aside, and give back what is free at the top
/// of its heap: glibc does both when a large block is freed.
pub fn tidy() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(TIDY)));
}

/// Starts this program again with those habits, in the same process; must come before anything is
/// opened. Returns where it has them, where the operator chose others, and where it cannot be done:
/// nothing depends on it but memory.
pub fn adopt() {
    if !cfg!(target_env = "gnu") || env::var_os(TUNABLES).is_some() {
        return;
    }
    // By its own name, which is what the process is listed as.
    let Ok(program) = env::current_exe() else {
        return;
    };
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let _ = command.args(arguments).env(TUNABLES, NO_CACHE).exec();
}
