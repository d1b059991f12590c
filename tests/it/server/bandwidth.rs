//! Limits of bandwidth: content is sent at the pace of a rule, over both protocols, and nothing else waits for it.

use super::http2;
use crate::support::Server;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// Bytes of the file that is sent slowly.
const LEN: usize = 150_000;

/// The time that it takes at least: a second of 100,000 bytes and half of another, of which a quarter is free.
const LEAST: Duration = Duration::from_millis(1200);

/// A server that sends what is beneath `/slow` with 100,000 bytes a second.
fn server() -> Server {
    Server::with_site(&["--config", "calmd.toml", "--demo"], |site| {
        let rules = "bandwidth = [{ path = \"/slow/**\", per-address = \"100KB/s\" }, { path = \"/bytes/**\", per-address = \"100KB/s\" }]\n";
        fs::write(site.parent().unwrap().join("calmd.toml"), rules).unwrap();
        fs::create_dir(site.join("slow")).unwrap();
        fs::write(site.join("slow/file"), vec![b'x'; LEN]).unwrap();
        fs::write(site.join("fast"), vec![b'y'; LEN]).unwrap();
    })
}

fn get(server: &Server, target: &str) -> (usize, Duration) {
    let start = Instant::now();
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = server.converse(request.as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{target}");
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    (answer.len() - head - 4, start.elapsed())
}

#[test]
fn over_http_1_1_files_and_handlers_take_the_time_of_their_rate() {
    let server = server();
    let (len, took) = get(&server, "/slow/file");
    assert_eq!(len, LEN);
    assert!(took > LEAST, "{took:?}");
    let (len, took) = get(&server, &format!("/bytes/{LEN}"));
    assert_eq!(len, LEN);
    assert!(took > LEAST, "{took:?}");
}

#[test]
fn a_client_that_has_closed_its_side_is_sent_the_rest() {
    let server = server();
    let mut client = server.connect();
    client
        .write_all(b"GET /slow/file HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!(answer.len() > LEN, "{} bytes", answer.len());
}

#[test]
fn over_http_2_streams_share_the_rate_and_other_paths_do_not_wait() {
    let server = server();
    http2::converse(&server, async |client| {
        let ask = |path: &str| {
            let request = http::Request::get(format!("http://a.test{path}"))
                .body(())
                .unwrap();
            let mut client = client.clone();
            async move {
                let (response, _) = client.send_request(request, true).unwrap();
                let response = response.await.unwrap();
                assert_eq!(response.headers()["content-length"], LEN.to_string());
                let mut body = response.into_body();
                let mut len = 0;
                while let Some(piece) = body.data().await {
                    let piece = piece.unwrap();
                    body.flow_control().release_capacity(piece.len()).unwrap();
                    len += piece.len();
                }
                (len, Instant::now())
            }
        };
        let start = Instant::now();
        let (one, other, fast) = tokio::join!(ask("/slow/file"), ask("/slow/file"), ask("/fast"));
        assert_eq!([one.0, other.0, fast.0], [LEN; 3]);
        // Both together have the rate of one.
        assert!(
            one.1.max(other.1) - start > 2 * LEAST,
            "{:?}",
            start.elapsed()
        );
        assert!(fast.1 < one.1.min(other.1));
    });
}
