//! Tunnels of which one side ends before the other: the end is passed on, and the other side goes on.

use super::h2_peer::{self, H2Peer, Heard};
use super::proxy;
use super::tunnel::{client, content, open, take_up};
use super::upgrade::{OFFER, SWITCH};
use super::upstream::{Caller, Upstream};
use crate::support::{PATIENCE, Server};
use calmd::h2::{Config, StreamKey};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;

/// Bytes that follow the end of the other side: more than the sockets hold.
const REST: usize = 8 << 20;

/// Reads to the end of the client's side, then sends the rest.
fn answer_behind_the_end(caller: &mut Caller) {
    let mut seen = Vec::new();
    caller.stream().read_to_end(&mut seen).unwrap();
    assert_eq!(seen, b"last");
    caller.send(&vec![b'r'; REST]);
}

/// Ends its side when the client wants that, then reads to the end of the client's, and tells the length.
fn listen_behind_its_end(caller: &mut Caller, tell: &mpsc::Sender<u64>) {
    caller.content(2);
    caller.stream().shutdown(Shutdown::Write).unwrap();
    tell.send(caller.drain()).unwrap();
}

fn h1_upstream(script: impl Fn(&mut Caller) + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |caller| {
        caller.request();
        caller.send(SWITCH);
        script(caller);
    })
}

/// A tunnel of a client of HTTP/1.1, whose first bytes were read.
fn h1_tunnel(server: &Server) -> TcpStream {
    let mut client = server.connect();
    // The name of the certificate, where it goes on over TLS.
    let offer = OFFER.replace("Host: a", "Host: localhost");
    client.write_all(offer.as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
    client
}

#[test]
fn over_http1_the_upstream_goes_on_behind_the_end_of_the_client() {
    let upstream = h1_upstream(answer_behind_the_end);
    let server = proxy(&upstream, &[]);
    let mut client = h1_tunnel(&server);
    client.write_all(b"last").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.len() == REST && rest.iter().all(|byte| *byte == b'r'));
}

#[test]
fn over_http1_the_client_goes_on_behind_the_end_of_the_upstream() {
    let (tell, told) = mpsc::channel();
    let upstream = h1_upstream(move |caller| listen_behind_its_end(caller, &tell));
    let server = proxy(&upstream, &[]);
    let mut client = h1_tunnel(&server);
    client.write_all(b"go").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the end is passed on");
    client.write_all(&vec![b'c'; REST]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(REST as u64));
}

#[test]
fn a_client_that_is_gone_behind_the_end_of_the_upstream_ends_the_tunnel() {
    let (tell, told) = mpsc::channel();
    let upstream = h1_upstream(move |caller| listen_behind_its_end(caller, &tell));
    let server = proxy(&upstream, &[]);
    let mut client = h1_tunnel(&server);
    client.write_all(b"go").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(0));
}

/// A server that forwards in the clear, and one before it that forwards to it over TLS.
fn over_tls(upstream: &Upstream) -> (Server, Server) {
    let behind = proxy(upstream, &[]);
    let certificates = behind.directory.path().join("certs/localhost.pem");
    let rule = format!("/=https://localhost:{}", behind.https.port());
    let options = ["--proxy", &rule, "--proxy-ca"];
    let options = [&options[..], &[certificates.to_str().unwrap()]].concat();
    (Server::start(&options), behind)
}

#[test]
fn over_tls_the_upstream_goes_on_behind_the_end_of_the_client() {
    let upstream = h1_upstream(answer_behind_the_end);
    let (server, _behind) = over_tls(&upstream);
    let mut client = h1_tunnel(&server);
    client.write_all(b"last").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.len() == REST && rest.iter().all(|byte| *byte == b'r'));
}

#[test]
fn over_tls_the_client_goes_on_behind_the_end_of_the_upstream() {
    let (tell, told) = mpsc::channel();
    let upstream = h1_upstream(move |caller| listen_behind_its_end(caller, &tell));
    let (server, _behind) = over_tls(&upstream);
    let mut client = h1_tunnel(&server);
    client.write_all(b"go").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the end is passed on");
    client.write_all(&vec![b'c'; REST]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(REST as u64));
}

