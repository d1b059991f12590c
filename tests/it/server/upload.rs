//! Uploads to the running server, in its sandbox.

mod demo;
mod digests;
mod hosts;
mod limits;
mod page;
mod writer;

use crate::server::http2::{converse, request};
use crate::support::Server;
use bytes::Bytes;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server with a directory for uploads.
fn server(options: &[&str]) -> (Server, PathBuf) {
    let own = ["--upload", "/in=site/in"];
    let options: Vec<_> = own.iter().chain(options).copied().collect();
    let server = Server::with_site(&options, |site| fs::create_dir(site.join("in")).unwrap());
    let directory = server.directory.path().join("site/in");
    (server, directory)
}

/// The names in a directory, hidden ones too.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The answer to a request with a body over HTTP/1.1.
fn send(server: &Server, head: &str, body: &[u8]) -> String {
    let head = format!(
        "{head}\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = server.converse(&[head.as_bytes(), body].concat());
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_put_makes_a_file_and_a_second_one_replaces_it() {
    let (server, directory) = server(&[]);
    let answer = send(&server, "PUT /in/a%20b.html HTTP/1.1", b"<script>");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(
        answer.contains("\r\nlocation: /in/a%20b.html\r\n"),
        "{answer}"
    );
    let answer = send(
        &server,
        "PUT /in/a%20b.html HTTP/1.1\r\nIf-None-Match: *",
        b"other",
    );
    assert!(answer.starts_with("HTTP/1.1 412 "), "{answer}");
    let answer = send(&server, "PUT /in/b HTTP/1.1\r\nIf-Match: *", b"other");
    assert!(answer.starts_with("HTTP/1.1 412 "), "{answer}");
    let answer = server.request("GET /in/a%20b.html HTTP/1.1");
    assert!(answer.ends_with("\r\n\r\n<script>"), "{answer}");
    for field in [
        "content-disposition: attachment",
        "x-content-type-options: nosniff",
        "content-security-policy: sandbox",
    ] {
        assert!(answer.contains(field), "{field}: {answer}");
    }
    let answer = send(&server, "PUT /in/a%20b.html HTTP/1.1", b"new");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert_eq!(fs::read(directory.join("a b.html")).unwrap(), b"new");
    assert_eq!(names(&directory), ["a b.html"]);
    let page = server.request("GET /in/ HTTP/1.1");
    assert!(
        page.contains("<form method=\"post\" action=\"/in/\""),
        "{page}"
    );
    assert!(
        page.contains("<a href=\"/in/a%20b.html\">a b.html</a>"),
        "{page}"
    );
}

#[test]
fn a_file_is_there_as_soon_as_it_is_stored_though_another_was_seen_a_moment_before() {
    let (server, _) = server(&[]);
    let mut before = "HTTP/1.1 404 ";
    for content in ["one", "two", "three"] {
        let answer = server.request("GET /in/a HTTP/1.1");
        assert!(answer.contains(before), "{answer}");
        let answer = send(&server, "PUT /in/a HTTP/1.1", content.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        let answer = server.request("GET /in/a HTTP/1.1");
        assert!(answer.ends_with(&format!("\r\n\r\n{content}")), "{answer}");
        before = content;
    }
}

#[test]
fn a_form_stores_its_files_under_safe_names() {
    let (server, directory) = server(&[]);
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../x.txt\"\r\n\r\none\r\n\
                --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.txt\"\r\n\r\ntwo\r\n--b--\r\n";
    let head = "POST /in/ HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b";
    let answer = send(&server, head, form.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(names(&directory), ["x-1.txt", "x.txt"]);
    assert_eq!(fs::read(directory.join("x.txt")).unwrap(), b"one");
    let cut = &form[..form.len() - 4];
    let answer = send(&server, head, cut.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let foreign = format!("{head}\r\nSec-Fetch-Site: cross-site");
    let answer = send(&server, &foreign, form.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(names(&directory), ["x-1.txt", "x.txt"]);
}

#[test]
fn names_and_methods_that_are_not_taken_are_refused() {
    let (server, directory) = server(&[]);
    for (request, status) in [
        // No path with a hidden name is any file.
        ("PUT /in/.hidden HTTP/1.1", "404"),
        ("PUT /in/a/b HTTP/1.1", "404"),
        ("PUT /in HTTP/1.1", "405"),
        ("DELETE /in/a HTTP/1.1", "405"),
        ("GET /in/none HTTP/1.1", "404"),
        ("OPTIONS /in/ HTTP/1.1", "204"),
    ] {
        let answer = send(&server, request, b"");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
    assert!(names(&directory).is_empty());
}

#[test]
fn an_upload_over_http2_is_stored_whole() {
    let (server, directory) = server(&[]);
    let content: Vec<u8> = (0..3 << 20).map(|at: u32| (at % 251) as u8).collect();
    let sent = Bytes::from(content.clone());
    converse(&server, async |mut client| {
        for name in ["upload", "upload-1"] {
            let (answer, mut body) = client.send_request(request("POST", "/in"), false).unwrap();
            body.send_data(sent.clone(), true).unwrap();
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), 201);
            assert_eq!(answer.headers()["location"], format!("/in/{name}"));
        }
    });
    assert_eq!(names(&directory), ["upload", "upload-1"]);
    assert!(fs::read(directory.join("upload")).unwrap() == content);
}

/// True if the server has a file of this directory open.
fn writes_into(server: &Server, directory: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap();
    open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|file| file.parent() == Some(directory))
}

#[test]
fn a_client_that_goes_leaves_nothing() {
    let (server, directory) = server(&[]);
    let mut socket = server.connect();
    let head = b"PUT /in/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nhalf";
    socket.write_all(head).unwrap();
    while !writes_into(&server, &directory) {
        std::thread::yield_now();
    }
    // Nobody sees the half.
    assert!(names(&directory).is_empty());
    drop(socket);
    while writes_into(&server, &directory) {
        std::thread::yield_now();
    }
    assert!(names(&directory).is_empty());
    assert!(
        server
            .request("GET / HTTP/1.1")
            .starts_with("HTTP/1.1 200 ")
    );
}

#[test]
fn a_server_that_is_killed_leaves_nothing_partial_in_place() {
    let content: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("in")).unwrap();
    fs::create_dir(directory.path().join("site")).unwrap();
    for round in 0..20_usize {
        let mut program = Command::new(env!("CARGO_BIN_EXE_calmd"));
        program.args(["site", "--upload", "/in=in", "--listen", "127.0.0.1:0"]);
        program
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = program.spawn().unwrap();
        let mut told = Vec::new();
        let mut out = child.stdout.take().unwrap();
        let address = loop {
            let mut byte = [0];
            out.read_exact(&mut byte).unwrap();
            told.extend(byte);
            let text = String::from_utf8_lossy(&told);
            if let Some((_, rest)) = text.split_once("http://")
                && let Some((address, _)) = rest.split_once('\n')
            {
                break address.trim().to_owned();
            }
        };
        // What the server before has left is gone: the names are whole files.
        let shown = names(&directory.path().join("in"));
        assert!(shown.iter().all(|name| !name.starts_with('.')), "{shown:?}");
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let head = format!(
            "PUT /in/{round} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        // The server dies in the middle of one upload after another.
        let sent = content.len() * (round + 1) / 20;
        socket.write_all(&content[..sent]).unwrap();
        if sent == content.len() {
            let mut answer = [0; 12];
            socket.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 201");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for name in names(&directory.path().join("in")) {
            if !name.starts_with('.') {
                assert!(fs::read(directory.path().join("in").join(name)).unwrap() == content);
            }
        }
    }
}

#[test]
fn a_directory_that_is_replaced_takes_nothing_that_nobody_would_find() {
    let (server, directory) = server(&[]);
    let put = || send(&server, "PUT /in/a HTTP/1.1", b"new");
    assert!(put().starts_with("HTTP/1.1 201 "));
    let old = directory.with_file_name("old");
    fs::rename(&directory, &old).unwrap();
    fs::remove_file(old.join("a")).unwrap();
    assert!(put().starts_with("HTTP/1.1 503 "));
    server.logged("is not the one that was opened, and uploads are refused");
    // The sandbox gives rights to the directory that it was told of, wherever that is.
    fs::create_dir(&directory).unwrap();
    assert!(put().starts_with("HTTP/1.1 503 "));
    assert!(names(&directory).is_empty() && names(&old).is_empty());
    fs::remove_dir(&directory).unwrap();
    fs::rename(&old, &directory).unwrap();
    assert!(put().starts_with("HTTP/1.1 201 "));
    assert_eq!(names(&directory), ["a"]);
}

#[test]
fn without_the_sandbox_a_directory_that_is_replaced_is_followed() {
    let (server, directory) = server(&["--sandbox", "off"]);
    fs::rename(&directory, directory.with_file_name("old")).unwrap();
    fs::create_dir(&directory).unwrap();
    let answer = send(&server, "PUT /in/a HTTP/1.1", b"new");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(names(&directory), ["a"]);
}
