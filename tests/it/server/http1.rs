//! HTTP/1.1 over a socket.

use super::tls::{client_config, connect_with};
use crate::support::Server;
use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, SystemTime};

#[test]
fn a_file_is_served_with_its_fields() {
    let server = Server::with_site(&[], |site| {
        // A date of the last change is sent only when its second is over.
        let page = fs::File::options()
            .write(true)
            .open(site.join("index.html"));
        let long_ago = SystemTime::now() - Duration::from_secs(9);
        page.unwrap().set_modified(long_ago).unwrap();
    });
    let answer = server.request("GET / HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let lower = answer.to_lowercase();
    for field in [
        "content-type: text/html; charset=utf-8\r\n",
        "content-length: 35\r\n",
        "x-content-type-options: nosniff\r\n",
        "accept-ranges: bytes\r\n",
        "connection: close\r\n",
        "\netag: \"",
        "\nlast-modified: ",
        "\ndate: ",
    ] {
        assert!(lower.contains(field), "{field:?} is missing in {answer}");
    }
    assert!(
        answer.ends_with("<!doctype html><title>start</title>"),
        "{answer}"
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::with_site(&[], |site| {
        for name in ["a", "b", "c"] {
            fs::write(site.join(name), name.repeat(3)).unwrap();
        }
    });
    let request =
        |path: &str, close: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n{close}\r\n");
    let requests = request("/a", "") + &request("/b", "") + &request("/c", "Connection: close\r\n");
    let answer = String::from_utf8(server.converse(requests.as_bytes())).unwrap();
    let position = |text: &str| {
        answer
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {answer}"))
    };
    assert!(position("aaa") < position("bbb") && position("bbb") < position("ccc"));
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3);
}

#[test]
fn a_chunked_body_is_echoed_whole() {
    let server = Server::start(&["--demo"]);
    let mut request = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\
                        Connection: close\r\n\r\n"
        .to_vec();
    let body: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
    for chunk in body.chunks(7_001) {
        request.extend(format!("{:x}\r\n", chunk.len()).bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    let mut stream = server.connect();
    let mut reader = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || stream.write_all(&request).map(|()| stream));
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).expect("the answer");
    writer.join().unwrap().expect("the request was taken");
    let split = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(dechunk(&answer[split..]), body);
}

/// The content of a chunked body (RFC 9112 §7.1).
fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = bytes
            .windows(2)
            .position(|window| window == b"\r\n")
            .expect("a chunk size");
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).expect("hexadecimal");
        if size == 0 {
            assert_eq!(&bytes[end..], b"\r\n\r\n");
            return content;
        }
        content.extend(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
}

#[test]
fn a_body_that_nobody_reads_is_not_taken_for_a_request() {
    let server = Server::start(&[]);
    let smuggled = "GET /index.html HTTP/1.1\r\nHost: h\r\n\r\n";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{smuggled}\
         GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        smuggled.len()
    );
    let answer = String::from_utf8_lossy(&server.converse(request.as_bytes())).into_owned();
    assert_eq!(answer.matches("HTTP/1.1 405").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 404").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
}

#[test]
fn a_head_one_byte_at_a_time_is_understood() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    for byte in b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_closes_the_connection() {
    let size = 64 << 20;
    let server = Server::with_site(&[], |site| {
        fs::File::create(site.join("big"))
            .unwrap()
            .set_len(size)
            .unwrap();
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut start = [0; 4096];
    stream.read_exact(&mut start).unwrap();
    fs::File::options()
        .write(true)
        .open(server.directory.path().join("site/big"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(
        (start.len() + rest.len()) < size as usize,
        "the body was padded to its old length"
    );
}

#[test]
fn a_file_that_shrinks_while_the_reader_rests_is_no_reason_for_a_reset() {
    let size = 64 << 20;
    let server = Server::with_site(&[], |site| {
        fs::write(site.join("big"), vec![b'x'; size]).unwrap();
    });
    let mut stream = server.connect();
    // The server does not read the second request before it has sent the first response. If it closed
    // with unread input, the kernel would send a reset, and bytes that have arrived could be lost.
    let request = "GET /big HTTP/1.1\r\nHost: h\r\n\r\n";
    stream.write_all(request.repeat(2).as_bytes()).unwrap();
    // Waits until the socket takes no more, in the middle of a piece of output.
    std::thread::sleep(Duration::from_millis(300));
    stream.write_all(request.repeat(2000).as_bytes()).unwrap();
    let file = server.directory.path().join("site/big");
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_len(1).unwrap();
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    end.expect("an end, and not a reset");
    assert!((1..size).contains(&answer.len()), "{}", answer.len());
}

/// RFC 9112 §8, §9.8: nothing but the end tells a client of HTTP/1.0 where content without a length ends.
#[test]
fn a_listing_that_is_cut_short_ends_with_a_reset_for_a_client_of_http_1_0() {
    let mut server = Server::with_site(&["--listing"], |site| {
        fs::create_dir(site.join("many")).unwrap();
        // More than the kernel keeps for a client that does not read.
        for number in 0..8_000 {
            let name = format!("many/{number}{}", "x".repeat(200));
            fs::write(site.join(name), "").unwrap();
        }
    });
    let request = b"GET /many/ HTTP/1.0\r\n\r\n";
    let mut clear = server.connect();
    let mut secure = connect_with(&server, client_config(&server, &["http/1.1"]));
    clear.write_all(request).unwrap();
    secure.write_all(request).unwrap();
    clear.read_exact(&mut [0]).unwrap();
    secure.read_exact(&mut [0]).unwrap();
    server.signal("TERM");
    server.logged("stopping: ");
    server.signal("TERM");
    server.wait();
    let streams: [&mut dyn Read; 2] = [&mut clear, &mut secure];
    for stream in streams {
        let end = stream.read_to_end(&mut Vec::new());
        let error = end.expect_err("an end as of a whole response");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}
