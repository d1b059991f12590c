//! Only files beneath the site's root are ever sent, even if its names change meanwhile.

use crate::support::Server;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Number of times that each name is given to something else.
const SWAPS: usize = 100_000;

/// Exchanges the names of two files or directories.
fn swap(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("both are there");
}

/// Makes a directory of one file, whose name and content tell the directory.
fn place(directory: &Path, content: &str) {
    fs::create_dir(directory).unwrap();
    fs::write(directory.join("file"), content).unwrap();
    fs::write(directory.join(content), "").unwrap();
}

#[test]
fn a_directory_swapped_for_a_symlink_during_requests_never_leads_out_of_the_root() {
    // The sandbox is off, because it would keep the outside from being read at all, and the test is
    // about the way in which the server finds a file. The hot cache is off, so that each request finds
    // the file anew.
    let options = ["--sandbox", "off", "--cache-memory", "0", "--listing"];
    let server = Server::with_site(&options, |site| {
        for name in ["relative", "absolute", "inner"] {
            place(&site.join(name), "-inside-");
        }
        fs::write(site.join("file"), "-inside-").unwrap();
    });
    let directory = server.directory.path();
    let (site, outside) = (directory.join("site"), directory.join("outside"));
    place(&outside, "-outside-");
    // Targets that a name of the site leads to at times.
    let ways_out = [
        ("relative", "../outside".into()),
        ("absolute", outside.clone()),
        ("file", outside.join("file")),
        ("inner/file", "../../outside/file".into()),
    ];
    let pairs = ways_out.map(|(name, target)| {
        let other = directory.join(name.replace('/', "-"));
        symlink(target, &other).unwrap();
        (site.join(name), other)
    });

    let targets = [
        "/relative/file",
        "/absolute/file",
        "/file",
        "/inner/file",
        "/relative/",
        "/absolute/",
        "/relative/../absolute/file",
    ];
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    let last = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let requests = targets.map(request).concat().repeat(5) + last;
    let done = AtomicBool::new(false);
    let (mut found, mut missing) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..SWAPS {
                for (one, other) in &pairs {
                    swap(one, other);
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let answers = server.converse(requests.as_bytes());
            let answers = String::from_utf8(answers).expect("text");
            assert!(!answers.contains("-outside-"), "{answers}");
            found += answers.matches("-inside-").count();
            missing += answers.matches("HTTP/1.1 404").count();
        }
    });
    assert!(found > 0 && missing > 0, "{found} found, {missing} missing");
}
