//! The site that is attacked.

use super::good_client;
use crate::support::Server;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Number of names in the large directory.
const MANY: usize = 10_000;

/// Number of files with three sidecars each. Memory holds a tenth of them, so more would not change the
/// result.
pub const COLD: usize = 2_000;

/// Length of those files. Without optimisation hashing takes fifty times as long, so they are shorter
/// then.
const COLD_LEN: u64 = if cfg!(debug_assertions) {
    8 << 10
} else {
    256 << 10
};

/// Number of files that fit into memory together.
pub const HOT: usize = 25;

/// Number of nested directories.
pub const DEPTH: usize = 200;

/// Content of a file outside of the root, which must never be sent.
pub const SECRET: &str = "what nobody may see";

/// A server with options, and the files that attacks ask for.
pub fn serve(options: &[&str]) -> Server {
    Server::with_site(options, |root| {
        fill(root, options.contains(&"--listing"));
        if options.contains(&"--spa") {
            fill_with_work(root);
        }
    })
}

fn fill(root: &Path, listing: bool) {
    let file = good_client::PATH.trim_start_matches('/');
    fs::write(root.join(file), vec![b'x'; good_client::LEN]).unwrap();
    sparse(&root.join("big"), 1 << 30);
    sparse(&root.join("5g"), 5 << 30);
    let outside = root.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), SECRET).unwrap();
    symlink(outside.join("secret"), root.join("link")).unwrap();
    symlink(&outside, root.join("linked")).unwrap();
    symlink("../outside/secret", root.join("up")).unwrap();
    symlink("/dev/zero", root.join("zero")).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    fs::write(root.join(".hidden"), SECRET).unwrap();
    fs::create_dir_all(root.join(".well-known")).unwrap();
    fs::write(root.join(".well-known/known"), "known").unwrap();
    fs::create_dir(root.join("directory")).unwrap();
    fs::write(root.join("unknown.qqq"), "<script>").unwrap();
    if listing {
        let many = root.join("many");
        fs::create_dir(&many).unwrap();
        for n in 0..MANY {
            fs::File::create(many.join(format!("file-{n}"))).unwrap();
        }
    }
}

/// Fills the site with files that take work to find: names that are not in memory, and deep ones.
fn fill_with_work(root: &Path) {
    for directory in ["cold", "hot"] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    for n in 0..COLD {
        for sidecar in ["", ".gz", ".zst", ".br"] {
            sparse(&root.join(format!("cold/{n}{sidecar}")), COLD_LEN);
        }
    }
    for n in 0..HOT {
        fs::write(root.join(format!("hot/{n}")), vec![b'x'; 20 << 10]).unwrap();
    }
    fs::create_dir_all(root.join("d/".repeat(DEPTH))).unwrap();
}

fn sparse(path: &Path, len: u64) {
    fs::File::create(path).unwrap().set_len(len).unwrap();
}