/// Content of a stream up to its end.
fn rest_of(client: &mut H2Peer, stream: StreamKey) -> usize {
    let mut len = 0;
    loop {
        match client.next() {
            Heard::Data(of, data, end) if of == stream => {
                len += data.len();
                if end {
                    return len;
                }
            }
            other => panic!("instead of content: {other:?}"),
        }
    }
}

/// Sends so many bytes as the windows open, then the end.
fn give_all(client: &mut H2Peer, stream: StreamKey, len: usize) {
    let mut left = len;
    while left > 0 {
        let piece = left.min(16 << 10);
        if client.try_give(stream, &vec![b'c'; piece], false).is_ok() {
            left -= piece;
        } else {
            // WINDOW_UPDATE is no event with a name.
            let heard = client.step();
            assert!(heard.is_none(), "{heard:?}");
        }
    }
    client.give(stream, b"", true);
}

fn h2_tunnel(server: &Server) -> (H2Peer, StreamKey) {
    let mut client = client(server);
    let tunnel = open(&mut client, "/chat");
    assert!(matches!(client.next(), Heard::Head(_, _, false)));
    content(&mut client, tunnel, 5);
    (client, tunnel)
}

/// A server whose tunnels go to this upstream of HTTP/2, and whose other paths are a site's.
fn before_h2(address: SocketAddr) -> Server {
    Server::start(&["--proxy", &format!("/chat=h2c://{address}")])
}

#[test]
fn over_http2_an_upstream_of_http1_goes_on_behind_the_end_of_the_client() {
    let upstream = Upstream::start(|caller| {
        if take_up(caller).is_some() {
            answer_behind_the_end(caller);
        }
    });
    let server = Server::start(&["--proxy", &upstream.rule("/chat")]);
    let (mut client, tunnel) = h2_tunnel(&server);
    client.give(tunnel, b"last", true);
    assert_eq!(rest_of(&mut client, tunnel), REST);
}

#[test]
fn over_http2_the_client_goes_on_behind_the_end_of_an_upstream_of_http1() {
    let (tell, told) = mpsc::channel();
    let upstream = Upstream::start(move |caller| {
        if take_up(caller).is_some() {
            listen_behind_its_end(caller, &tell);
        }
    });
    let server = Server::start(&["--proxy", &upstream.rule("/chat")]);
    let (mut client, tunnel) = h2_tunnel(&server);
    client.give(tunnel, b"go", false);
    assert_eq!(rest_of(&mut client, tunnel), 0);
    give_all(&mut client, tunnel, REST);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(REST as u64));
}

/// An upstream of HTTP/2 that opens each tunnel with `hello`, and plays `script` in it.
fn h2_upstream(script: impl Fn(&mut H2Peer, StreamKey) + Send + Sync + 'static) -> SocketAddr {
    let config = Config {
        extended_connect: true,
        ..Config::default()
    };
    h2_peer::upstream(config, move |peer| {
        while let Heard::Head(stream, head, end) = peer.next() {
            let told = [":method: CONNECT", ":protocol: websocket"];
            assert!(told.iter().all(|field| head.contains(&(*field).to_owned())) && !end);
            peer.say(stream, &[(":status", "200")], false);
            peer.give(stream, b"hello", false);
            script(peer, stream);
        }
    })
}

#[test]
fn over_http2_an_upstream_of_http2_goes_on_behind_the_end_of_the_client() {
    let address = h2_upstream(|peer, stream| {
        let mut seen = Vec::new();
        loop {
            match peer.next() {
                Heard::Data(_, data, end) => {
                    seen.extend(data);
                    if end {
                        break;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen, b"last");
        give_all(peer, stream, REST);
    });
    let server = before_h2(address);
    let (mut client, tunnel) = h2_tunnel(&server);
    client.give(tunnel, b"last", true);
    assert_eq!(rest_of(&mut client, tunnel), REST);
}

#[test]
fn over_http2_the_client_goes_on_behind_the_end_of_an_upstream_of_http2() {
    let (tell, told) = mpsc::channel();
    let address = h2_upstream(move |peer, stream| {
        content(peer, stream, 2);
        peer.give(stream, b"", true);
        tell.send(rest_of(peer, stream)).unwrap();
    });
    let server = before_h2(address);
    let (mut client, tunnel) = h2_tunnel(&server);
    client.give(tunnel, b"go", false);
    assert_eq!(rest_of(&mut client, tunnel), 0);
    give_all(&mut client, tunnel, REST);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(REST));
}
