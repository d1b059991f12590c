//! The answers of `--demo` for load tests, over sockets.

use crate::server::http2::{body, converse, request};
use crate::support::Server;
use bytes::Bytes;
use std::io::{Read, Write};

#[test]
fn a_client_that_sends_everything_before_it_reads_is_answered() {
    let server = Server::start(&["--demo"]);
    let body = vec![b'x'; 16 << 20];
    for path in ["/bytes/16M", "/respond?size=16M&chunk=64K&status=503"] {
        let mut socket = server.connect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(&body).expect("all of it is taken");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let status = if path.contains("503") { "503" } else { "200" };
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
        assert!(answer.len() > 16 << 20, "{} bytes", answer.len());
    }
}

#[test]
fn chunks_and_trailers_reach_a_client_of_http1() {
    let server = Server::start(&["--demo"]);
    let head = "GET /respond?size=96&chunk=64&trailers=1&delay=20ms&pad=4 HTTP/1.1\r\nTE: trailers";
    let answer = server.request(head);
    assert!(answer.contains("\r\nx-pad: xxxx\r\n"), "{answer}");
    let (_, content) = answer.split_once("\r\n\r\n").unwrap();
    assert!(content.starts_with("00000040\r\n"), "{answer}");
    assert!(content.contains("\r\n00000020\r\n"), "{answer}");
    assert!(
        content.ends_with("0\r\nx-trailer-1: end\r\n\r\n"),
        "{answer}"
    );
}

#[test]
fn chunks_and_trailers_reach_a_client_of_http2() {
    let server = Server::start(&["--demo"]);
    converse(&server, async |mut client| {
        let asked = request("POST", "/respond?size=1M&chunk=1K&trailers=1&status=418");
        let (answer, mut content) = client.send_request(asked, false).unwrap();
        content
            .send_data(Bytes::from_static(b"dropped"), true)
            .unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 418);
        let mut stream = answer.into_body();
        let mut received = 0;
        while let Some(data) = stream.data().await {
            let data = data.unwrap();
            assert!(data.len() <= 1024);
            received += data.len();
            stream.flow_control().release_capacity(data.len()).unwrap();
        }
        assert_eq!(received, 1 << 20);
        let trailers = stream.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["x-trailer-1"], "end");
        let asked = request("GET", "/bytes/300K");
        let (answer, _) = client.send_request(asked, true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["content-length"], "307200");
        assert_eq!(body(answer.into_body()).await.len(), 300 << 10);
    });
}
