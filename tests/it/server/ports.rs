//! Several servers on one port.

use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A server whose site tells its number at `/number`.
fn numbered(number: &str, options: &[&str]) -> Server {
    Server::with_site(options, |site| {
        fs::write(site.join("number"), number).unwrap();
    })
}

/// The number of the server that a new connection comes to.
fn number(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /number HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.rsplit_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn connections_to_a_shared_port_are_spread_and_all_come_to_the_server_that_stays() {
    let first = numbered("1", &["--reuse-port"]);
    let port = first.http.to_string();
    let mut second = numbered("2", &["--reuse-port", "--listen", &port]);
    let mut seen = [0; 2];
    for _ in 0..64 {
        match number(first.http).as_str() {
            "1" => seen[0] += 1,
            "2" => seen[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    second.signal("TERM");
    assert_eq!(second.wait(), 0);
    for _ in 0..16 {
        assert_eq!(number(first.http), "1");
    }
}
