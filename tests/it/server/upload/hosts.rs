//! Directories for uploads of several hosts, and their way through a reload.

use crate::support::{PATIENCE, Server};
use std::fs;
use std::path::Path;
use std::time::Instant;

const A: &str = "[[host]]\nnames = [\"a.test\"]\nroot = \"site\"\nupload = [\"/in=a\"]\n";
const B: &str = "[[host]]\nnames = [\"b.test\"]\nroot = \"site\"\nupload = [\"/in=b\"]\n";
const NONE: &str = "[[host]]\nnames = [\"c.test\"]\nroot = \"site\"\n";

fn directories(directory: &Path) {
    for name in ["site", "a", "b", "other"] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
}

/// The status of a PUT of a host's file.
fn put(server: &Server, host: &str, name: &str) -> u16 {
    let request = format!(
        "PUT /in/{name} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    );
    let answer = String::from_utf8(server.converse(request.as_bytes())).unwrap();
    answer[9..12].parse().unwrap_or_else(|_| panic!("{answer}"))
}

fn is_there(server: &Server, path: &str) -> bool {
    server.directory.path().join(path).exists()
}

/// Has other settings read, and returns the line that tells of it.
fn change(server: &Server, settings: &str) -> String {
    let count = |log: &str| {
        log.matches("the settings were read").count() + log.matches("the old settings stay").count()
    };
    let before = count(&server.log());
    let path = server.directory.path().join("calmd.toml");
    fs::write(path.with_extension("new"), settings).unwrap();
    fs::rename(path.with_extension("new"), path).unwrap();
    server.signal("HUP");
    let start = Instant::now();
    while count(&server.log()) == before {
        assert!(start.elapsed() < PATIENCE, "{}", server.log());
        std::thread::yield_now();
    }
    server.log().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn each_host_has_directories_of_its_own() {
    let server = Server::configured(&[A, B, NONE].concat(), directories);
    assert_eq!(put(&server, "a.test", "x"), 201);
    assert_eq!(put(&server, "b.test", "y"), 201);
    assert_eq!(put(&server, "c.test", "z"), 404);
    assert!(is_there(&server, "a/x") && is_there(&server, "b/y"));
    assert!(!is_there(&server, "a/y") && !is_there(&server, "b/x"));
}

#[test]
fn a_directory_of_the_top_level_is_the_first_hosts_alone() {
    let settings = format!("upload = [\"/in=other\"]\n{NONE}{B}");
    let more = "[[host]]\nnames = [\"d.test\"]\nroot = \"site\"\n";
    let server = Server::configured(&(settings + more), directories);
    assert_eq!(put(&server, "c.test", "x"), 201);
    assert_eq!(put(&server, "b.test", "y"), 201);
    assert_eq!(put(&server, "d.test", "z"), 404);
    assert!(is_there(&server, "other/x") && is_there(&server, "b/y"));
}

#[test]
fn a_reload_moves_open_directories_with_their_hosts_and_opens_no_others() {
    let server = Server::configured(&[A, B].concat(), directories);
    // The hosts change places, and one of them its name.
    let renamed = A.replace("a.test", "e.test");
    let line = change(&server, &[B, &renamed].concat());
    assert!(line.contains("read again, and are in force"), "{line}");
    assert_eq!(put(&server, "e.test", "x"), 201);
    assert_eq!(put(&server, "b.test", "y"), 201);
    assert!(is_there(&server, "a/x") && is_there(&server, "b/y"));
    let line = change(&server, &A.replace("=a", "=other"));
    assert!(
        line.contains("other for uploads at '/in' was not open before: restart needed"),
        "{line}"
    );
    assert_eq!(put(&server, "e.test", "z"), 201);
    // One that has gone does not come back.
    let line = change(&server, B);
    assert!(line.contains("read again, and are in force"), "{line}");
    assert_eq!(put(&server, "b.test", "w"), 201);
    let line = change(&server, &[A, B].concat());
    assert!(
        line.contains("a for uploads at '/in' was not open before"),
        "{line}"
    );
}
