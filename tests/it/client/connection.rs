//! Fate of requests when a connection is closed, or cannot be made.

use super::scripted::{Scripted, Then, list, respond};
use super::{command, fetch, get};
use calmd::h2::ErrorCode;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

#[test]
fn a_refused_stream_is_tried_again_on_a_new_connection() {
    let server = Scripted::start(|core, asked| {
        match asked.connection {
            0 => core.reset(asked.stream, ErrorCode::REFUSED_STREAM),
            _ => respond(core, asked.stream, &[(":status", "200")], "second"),
        }
        Then::Stay
    });
    assert_eq!(fetch([server.url("/")]).text(), "second");
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_stream_beyond_goaway_is_tried_again_once() {
    let once = Scripted::start(|core, asked| {
        match asked.connection {
            0 => core.close(ErrorCode::NO_ERROR, Some(0), b""),
            _ => respond(core, asked.stream, &[(":status", "200")], "second"),
        }
        Then::Stay
    });
    assert_eq!(fetch([once.url("/")]).text(), "second");
    let always = Scripted::start(|core, _| {
        core.close(ErrorCode::ENHANCE_YOUR_CALM, Some(0), b"too much");
        Then::Stay
    });
    let got = get([always.url("/")]);
    let reason = format!(
        "{} ended the connection: ENHANCE_YOUR_CALM (too much)",
        always.address
    );
    assert_eq!(got.failure(), reason);
    assert_eq!(always.connections(), 2);
}

#[test]
fn a_connection_that_was_closed_in_between_is_made_anew() {
    let server = Scripted::start(|core, asked| {
        respond(core, asked.stream, &[(":status", "200")], "x");
        // The second request may be on its way when the connection of the first ends.
        Then::Hang
    });
    let url = server.url("/");
    assert_eq!(fetch([&url, &url, &url]).text(), "xxx");
}

#[test]
fn a_graceful_end_is_no_failure() {
    let server = Scripted::start(|core, asked| {
        respond(core, asked.stream, &[(":status", "200")], "x");
        core.shutdown(Instant::now());
        Then::Stay
    });
    let url = server.url("/");
    assert_eq!(fetch([&url, &url]).text(), "xx");
    assert_eq!(server.connections(), 2);
}

/// Bytes of the response below: more than the pipe that it is written to, and one read.
const CONTENT: usize = 10_000;

/// A server whose first connection answers one request, says GOAWAY when told to, and then ignores
/// everything. The second answers a request.
fn says_goaway_between(word: Receiver<()>, said: Sender<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let content = [b'x'; CONTENT];
    // SETTINGS, HEADERS with `:status: 200`, DATA with END_STREAM.
    let mut response = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88".to_vec();
    response.extend([0, 0x27, 0x10, 0, 1, 0, 0, 0, 1]);
    response.extend(content);
    std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let _ = first.read(&mut [0; 4096]);
        first.write_all(&response).unwrap();
        word.recv().unwrap();
        let goaway = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0";
        first.write_all(goaway).unwrap();
        said.send(()).unwrap();
        let (mut second, _) = listener.accept().unwrap();
        let _ = second.read(&mut [0; 4096]);
        second.write_all(&response).unwrap();
        let _ = second.read_to_end(&mut Vec::new());
    });
    format!("http://{address}/")
}

#[test]
fn the_end_that_a_server_announces_between_two_requests_is_heard_before_the_second() {
    let (word, heard) = channel();
    let (say, said) = channel();
    let url = says_goaway_between(heard, say);
    let mut child = command(["--max-time", "60s", &url, &url]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    rustix::pipe::fcntl_setpipe_size(&out, 4096).unwrap();
    // It stands before the full pipe, with the whole response in its hands.
    while rustix::io::ioctl_fionread(&out).unwrap() < 4096 {
        assert_eq!(
            child.try_wait().unwrap(),
            None,
            "it has ended before its time"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    word.send(()).unwrap();
    said.recv().unwrap();
    let mut content = Vec::new();
    out.read_to_end(&mut content).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(content.len(), 2 * CONTENT);
}

#[test]
fn a_lost_connection_is_a_failure_and_what_came_is_kept() {
    let silent = Scripted::start(|_, _| Then::Hang);
    let got = get([silent.url("/")]);
    let reason = format!("{} closed the connection without an answer", silent.address);
    assert_eq!(got.failure(), reason);
    let half = Scripted::start(|core, asked| {
        let fields = [(&b":status"[..], &b"200"[..])];
        let fields = fields.map(|(name, value)| calmd::http::Field::new(name, value));
        core.send_headers(asked.stream, fields, false).unwrap();
        core.send_data(asked.stream, b"half", false).unwrap();
        Then::Hang
    });
    let got = get([half.url("/")]);
    assert_eq!((got.code, got.text().as_str()), (1, "half"));
}

#[test]
fn a_reset_is_told_by_its_name() {
    let server = Scripted::start(|core, asked| {
        core.reset(asked.stream, ErrorCode::INTERNAL_ERROR);
        Then::Stay
    });
    let url = server.url("/");
    let reason = format!("the server gave up on {url}: INTERNAL_ERROR");
    assert_eq!(get([&url]).failure(), reason);
}

/// A server of one connection that answers all input with `bytes`.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4096]);
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    });
    address.to_string()
}

