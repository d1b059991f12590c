//! Several hosts of one settings file, each with a site of its own.

use crate::server::tls::{connect_to, trusting};
use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

const SETTINGS: &str = r#"
access-log = "sites/b/access.log"

[[host]]
names = ["a.test", "*.a.test"]
root = "sites/a"
listing = true
header = ["X-Of: a"]
redirect = [{ from = "/old/*", to = "/new/:splat", status = 301 }]
headers = [{ path = "/**", set = { X-Rule = "a" } }]

[[host]]
names = ["b.test", "www.a.test"]
root = "sites/b"
default = true
"#;

/// Makes the sites of both hosts.
pub fn sites(directory: &Path) {
    for (root, files) in [
        ("sites/a-1", &["index.html", "only-a.txt", "list/x.txt"][..]),
        ("sites/a-2", &["index.html"]),
        ("sites/b", &["index.html", "list/x.txt"]),
    ] {
        for file in files {
            let file = directory.join(root).join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, root).unwrap();
        }
    }
    symlink("a-1", directory.join("sites/a")).unwrap();
}

/// The answer to a request for a host: its status, its head and its content.
fn ask(server: &Server, host: &str, path: &str) -> (u16, String, String) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: text/html\r\n\r\n"
    );
    let answer = server.converse(request.as_bytes());
    let answer = String::from_utf8_lossy(&answer);
    let (head, content) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    (status.parse().unwrap(), head.to_lowercase(), content.into())
}

#[test]
fn each_host_has_its_own_site_and_the_default_host_has_all_others() {
    let server = Server::configured(SETTINGS, sites);
    for (host, root) in [
        ("a.test", "sites/a-1"),
        ("A.Test.:8080", "sites/a-1"),
        ("x.y.a.test", "sites/a-1"),
        ("www.a.test", "sites/b"),
        ("b.test", "sites/b"),
        ("other.test", "sites/b"),
        ("127.0.0.1", "sites/b"),
    ] {
        let (status, head, content) = ask(&server, host, "/");
        assert_eq!((status, content.as_str()), (200, root), "{host}");
        assert_eq!(head.contains("x-of: a"), root == "sites/a-1", "{host}");
    }
    // Rules are those of one host.
    let (status, head, _) = ask(&server, "a.test", "/old/x");
    assert_eq!(status, 301);
    assert!(
        head.contains("location: /new/x") && head.contains("x-rule: a"),
        "{head}"
    );
    let (status, head, _) = ask(&server, "b.test", "/old/x");
    assert!(status == 404 && !head.contains("x-rule"), "{head}");
    assert_eq!(ask(&server, "a.test", "/only-a.txt").0, 200);
    assert_eq!(ask(&server, "b.test", "/only-a.txt").0, 404);
    // Only one of them lists directories.
    assert_eq!(ask(&server, "a.test", "/list/").0, 200);
    assert_eq!(ask(&server, "b.test", "/list/").0, 404);
    // The log lies in one of the sites, and is served by none.
    assert_eq!(ask(&server, "b.test", "/access.log").0, 404);
    assert!(server.directory.path().join("sites/b/access.log").exists());
}

#[test]
fn the_root_of_each_host_is_followed_to_the_next_deployment() {
    let server = Server::configured(SETTINGS, sites);
    assert_eq!(ask(&server, "a.test", "/").2, "sites/a-1");
    let sites = server.directory.path().join("sites");
    symlink("a-2", sites.join("next")).unwrap();
    fs::rename(sites.join("next"), sites.join("a")).unwrap();
    let start = Instant::now();
    while ask(&server, "a.test", "/").2 != "sites/a-2" {
        assert!(start.elapsed() < PATIENCE, "the old deployment stays");
    }
    assert_eq!(ask(&server, "b.test", "/").2, "sites/b");
}

#[test]
fn a_host_without_a_directory_is_named_and_nothing_starts() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "[[host]]\nnames = [\"a.test\"]\nroot = \"nowhere\"\n";
    fs::write(directory.path().join("calmd.toml"), settings).unwrap();
    for command in [&["check"][..], &[]] {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_calmd"))
            .args(command)
            .args(["--config", "calmd.toml", "--listen", "127.0.0.1:0"])
            .current_dir(directory.path())
            .output()
            .expect("calmd runs");
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(
            said.contains("the host a.test: there is no directory"),
            "{said}"
        );
    }
}

/// Makes a certificate for these names.
pub fn certify(directory: &Path, file: &str, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join(format!("{file}.pem")), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_pem();
    fs::write(directory.join(format!("{file}.key")), key).unwrap();
}

#[test]
fn each_host_shows_its_own_certificate_and_sends_requests_for_others_away() {
    let settings = r#"
        [[host]]
        names = ["a.test"]
        root = "sites/a"
        cert = "tls/a.pem"
        key = "tls/a.key"
        [[host]]
        names = ["b.test"]
        root = "sites/b"
        cert = "tls/b.pem"
        key = "tls/b.key"
        "#;
    let server = Server::configured(settings, |directory| {
        sites(directory);
        certify(&directory.join("tls"), "a", &["a.test"]);
        certify(&directory.join("tls"), "b", &["b.test", "a.test"]);
    });
    let tls = server.directory.path().join("tls");
    for (name, certificate, authority, status) in [
        ("a.test", "a.pem", "a.test", "200"),
        ("b.test", "b.pem", "b.test:1", "200"),
        // The certificate covers the host, which shows another one.
        ("b.test", "b.pem", "a.test", "421"),
        ("a.test", "a.pem", "b.test", "421"),
        ("a.test", "a.pem", "other", "421"),
    ] {
        let client = trusting(&tls.join(certificate), &["http/1.1"]);
        let mut stream = connect_to(&server, client, name);
        let request = format!("GET / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert_eq!(&answer[9..12], status, "{name} {authority}: {answer}");
        let root = if name == "a.test" {
            "sites/a-1"
        } else {
            "sites/b"
        };
        assert!(status != "200" || answer.ends_with(root), "{answer}");
    }
}
