//! HTTP/2 over a socket: against hyperium's client, and against raw frames.

use crate::raw_h2::{self, RawH2, frame, get, setting};
use crate::server::tls::client_config;
use crate::support::{PATIENCE, Server};
use bytes::Bytes;
use std::fs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Runs a conversation of hyperium's client with the server's cleartext port.
pub fn converse<F, Fut>(server: &Server, conversation: F)
where
    F: FnOnce(h2::client::SendRequest<Bytes>) -> Fut,
    Fut: Future<Output = ()>,
{
    let address = server.http;
    run(async move {
        let socket = TcpStream::connect(address).await.unwrap();
        conversation(handshake(socket).await).await;
    });
}

/// Runs a conversation of hyperium's client with the server's TLS port.
pub fn converse_in_tls<F, Fut>(server: &Server, conversation: F)
where
    F: FnOnce(h2::client::SendRequest<Bytes>) -> Fut,
    Fut: Future<Output = ()>,
{
    let config = client_config(server, &["h2"]);
    let address = server.https;
    run(async move {
        let socket = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(config);
        let name = "localhost".try_into().unwrap();
        let tls = connector.connect(name, socket).await.unwrap();
        conversation(handshake(tls).await).await;
    });
}

/// Runs a conversation to its end.
pub fn run(conversation: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::time::timeout(PATIENCE, conversation)
            .await
            .expect("the server answers in time");
    });
}

/// A client on a socket.
pub async fn handshake<T>(socket: T) -> h2::client::SendRequest<Bytes>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (client, connection) = h2::client::handshake(socket).await.expect("a handshake");
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    client.ready().await.expect("a ready connection")
}

pub fn request(method: &str, path: &str) -> http::Request<()> {
    http::Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .body(())
        .unwrap()
}

pub async fn body(mut stream: h2::RecvStream) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.expect("data");
        stream.flow_control().release_capacity(data.len()).unwrap();
        content.extend(data);
    }
    content
}

#[test]
fn a_hundred_streams_at_once_are_all_answered() {
    let server = Server::with_site(&[], |site| {
        for i in 0..100 {
            fs::write(site.join(format!("{i}.txt")), format!("{i}").repeat(1000)).unwrap();
        }
    });
    converse(&server, async |mut client| {
        let mut responses = Vec::new();
        for i in 0..100 {
            client = client.ready().await.unwrap();
            let request = request("GET", &format!("/{i}.txt"));
            responses.push((i, client.send_request(request, true).unwrap().0));
        }
        for (i, response) in responses {
            let response = response.await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(
                response.headers()["content-type"],
                "text/plain; charset=utf-8"
            );
            assert_eq!(
                body(response.into_body()).await,
                format!("{i}").repeat(1000).as_bytes()
            );
        }
    });
}

#[test]
fn an_upload_of_many_windows_is_echoed_whole() {
    let server = Server::start(&["--demo"]);
    converse(&server, async |mut client| {
        let (response, mut upload) = client
            .send_request(request("POST", "/echo"), false)
            .unwrap();
        let sent: Vec<u8> = (0..5_000_000u32).map(|i| (i % 249) as u8).collect();
        let content = sent.clone();
        tokio::task::spawn_local(async move {
            let mut rest = Bytes::from(content);
            while !rest.is_empty() {
                upload.reserve_capacity(rest.len());
                let room = std::future::poll_fn(|cx| upload.poll_capacity(cx)).await;
                let room = room.expect("an open stream").unwrap().min(rest.len());
                upload
                    .send_data(rest.split_to(room), rest.is_empty())
                    .unwrap();
            }
        });
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(
            body(response.into_body()).await == sent,
            "the body came back changed"
        );
    });
}

#[test]
fn files_over_tls_are_whole() {
    let server = Server::with_site(&[], |site| {
        let content: Vec<u8> = (0..2_000_000u32).map(|i| (i % 241) as u8).collect();
        fs::write(site.join("big.bin"), content).unwrap();
    });
    converse_in_tls(&server, async |mut client| {
        let (response, _) = client
            .send_request(request("GET", "/big.bin"), true)
            .unwrap();
        let content = body(response.await.unwrap().into_body()).await;
        assert_eq!(content.len(), 2_000_000);
        assert!(
            content
                .iter()
                .enumerate()
                .all(|(i, &byte)| byte == (i % 241) as u8)
        );
    });
}

