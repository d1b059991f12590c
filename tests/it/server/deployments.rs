//! Deployments: another directory takes the place of the root, in each way that releases are put there.

use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Makes a site whose start page is `content`.
fn release(directory: &Path, content: &str) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("index.html"), content).unwrap();
}

/// Gives a link another target in one step, as deployment tools do.
fn repoint(link: &Path, target: impl AsRef<Path>) {
    let next = link.with_file_name(".next");
    symlink(target, &next).unwrap();
    fs::rename(next, link).unwrap();
}

/// The content of the start page, or the status line if that is not 200.
fn page(server: &Server) -> String {
    let answer = server.request("GET / HTTP/1.1");
    let (head, content) = answer.split_once("\r\n\r\n").expect("a head");
    match head.lines().next() {
        Some("HTTP/1.1 200 OK") => content.to_owned(),
        line => line.unwrap_or_default().to_owned(),
    }
}

fn becomes(server: &Server, content: &str) {
    let start = Instant::now();
    while page(server) != content {
        let waited = start.elapsed();
        assert!(waited < PATIENCE, "{:?}, not {content:?}", page(server));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server of `root` in a directory with two releases, `app/rel1` and `app/rel2`, and that directory.
fn deployed(root: &str, prepare: impl FnOnce(&Path)) -> (Server, PathBuf) {
    let server = Server::serving(root, &[], |directory| {
        release(&directory.join("app/rel1"), "one");
        release(&directory.join("app/rel2"), "two");
        prepare(&directory.join("app"));
    });
    let app = server.directory.path().join("app");
    becomes(&server, "one");
    (server, app)
}

#[test]
fn a_link_that_is_given_another_target_is_followed() {
    let (server, app) = deployed("app/current", |app| {
        symlink("rel1", app.join("current")).unwrap();
    });
    repoint(&app.join("current"), "rel2");
    becomes(&server, "two");
    let line = server.logged("is served from here on");
    assert!(
        line.contains("app/current' is another directory now") && line.contains("rel2"),
        "{line}"
    );
    fs::remove_dir_all(app.join("rel1")).unwrap();
    assert_eq!(page(&server), "two");
    // The link goes back again, now with an absolute target.
    release(&app.join("rel1"), "three");
    repoint(&app.join("current"), app.join("rel1"));
    becomes(&server, "three");
}

#[test]
fn a_directory_that_is_made_anew_is_served_and_what_was_hot_is_gone() {
    let (server, app) = deployed("app/rel1", |app| {
        fs::write(app.join("rel1/old.txt"), "old").unwrap();
    });
    assert!(server.request("GET /old.txt HTTP/1.1").ends_with("old"));
    fs::remove_dir_all(app.join("rel1")).unwrap();
    release(&app.join("rel1"), "anew");
    becomes(&server, "anew");
    assert!(
        server
            .request("GET /old.txt HTTP/1.1")
            .starts_with("HTTP/1.1 404")
    );
    // For a while there is no directory at all.
    fs::remove_dir_all(app.join("rel1")).unwrap();
    becomes(&server, "HTTP/1.1 404 Not Found");
    // Removed files are missing at once. The root's name is looked at once a second, while requests
    // come.
    for _ in 0..100 {
        if server.log().contains("there is no directory") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        server.request("GET / HTTP/1.1");
    }
    server.logged("there is no directory");
    release(&app.join("rel1"), "again");
    becomes(&server, "again");
}

#[test]
fn a_parent_that_is_given_another_target_is_followed() {
    let (server, app) = deployed("app/current/public", |app| {
        for (name, content) in [("rel1", "one"), ("rel2", "two")] {
            release(&app.join(name).join("public"), content);
        }
        symlink("rel1", app.join("current")).unwrap();
    });
    repoint(&app.join("current"), "rel2");
    becomes(&server, "two");
}

#[test]
fn the_links_of_a_mounted_configuration_are_followed() {
    // The way of kubelet and git-sync: `..data` leads to the present release, and the names lead
    // through it.
    let (server, app) = deployed("app/mounted", |app| {
        let mounted = app.join("mounted");
        release(&mounted.join("..1"), "one");
        release(&mounted.join("..2"), "two");
        symlink("..1", mounted.join("..data")).unwrap();
        symlink("..data/index.html", mounted.join("index.html")).unwrap();
    });
    repoint(&app.join("mounted/..data"), "..2");
    fs::remove_dir_all(app.join("mounted/..1")).unwrap();
    becomes(&server, "two");
}

#[test]
fn a_download_goes_on_from_the_release_that_it_began_with() {
    const LEN: usize = 30_000_000;
    let (server, app) = deployed("app/current", |app| {
        fs::write(app.join("rel1/large"), vec![b'1'; LEN]).unwrap();
        fs::write(app.join("rel2/large"), vec![b'2'; LEN]).unwrap();
        symlink("rel1", app.join("current")).unwrap();
    });
    let mut download = server.connect();
    download
        .write_all(b"GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut first = [0; 1000];
    download.read_exact(&mut first).unwrap();
    repoint(&app.join("current"), "rel2");
    becomes(&server, "two");
    fs::remove_dir_all(app.join("rel1")).unwrap();
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).unwrap();
    let ones = rest.iter().rev().take_while(|byte| **byte == b'1').count();
    assert!(ones > LEN - 1000, "{ones}");
}

/// True if the kernel of this machine refuses files that were not granted.
fn is_confined(server: &Server) -> bool {
    server.logged("sandbox: ").contains("Landlock")
}

#[test]
fn a_place_that_the_sandbox_was_not_told_of_leaves_the_old_one_in_use_and_is_told_of_once() {
    let elsewhere = tempfile::tempdir().unwrap();
    release(&elsewhere.path().join("rel3"), "three");
    let prepare = |app: &Path| symlink("rel1", app.join("current")).unwrap();
    let (server, app) = deployed("app/current", prepare);
    if !is_confined(&server) {
        eprintln!("not proved on this machine");
        return;
    }
    repoint(&app.join("current"), elsewhere.path().join("rel3"));
    let start = Instant::now();
    while !server.log().contains("was not told of") {
        assert!(start.elapsed() < PATIENCE && page(&server) == "one");
    }
    let line = server.logged("the sandbox was not told of");
    let mend = format!("--sandbox-read {}", elsewhere.path().display());
    assert!(line.contains(&mend), "{line}");
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(page(&server), "one");
    }
    assert_eq!(server.log().matches("was not told of").count(), 1);
    repoint(&app.join("current"), "rel2");
    becomes(&server, "two");
}

#[test]
fn a_place_that_was_granted_is_served() {
    let elsewhere = tempfile::tempdir().unwrap();
    release(&elsewhere.path().join("rel3"), "three");
    let granted = elsewhere.path().to_str().unwrap();
    let server = Server::serving("app/current", &["--sandbox-read", granted], |directory| {
        release(&directory.join("app/rel1"), "one");
        symlink("rel1", directory.join("app/current")).unwrap();
    });
    let said = server.logged("sandbox: ");
    assert!(
        !said.contains("Landlock") || said.contains(granted),
        "{said}"
    );
    repoint(
        &server.directory.path().join("app/current"),
        elsewhere.path().join("rel3"),
    );
    becomes(&server, "three");
}

#[test]
fn a_link_that_leads_out_of_the_root_is_told_of_once() {
    let server = Server::with_site(&[], |site| {
        fs::write(site.parent().unwrap().join("outside"), "outside").unwrap();
        symlink("../outside", site.join("out.txt")).unwrap();
        symlink(site.join("index.html"), site.join("in.html")).unwrap();
    });
    for _ in 0..3 {
        assert!(
            server
                .request("GET /out.txt HTTP/1.1")
                .starts_with("HTTP/1.1 404")
        );
    }
    assert!(
        server
            .request("GET /in.html HTTP/1.1")
            .starts_with("HTTP/1.1 200")
    );
    server.logged("'out.txt' is a symbolic link to '../outside'");
    assert_eq!(server.log().matches("is a symbolic link").count(), 1);
}

#[test]
fn names_that_package_managers_encode_are_found() {
    let server = Server::with_site(&[], |site| {
        fs::create_dir(site.join("@scope")).unwrap();
        fs::write(site.join("@scope/name"), "package").unwrap();
    });
    assert!(
        server
            .request("GET /@scope%2fname HTTP/1.1")
            .ends_with("package")
    );
    assert!(
        server
            .request("GET /@scope%2F..%2F..%2Fcerts HTTP/1.1")
            .starts_with("HTTP/1.1 400")
    );
}
