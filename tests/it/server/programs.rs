//! Handlers of programs, as the example has them: answers from a child process, and content that comes whole.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;

#[path = "../../examples/bridge.rs"]
mod bridge;

/// Runs the example in a thread until it is dropped.
struct RunningExample {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl RunningExample {
    fn new() -> Self {
        let (told, address) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let root = tempfile::tempdir().unwrap();
            let (mut event_loop, address) = bridge::server(root.path().into()).unwrap();
            told.send(address).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                event_loop.turn().unwrap();
            }
        });
        let calmd::world::ListenAddress::Tcp(address) = address.recv().unwrap() else {
            panic!("it listens on TCP");
        };
        RunningExample {
            address,
            stop,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        let timeout = Some(Duration::from_secs(60));
        stream.set_read_timeout(timeout).unwrap();
        stream
    }

    /// The answer to a request over HTTP/1.1.
    fn ask(&self, line: &str, fields: &str, body: &str) -> String {
        let mut stream = self.connect();
        let len = body.len();
        let head =
            format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {len}\r\n");
        let request = format!("{head}{fields}\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for RunningExample {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The poll wakes for it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The statuses and contents of POSTs to a path, all at once, over one connection of HTTP/2.
fn post_all(server: &RunningExample, path: &str, bodies: &[&'static str]) -> Vec<(u16, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for &body in bodies {
            let request = http::Request::post(format!("http://a{path}"))
                .header("content-type", "application/json")
                .body(())
                .unwrap();
            client = client.ready().await.unwrap();
            let (answer, mut sender) = client.send_request(request, false).unwrap();
            sender
                .send_data(Bytes::from_static(body.as_bytes()), true)
                .unwrap();
            answers.push(answer);
        }
        let mut told = Vec::new();
        for answer in answers {
            let (head, mut body) = answer.await.unwrap().into_parts();
            let mut content = Vec::new();
            while let Some(data) = body.data().await {
                content.extend_from_slice(&data.unwrap());
            }
            told.push((head.status.as_u16(), String::from_utf8(content).unwrap()));
        }
        told
    })
}

#[test]
fn a_function_in_a_child_process_answers_over_both_protocols() {
    let server = RunningExample::new();
    let answer = server.ask("POST /app/hello?name=you", "", "content");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.ends_with("POST /hello?name=you\n7 bytes: content\n"),
        "{answer}"
    );
    // More at once than the socket has room for.
    static LONG: [u8; 60_000] = [b'x'; 60_000];
    let long = std::str::from_utf8(&LONG).unwrap();
    let answers = post_all(&server, "/app/many", &[long; 12]);
    let wanted = format!("POST /many?\n60000 bytes: {}\n", &long[..20]);
    assert!(
        answers
            .iter()
            .all(|answer| *answer == (200, wanted.clone())),
        "{answers:?}"
    );
    let refused = server.ask("POST /app", "", &"x".repeat(70_000));
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    // The site is there all the same.
    let site = server.ask("GET /none", "", "");
    assert!(site.starts_with("HTTP/1.1 404 "), "{site}");
}

#[test]
fn a_handler_that_declares_its_content_is_asked_for_nothing_else() {
    let server = RunningExample::new();
    let json = "content-type: application/json\r\n";
    for (line, fields, body, status) in [
        ("POST /double", json, "{\"number\": 21}", 200),
        ("GET /double", "", "", 405),
        ("POST /double", "content-type: text/plain\r\n", "21", 415),
        ("POST /double", json, &" ".repeat(9000), 413),
        ("POST /double", json, "{\"number\"\n 21}", 400),
        ("POST /double", json, "{\"number\": \"x\"}", 422),
    ] {
        let answer = server.ask(line, fields, body);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {answer}"
        );
        let is_problem = answer.contains("content-type: application/problem+json");
        assert_eq!(is_problem, status != 200, "{answer}");
        assert_eq!(answer.contains("\"line\": 2"), status == 400, "{answer}");
    }
    let bodies = ["{\"number\": 21}", "[1,,2]", "{\"number\": null}"];
    let statuses: Vec<_> = post_all(&server, "/double", &bodies)
        .iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(statuses, [200, 400, 422]);
}
