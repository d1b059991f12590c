//! The server inside its sandbox: actions of an operator on a running server still work. (All other
//! tests of the server run inside it too, since that is the default.)

use crate::server::tls::{connect_with, trusting};
use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

/// Makes a certificate in the layout of ACME clients: `live` leads to the newest file of `archive`.
fn renew(directory: &Path, serial: u32) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::create_dir_all(directory.join("live")).unwrap();
    fs::create_dir_all(directory.join("archive")).unwrap();
    for (name, content) in [
        ("cert", made.cert.pem()),
        ("key", made.signing_key.serialize_pem()),
    ] {
        let file = format!("archive/{name}{serial}.pem");
        fs::write(directory.join(&file), content).unwrap();
        let next = directory.join("live/next");
        symlink(format!("../{file}"), &next).unwrap();
        fs::rename(next, directory.join(format!("live/{name}.pem"))).unwrap();
    }
}

/// A field of `/proc/PID/status`.
fn status(server: &Server, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    value.unwrap_or_else(|| panic!("no {field}")).to_owned()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// The status line of a request over TLS, if the server has the given certificate.
fn request_tls(server: &Server, certificate: &str) -> Option<String> {
    let config = trusting(&server.directory.path().join(certificate), &[]);
    let mut stream = connect_with(server, config);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next().map(str::to_owned)
}

#[test]
fn certificates_and_the_log_are_replaced_under_the_sandbox() {
    let options = [
        "--cert",
        "live/cert.pem",
        "--key",
        "live/key.pem",
        "--access-log",
        "log/access.log",
    ];
    let mut server = Server::with_site(&options, |site| {
        let directory = site.parent().unwrap();
        renew(directory, 1);
        fs::create_dir(directory.join("log")).unwrap();
    });
    assert_eq!(status(&server, "NoNewPrivs"), "1");
    assert_eq!(status(&server, "Seccomp"), "2");
    assert_eq!(
        status(&server, "Threads"),
        "1",
        "a thread made before would be outside"
    );
    let directory = server.directory.path().to_owned();
    let ok = Some("HTTP/1.1 200 OK".to_owned());
    assert_eq!(request_tls(&server, "archive/cert1.pem"), ok);

    renew(&directory, 2);
    server.signal("HUP");
    until("the new certificate is used", || {
        request_tls(&server, "archive/cert2.pem") == ok
    });
    assert_eq!(request_tls(&server, "archive/cert1.pem"), None);

    let log = directory.join("log/access.log");
    fs::rename(&log, directory.join("log/access.log.1")).unwrap();
    server.signal("USR1");
    until("the log is opened again", || log.exists());
    server.request("GET /later HTTP/1.1");
    until("the new log is written", || {
        fs::read_to_string(&log).unwrap().contains("/later")
    });

    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn another_user_serves_after_root_has_listened() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not proved on this machine: it takes root to become somebody else");
        return;
    }
    let mut server = Server::start(&["--user", "65534:65533"]);
    assert_eq!(status(&server, "Uid"), "65534\t65534\t65534\t65534");
    assert_eq!(status(&server, "Gid"), "65533\t65533\t65533\t65533");
    assert_eq!(status(&server, "Groups").trim(), "65533");
    assert_eq!(status(&server, "CapPrm"), "0000000000000000");
    assert!(
        server
            .request("GET / HTTP/1.1")
            .starts_with("HTTP/1.1 200 OK")
    );
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn the_sandbox_can_be_left_out() {
    let server = Server::start(&["--sandbox", "off"]);
    assert_eq!(status(&server, "Seccomp"), "0");
    assert!(
        server
            .request("GET / HTTP/1.1")
            .starts_with("HTTP/1.1 200 OK")
    );
}