/// Nothing is sent beyond the window (RFC 9113 §6.9.1), and a window may become negative (§6.9.2).
#[test]
fn s6_9_a_response_waits_for_a_window_that_was_shrunk_below_zero() {
    let server = Server::with_site(&[], |site| {
        fs::write(site.join("file"), [b'x'; 1000]).unwrap();
    });
    let mut h2 = RawH2::open(server.connect());
    let window = |size| frame(raw_h2::SETTINGS, 0, 0, &setting(4, size));
    h2.send(&window(100));
    h2.send(&frame(
        raw_h2::HEADERS,
        raw_h2::END_HEADERS | raw_h2::END_STREAM,
        1,
        &get("/file"),
    ));
    let data = |frame: &raw_h2::Frame| frame.kind == raw_h2::DATA;
    let frames = h2.until(data);
    assert_eq!(
        frames.last().unwrap().payload.len(),
        100,
        "the whole window at once"
    );
    // 100 bytes were sent, so the window is -50 now, and an increment of 50 does not open it.
    h2.send(&window(50));
    h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 1, &50u32.to_be_bytes()));
    h2.send(&frame(raw_h2::PING, 0, 0, b"no data."));
    let frames = h2.until(|frame| frame.kind == raw_h2::PING);
    assert!(!frames.iter().any(data), "{frames:?}");
    h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 1, &2000u32.to_be_bytes()));
    let mut rest = 0;
    h2.until(|frame| {
        rest += if data(frame) { frame.payload.len() } else { 0 };
        data(frame) && frame.flags & raw_h2::END_STREAM != 0
    });
    assert_eq!(rest, 900);
}

/// A small urgent file does not wait for a large one (RFC 9218 §10).
#[test]
fn a_small_urgent_file_overtakes_a_large_one_on_the_same_connection() {
    let server = Server::with_site(&[], |site| {
        fs::File::create(site.join("large"))
            .unwrap()
            .set_len(32 << 20)
            .unwrap();
        fs::write(site.join("small"), [b's'; 1000]).unwrap();
    });
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(raw_h2::SETTINGS, 0, 0, &setting(4, i32::MAX as u32)));
    h2.send(&frame(
        raw_h2::WINDOW_UPDATE,
        0,
        0,
        &(i32::MAX as u32 - 65_535).to_be_bytes(),
    ));
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/large")));
    h2.until(|frame| frame.kind == raw_h2::DATA);
    let mut urgent = get("/small");
    urgent.extend([0x00, 8]);
    urgent.extend(b"priority");
    urgent.extend([3]);
    urgent.extend(b"u=0");
    h2.send(&frame(raw_h2::HEADERS, end, 3, &urgent));
    let mut between = 0;
    h2.until(|frame| {
        between += if frame.stream == 1 {
            frame.payload.len()
        } else {
            0
        };
        frame.stream == 3 && frame.flags & raw_h2::END_STREAM != 0
    });
    // Only bytes that were in the buffers of the sockets before the request was read may come first.
    assert!(
        between < 16 << 20,
        "{between} bytes of the large file came first"
    );
}

/// A truncated file ends in RST_STREAM, never in padding (RFC 9113 §8.1).
#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_in_rst_stream() {
    let server = Server::with_site(&[], |site| {
        fs::File::create(site.join("big"))
            .unwrap()
            .set_len(8 << 20)
            .unwrap();
    });
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(
        raw_h2::HEADERS,
        raw_h2::END_HEADERS | raw_h2::END_STREAM,
        1,
        &get("/big"),
    ));
    let mut received = 0;
    h2.until(|frame| {
        received += if frame.kind == raw_h2::DATA {
            frame.payload.len()
        } else {
            0
        };
        received == 65_535
    });
    let file = fs::File::options()
        .write(true)
        .open(server.directory.path().join("site/big"));
    file.unwrap().set_len(100_000).unwrap();
    h2.send(&frame(
        raw_h2::WINDOW_UPDATE,
        0,
        0,
        &(16u32 << 20).to_be_bytes(),
    ));
    h2.send(&frame(
        raw_h2::WINDOW_UPDATE,
        0,
        1,
        &(16u32 << 20).to_be_bytes(),
    ));
    assert_eq!(h2.reset(1), 2, "INTERNAL_ERROR");
}

