//! Malformed requests through the proxy, to an upstream that records all that it is sent.

#[path = "../../h1/malformed.rs"]
mod malformed;

use super::upstream::Upstream;
use crate::support::Server;
use malformed::{SMUGGLED, Stage};
use std::io::Read;
use std::sync::{Arc, Mutex};

#[test]
fn of_a_malformed_request_an_upstream_sees_nothing_or_a_well_formed_beginning() {
    let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
    let record = seen.clone();
    // It never answers, so that the whole fault is read first.
    let upstream = Upstream::start(move |caller| {
        let mut piece = [0; 4096];
        while let Ok(len @ 1..) = caller.stream().read(&mut piece) {
            record.lock().unwrap().extend(&piece[..len]);
        }
    });
    let server = Server::start(&["--proxy", &upstream.rule("/")]);
    let mut heads = 0;
    for case in malformed::all() {
        let bytes = [&case.bytes()[..], SMUGGLED].concat();
        let answer = server.converse(&bytes);
        let answer = String::from_utf8_lossy(&answer);
        let expected = format!("HTTP/1.1 {} ", case.status);
        assert!(answer.starts_with(&expected), "{}: {answer}", case.name);
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{}", case.name);
        heads += usize::from(case.stage == Stage::Body);
    }
    assert!(heads > 10, "the table has faults in content");
    let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    assert!(!seen.contains("smuggled"), "{seen}");
    // Only requests whose head was right are begun, each as one head that the server has made.
    let begun = seen.matches("POST /echo HTTP/1.1\r\nhost: a\r\n").count();
    assert!(begun <= heads);
    assert_eq!(seen.matches("HTTP/1.1\r\n").count(), begun, "{seen}");
    assert_eq!(
        seen.matches("transfer-encoding: chunked\r\n").count(),
        begun,
        "{seen}"
    );
    assert_eq!(
        seen.to_lowercase().matches("transfer-encoding").count(),
        begun,
        "{seen}"
    );
}