#[test]
fn a_server_of_http1_is_called_one() {
    let address = answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let got = get([format!("http://{address}/")]);
    let reason = format!("{address} speaks no HTTP/2, and calmd get speaks nothing else; try curl");
    assert_eq!(got.failure(), reason);
}

#[test]
fn a_broken_server_is_called_one() {
    // PING in the place of SETTINGS.
    let address = answering(b"\0\0\x08\x06\0\0\0\0\0........");
    let got = get([format!("http://{address}/")]);
    assert_eq!(
        got.failure(),
        format!(
            "{address} broke the rules of HTTP/2: PROTOCOL_ERROR: the first frame is not SETTINGS"
        )
    );
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let got = get(["http://127.0.0.1:1/"]);
    assert_eq!(
        got.failure(),
        "cannot connect to 127.0.0.1:1: Connection refused; see that a server listens there"
    );
}

#[test]
fn patience_ends_when_it_shall() {
    // The kernel accepts the connection, and no answer ever comes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    let got = get(["--max-time", "200ms", &format!("http://{address}/")]);
    assert_eq!(
        got.failure(),
        "not done within 200ms; --max-time waits longer"
    );
    let url = format!("https://{address}/");
    let got = get(["-k", "--connect-timeout", "200ms", &url]);
    assert_eq!(
        got.failure(),
        format!("{address} did not let us in within 200ms; --connect-timeout waits longer")
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// Runs a server that sends a head and some content, then does `end`. Returns the number of requests
/// that it got.
fn broken_off(
    end: impl Fn(&mut calmd::h2::Connection, calmd::h2::StreamKey) + Send + 'static,
) -> (Scripted, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let server = Scripted::start(move |core, asked| {
        count.fetch_add(1, Ordering::SeqCst);
        let head = list(&[(":status", "200")]);
        core.send_headers(asked.stream, head, false).unwrap();
        core.send_data(asked.stream, b"half", false).unwrap();
        end(core, asked.stream);
        Then::Stay
    });
    (server, requests)
}

#[test]
fn an_answer_that_has_begun_is_never_asked_for_again() {
    let directory = tempfile::tempdir().unwrap();
    let (out, data) = (directory.path().join("out"), directory.path().join("data"));
    std::fs::write(&data, "an order").unwrap();
    let (out, data) = (out.to_str().unwrap(), data.to_str().unwrap());
    let (refusing, requests) =
        broken_off(|core, stream| core.reset(stream, ErrorCode::REFUSED_STREAM));
    let url = refusing.url("/");
    let reason = format!("the server gave up on {url}: REFUSED_STREAM");
    assert_eq!(get(["-o", out, "-d", data, &url]).failure(), reason);
    assert_eq!(std::fs::read_to_string(out).unwrap(), "half");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    let (leaving, requests) =
        broken_off(|core, _| core.close(ErrorCode::NO_ERROR, Some(0), b"bye"));
    let url = leaving.url("/");
    let reason = format!("the server ended the connection in the middle of its answer to {url}");
    assert_eq!(get(["-o", out, "-d", data, &url]).failure(), reason);
    assert_eq!(std::fs::read_to_string(out).unwrap(), "half");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[test]
fn an_informational_response_is_the_beginning_of_an_answer() {
    let server = Scripted::start(|core, asked| {
        let hints = list(&[(":status", "103")]);
        core.send_headers(asked.stream, hints, false).unwrap();
        core.reset(asked.stream, ErrorCode::REFUSED_STREAM);
        Then::Stay
    });
    let url = server.url("/");
    let reason = format!("the server gave up on {url}: REFUSED_STREAM");
    assert_eq!(get([&url]).failure(), reason);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_hundred_informational_responses_are_enough() {
    let server = Scripted::start(|core, asked| {
        for _ in 0..asked.fields.path().unwrap()[1..].len() {
            let processing = list(&[(":status", "102")]);
            core.send_headers(asked.stream, processing, false).unwrap();
        }
        respond(core, asked.stream, &[(":status", "200")], "at last");
        Then::Stay
    });
    let patient = server.url(&format!("/{}", "x".repeat(100)));
    assert_eq!(fetch([patient]).text(), "at last");
    let url = server.url(&format!("/{}", "x".repeat(101)));
    let reason = format!("{url} sent 100 informational responses and no answer");
    assert_eq!(get([&url]).failure(), reason);
}

#[test]
fn values_with_blanks_around_them_are_taken_as_other_clients_do() {
    // SETTINGS, its acknowledgement, HEADERS with `x: a ` and END_STREAM.
    let address = answering(
        b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0\
          \0\0\x08\x01\x05\0\0\0\x01\x88\x10\x01x\x03\x20a\x20",
    );
    let got = fetch(["-i", &format!("http://{address}/")]);
    assert_eq!(got.text(), "HTTP/2 200 OK\nx: a\n\n");
}

#[test]
fn text_from_the_server_cannot_deceive_its_reader() {
    let server = Scripted::start(|core, asked| {
        let fields = [
            (":status", "200"),
            ("x-name", "gpj.\u{202e}exe\u{2066}\u{9b}31m"),
        ];
        respond(core, asked.stream, &fields, "");
        Then::Stay
    });
    let escaped = "x-name: gpj.\\u{202e}exe\\u{2066}\\u{9b}31m\n";
    let shown = fetch(["-i", &server.url("/")]).text();
    assert!(shown.contains(escaped), "{shown}");
    let shown = fetch(["-v", &server.url("/")]).err;
    assert!(shown.contains(escaped), "{shown}");
}
