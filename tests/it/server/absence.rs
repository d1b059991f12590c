//! A server that did not run for a while: it was stopped, or its machine suspended. No client may be
//! cut off for that.

use crate::raw_h2::{self, RawH2, frame, get};
use crate::server::tls::{client_config, connect_with};
use crate::support::{PATIENCE, Server};
use calmd::world::os::raise_open_files;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Every timeout of the server, and the time for which it is stopped.
const TIMEOUT: &str = "3s";
const STOPPED: Duration = Duration::from_secs(5);

/// Number of connections of each kind: more than one poll reports.
const EACH: usize = 180;
const HANDSHAKES: usize = 60;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// True if one whole response to that request comes.
fn served(stream: &mut impl Read) -> bool {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"</title>") {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return false,
            Ok(len) => answer.extend_from_slice(&part[..len]),
        }
    }
    answer.starts_with(b"HTTP/1.1 200 ")
}

fn connect(server: &Server) -> TcpStream {
    let stream = server.connect();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn count(served: impl Iterator<Item = bool>) -> usize {
    served.filter(|served| *served).count()
}

#[test]
fn all_who_asked_while_the_server_was_stopped_for_longer_than_its_timeouts_are_served() {
    raise_open_files(1_000);
    let options = [
        "--preface-timeout",
        "--header-timeout",
        "--handshake-timeout",
        "--keep-alive-timeout",
        "--idle-timeout",
        "--stall-timeout",
        "--slow-timeout",
    ];
    let options: Vec<&str> = options.iter().flat_map(|name| [name, TIMEOUT]).collect();
    let server = Server::start(&options);
    let config = client_config(&server, &["http/1.1"]);
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    // Connections that are idle after an answer, in both versions; in the middle of a head; and without
    // any input so far.
    let mut kept: Vec<_> = (0..EACH).map(|_| connect(&server)).collect();
    let mut h2: Vec<_> = (0..EACH).map(|_| RawH2::open(connect(&server))).collect();
    for stream in &mut kept {
        stream.write_all(REQUEST).unwrap();
    }
    for h2 in &mut h2 {
        h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
        h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/")));
    }
    assert_eq!(count(kept.iter_mut().map(served)), EACH);
    for h2 in &mut h2 {
        h2.until(|frame| frame.flags & raw_h2::END_STREAM != 0 && frame.stream == 1);
    }
    let mut fresh: Vec<_> = (0..EACH).map(|_| connect(&server)).collect();
    for stream in fresh.iter_mut().step_by(2) {
        stream.write_all(&REQUEST[..20]).unwrap();
    }
    let mut tls: Vec<_> = (0..HANDSHAKES)
        .map(|_| connect_with(&server, config.clone()))
        .collect();
    std::thread::sleep(Duration::from_millis(300));

    server.signal("STOP");
    for stream in &mut kept {
        stream.write_all(REQUEST).unwrap();
    }
    for (index, stream) in fresh.iter_mut().enumerate() {
        let said = if index % 2 == 0 { 20 } else { 0 };
        stream.write_all(&REQUEST[said..]).unwrap();
    }
    for h2 in &mut h2 {
        h2.send(&frame(raw_h2::HEADERS, end, 3, &get("/")));
    }
    for stream in &mut tls {
        stream.conn.write_tls(&mut stream.sock).unwrap();
    }
    std::thread::sleep(STOPPED);
    server.signal("CONT");

    let kept = count(kept.iter_mut().map(served));
    let fresh = count(fresh.iter_mut().map(served));
    let h2 = count(h2.iter_mut().map(|h2| {
        let mut frames = std::iter::from_fn(|| h2.next());
        let last = |frame: &raw_h2::Frame| frame.stream == 3 && frame.flags & 1 != 0;
        frames.any(|frame| last(&frame))
    }));
    let tls = count(tls.iter_mut().map(|stream| {
        let sent = stream.write_all(REQUEST).is_ok();
        sent && served(stream)
    }));
    assert_eq!((kept, fresh, h2, tls), (EACH, EACH, EACH, HANDSHAKES));
}
