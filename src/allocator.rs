//! The allocator's settings for a server that runs for months.
//!
//! No cache, for a reason: [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).
//!
//! glibc gives its heap back from the top down, as far as nothing is in use. Freed blocks in its cache,
//! seven of each small size, count as used. After a crowd some of these lie at the very top and keep
//! everything below them: 10 MB after 2,000 TLS connections. The cache is made for programs of many
//! threads, and our steady state allocates nothing, so the server runs without it. glibc keeps the
//! smallest freed blocks aside too, which saves memory while a crowd is there. Once the crowd has gone,
//! [`tidy`] has them merged.
//!
//! Large blocks lie outside of the heap, and are given back as they are freed. But after the first such freeing
//! glibc would have the next ones of that size in the heap, where small blocks above them keep them: half of the
//! memory of a thousand hosts were holes. So the size of large blocks stays.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Environment variable from which glibc reads its settings, before `main`.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Settings by which nothing is cached outside of the heap proper, and blocks from 256 KiB on are given back at once.
/// Buffers and files in memory are smaller.
const SETTINGS: &str = "glibc.malloc.tcache_count=0:glibc.malloc.mmap_threshold=262144";

/// Size of a block whose freeing makes glibc tidy up. Its threshold is 64 KiB; a block of twice that
/// would not lie in its heap.
const TIDY: usize = 96 << 10;

/// Merges the freed blocks that the allocator keeps aside, and gives back the free memory at the top of
/// its heap. glibc does both when a large block is freed.
pub fn tidy() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(TIDY)));
}

/// Starts this program again with the allocator's settings, in the same process. It must be called
/// before anything is opened. It returns where the settings are in force, where the operator chose
/// others, and where the start fails: only the use of memory depends on it.
///
/// The program is started again once at most. The environment alone does not tell a second start from a
/// first, because it may be changed before `main`: glibc removes the variable from a program with
/// capabilities or another user's rights. Such a program is left as it is. Any other is recognised by
/// the path by which it was started, which the kernel tells.
pub fn adopt() {
    if !cfg!(target_env = "gnu") || env::var_os(TUNABLES).is_some() || is_second_start() {
        return;
    }
    if !is_unprivileged() {
        return;
    }
    // Started by its own name, which is the name that process lists show.
    let Some(program) = env::current_exe().ok().as_deref().and_then(marked) else {
        return;
    };
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let _ = command.args(arguments).env(TUNABLES, SETTINGS).exec();
}

/// Marks the path of a second start, before the program's name. The marked path leads to the same file,
/// and is hardly ever written by hand as an absolute path.
const MARK: &str = ".";

/// A program's path with the mark in it.
fn marked(program: &Path) -> Option<PathBuf> {
    let directory = program.parent()?;
    Some(directory.join(MARK).join(program.file_name()?))
}

/// True if the kernel was given a marked path (AT_EXECFN, getauxval(3)).
fn is_second_start() -> bool {
    let path = rustix::param::linux_execfn().to_bytes();
    let name = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let before = path.get(..name).unwrap_or_default();
    before.starts_with(b"/") && before.ends_with(b"/.")
}

/// True if the kernel gave this program no more rights than its parent has. The answer is false where
/// it cannot be read: the files in `/proc` of a program with capabilities belong to root.
fn is_unprivileged() -> bool {
    fs::read("/proc/self/auxv").is_ok_and(|vector| secure(&vector) == Some(0))
}

/// The value of AT_SECURE in the auxiliary vector: pairs of words, a key and its value.
fn secure(vector: &[u8]) -> Option<usize> {
    /// From `linux/auxvec.h`.
    const AT_SECURE: usize = 23;
    let words = vector.chunks_exact(size_of::<usize>());
    let mut words = words.filter_map(|word| Some(usize::from_ne_bytes(word.try_into().ok()?)));
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if key == AT_SECURE {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_whether_the_rights_are_whoever_started_its() {
        let vector = fs::read("/proc/self/auxv").unwrap();
        assert_eq!(secure(&vector), Some(0));
        let pair = |key: usize, value: usize| [key.to_ne_bytes(), value.to_ne_bytes()].concat();
        assert_eq!(
            secure(&[pair(6, 23), pair(23, 1), pair(0, 0)].concat()),
            Some(1)
        );
        assert_eq!(secure(&pair(6, 4096)), None);
        assert_eq!(secure(b"cut"), None);
    }

    #[test]
    fn a_marked_path_leads_to_the_same_program() {
        let program = env::current_exe().unwrap();
        let marked = marked(&program).unwrap();
        assert_ne!(marked.as_os_str(), program.as_os_str());
        assert_eq!(
            marked.canonicalize().unwrap(),
            program.canonicalize().unwrap()
        );
        assert!(!is_second_start());
    }
}