#[test]
fn the_second_response_of_a_file_costs_at_most_twelve_bytes_of_header_block() {
    let server = Server::start(&[]);
    let mut h2 = RawH2::open(server.connect());
    for stream in [1, 3, 5] {
        let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
        h2.send(&frame(raw_h2::HEADERS, end, stream, &get("/")));
        let frames =
            h2.until(|frame| frame.stream == stream && frame.flags & raw_h2::END_STREAM != 0);
        let head = frames
            .iter()
            .find(|frame| frame.kind == raw_h2::HEADERS)
            .unwrap();
        if stream > 1 {
            assert!(head.payload.len() <= 12, "{} bytes", head.payload.len());
        }
    }
}

#[test]
fn a_connection_error_is_told_and_closes_the_connection() {
    let server = Server::start(&[]);
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(raw_h2::DATA, 0, 0, b"on no stream"));
    assert_eq!(h2.goaway(), 1, "PROTOCOL_ERROR");
    assert_eq!(h2.next(), None, "the server closes");
}

#[test]
fn the_bytes_may_come_one_at_a_time() {
    let server = Server::start(&[]);
    let mut h2 = RawH2 {
        stream: server.connect(),
    };
    let mut bytes = raw_h2::PREFACE.to_vec();
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    bytes.extend(frame(raw_h2::HEADERS, end, 1, &get("/")));
    for byte in bytes {
        h2.send(&[byte]);
    }
    let frames = h2.until(|frame| frame.stream == 1 && frame.flags & raw_h2::END_STREAM != 0);
    let data = frames
        .iter()
        .find(|frame| frame.kind == raw_h2::DATA)
        .unwrap();
    assert_eq!(data.payload, b"<!doctype html><title>start</title>");
}

#[test]
fn h2c_is_upgraded_only_where_that_was_asked_for() {
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                    Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let server = Server::start(&["--h2c-upgrade"]);
    let mut stream = server.connect();
    std::io::Write::write_all(&mut stream, request).unwrap();
    let mut head = [0; 71];
    std::io::Read::read_exact(&mut stream, &mut head).unwrap();
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(
        head.starts_with("http/1.1 101 switching protocols\r\n"),
        "{head}"
    );
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let mut h2 = RawH2::open(stream);
    let frames = h2.until(|frame| frame.stream == 1 && frame.flags & raw_h2::END_STREAM != 0);
    assert!(frames.iter().any(|frame| frame.kind == raw_h2::DATA));

    let server = Server::start(&[]);
    let mut stream = server.connect();
    std::io::Write::write_all(&mut stream, request).unwrap();
    let mut head = [0; 15];
    std::io::Read::read_exact(&mut stream, &mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
}

#[test]
fn frames_of_the_largest_size_that_was_asked_for_are_taken() {
    let server = Server::start(&["--demo", "--max-frame-size", "1M"]);
    let mut h2 = RawH2::open(server.connect());
    h2.until(|frame| frame.kind == raw_h2::SETTINGS && frame.flags & raw_h2::ACK != 0);
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    let mut block = get("/echo");
    // POST instead of GET (RFC 7541 Appendix A).
    block[0] = 0x83;
    h2.send(&frame(raw_h2::HEADERS, raw_h2::END_HEADERS, 1, &block));
    let content = vec![b'x'; 200_000];
    h2.send(&frame(raw_h2::DATA, raw_h2::END_STREAM, 1, &content));
    h2.until(|frame| frame.kind == raw_h2::HEADERS && frame.stream == 1);
}

#[test]
fn a_head_of_the_largest_size_that_was_asked_for_is_taken() {
    let server = Server::start(&["--max-header-list-size", "64K"]);
    let fields = format!("A: {}\r\n", "a".repeat(990)).repeat(60);
    let answer = server.request(&format!("GET / HTTP/1.1\r\n{}", fields.trim_end()));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}
