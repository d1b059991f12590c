//! `/upload` of the demo, in a directory that goes with the server.

use super::{names, send};
use crate::server::http2::{converse, request};
use crate::support::Server;
use bytes::Bytes;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A server with the demo, whose temporary files are in the second directory.
fn server() -> (Server, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().to_str().unwrap();
    let server = Server::with_environment(&[("TMPDIR", path)], &["--demo"]);
    (server, place)
}

/// The one directory for uploads.
fn directory(place: &tempfile::TempDir) -> PathBuf {
    let names = names(place.path());
    assert_eq!(names.len(), 1, "{names:?}");
    place.path().join(&names[0])
}

#[test]
fn the_demo_takes_a_file_without_a_name_by_put_and_post_and_tells_its_digest() {
    let (server, place) = server();
    let directory = directory(&place);
    let mode = directory.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else sees it");
    for (method, status) in [("PUT", 201), ("POST", 200)] {
        let answer = send(&server, &format!("{method} /upload HTTP/1.1"), b"hello");
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let told: serde_json::Value = serde_json::from_str(content).unwrap();
        let file = &told["files"][0];
        assert_eq!(file["size"], 5);
        let digest = file["sha-256"].as_str().unwrap();
        assert!(digest.starts_with("2cf24dba5fb0a30e"), "{digest}");
        let name = file["name"].as_str().unwrap();
        assert_eq!(std::fs::read(directory.join(name)).unwrap(), b"hello");
        let location = file["location"].as_str().unwrap();
        let fetched = server.request(&format!("GET {location} HTTP/1.1"));
        assert!(fetched.ends_with("\r\n\r\nhello"), "{fetched}");
    }
    assert_eq!(names(&directory), ["upload"]);
}

#[test]
fn the_demo_takes_a_large_file_over_http2() {
    let (server, _place) = server();
    let sent = Bytes::from(vec![b'x'; 3 << 20]);
    converse(&server, async |mut client| {
        let (answer, mut body) = client
            .send_request(request("POST", "/upload"), false)
            .unwrap();
        body.send_data(sent.clone(), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["content-type"], "application/json");
    });
}

#[test]
fn the_directory_of_the_demo_goes_with_the_server() {
    let (mut server, place) = server();
    let answer = send(&server, "PUT /upload/a HTTP/1.1", b"x");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(names(&directory(&place)), ["a"]);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    assert!(names(place.path()).is_empty());
}

#[test]
fn a_demo_without_a_place_for_temporary_files_is_without_uploads() {
    let server = Server::with_environment(&[("TMPDIR", "/nowhere/at/all")], &["--demo"]);
    server.logged("there is no /upload");
    let answer = send(&server, "POST /echo HTTP/1.1", b"hello");
    assert!(answer.ends_with("hello"), "{answer}");
}
