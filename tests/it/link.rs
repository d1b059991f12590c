//! Links over a real pair of sockets: what they remember of readiness, what they keep of output, and TLS
//! between an accepted and a dialled one.

use calmd::link::{Link, Splices};
use calmd::tls::provider;
use calmd::tls::records::{Session, Tls, WireBuffer};
use calmd::world::files::Root;
use calmd::world::os::{OsWorld, Socket};
use mio::net::UnixStream;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::io::Write;
use std::sync::Arc;

type World = OsWorld<Root>;
type Accepted = Link<World, UnbufferedServerConnection>;
type DialledLink = Link<World, UnbufferedClientConnection>;

fn world() -> World {
    OsWorld::without_signals().expect("a poll")
}

/// An accepted link in the clear, and the other end of its socket.
fn accepted() -> (Accepted, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    (Link::new(Socket::Unix(ours), None), theirs)
}

/// Both sides of TLS, with a certificate that was just made.
fn sessions() -> (
    Tls<UnbufferedServerConnection>,
    Tls<UnbufferedClientConnection>,
) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["link".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a root");
    let provider = Arc::new(provider());
    let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .expect("a certificate and its key");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("link").expect("a name");
    let server = Tls::<UnbufferedServerConnection>::new(Arc::new(server));
    let client = Tls::connect(Arc::new(client), name);
    (server.expect("a session"), client.expect("a session"))
}

/// Reads once, and writes what the handshake answers. Returns the content that came.
fn step<S: Session>(link: &mut Link<World, S>, world: &mut World) -> Vec<u8> {
    let (mut read, mut plain, mut wire) = (Vec::new(), Vec::new(), WireBuffer::default());
    // Every look is as if after an edge: the pair is not registered with the poll.
    link.ready(true, false);
    let len = link.receive(world, link.room(&mut read, 32 << 10));
    let len = len.expect("the socket is sound");
    let opened = link.open(&mut read, len, &mut plain, &mut wire);
    opened.expect("records as they should be");
    let written = link.write_bytes(world, wire.filled());
    written.expect("the socket is sound");
    plain
}

fn send<S: Session>(link: &mut Link<World, S>, world: &mut World, content: &[u8]) {
    let mut wire = WireBuffer::default();
    let sealed = link.seal(content, &mut Splices::default(), &mut wire);
    sealed.expect("the session is open");
    let written = link.write_bytes(world, wire.filled());
    written.expect("the socket is sound");
}

#[test]
fn a_short_read_means_no_more_until_an_edge() {
    let (mut world, (mut link, mut peer)) = (world(), accepted());
    assert!(link.has_input(), "there may be something from the start");
    peer.write_all(b"four").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(link.receive(&mut world, &mut buffer[..3]).unwrap(), 3);
    assert!(link.has_input(), "a full buffer may leave some behind");
    assert_eq!(link.receive(&mut world, &mut buffer).unwrap(), 1);
    assert!(!link.has_input());
    assert_eq!(link.receive(&mut world, &mut buffer).unwrap(), 0);
    assert!(!link.has_ended(), "nothing is not the end");
    link.ready(true, false);
    assert!(link.has_input());
}

#[test]
fn a_peer_that_has_closed_is_read_to_the_end_which_no_later_edge_undoes() {
    let (mut world, (mut link, mut peer)) = (world(), accepted());
    peer.write_all(b"last").unwrap();
    drop(peer);
    link.ready(true, true);
    assert!(link.is_closing());
    let mut buffer = [0; 8];
    assert_eq!(link.receive(&mut world, &mut buffer).unwrap(), 4);
    assert!(link.has_input(), "no edge will tell of the end");
    assert_eq!(link.receive(&mut world, &mut buffer).unwrap(), 0);
    link.ready(true, true);
    assert!(link.has_ended() && !link.has_input());
}

#[test]
fn output_that_the_socket_does_not_take_is_kept_and_sent_in_order() {
    let (mut world, (mut link, peer)) = (world(), accepted());
    let mut reader: DialledLink = Link::new(Socket::Unix(peer), None);
    let content: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    for part in content.chunks(100_000) {
        link.write_bytes(&mut world, part).unwrap();
    }
    let kept = link.unsent().held();
    assert!(kept > 0, "the socket has taken a megabyte at once");
    assert!(link.memory() >= kept);
    let mut came = Vec::new();
    while came.len() < content.len() {
        came.extend(step(&mut reader, &mut world));
        link.write_bytes(&mut world, b"").unwrap();
    }
    assert!(came == content, "other bytes came than were sent");
    assert!(link.unsent().is_empty());
    assert_eq!(link.memory(), 0, "an idle link holds nothing");
}

#[test]
fn an_accepted_and_a_dialled_link_speak_tls_to_its_end() {
    let (server, client) = sessions();
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let mut world = world();
    let mut accepted: Accepted = Link::new(Socket::Unix(ours), Some(server));
    let mut dialled: DialledLink = Link::new(Socket::Unix(theirs), Some(client));
    assert!(accepted.is_secure() && dialled.is_secure());
    for _ in 0..4 {
        assert!(step(&mut dialled, &mut world).is_empty());
        assert!(step(&mut accepted, &mut world).is_empty());
    }
    assert_eq!(accepted.transport().name(), "TLS 1.3");
    send(&mut dialled, &mut world, b"ping");
    assert_eq!(step(&mut accepted, &mut world), b"ping");
    send(&mut accepted, &mut world, b"pong");
    assert_eq!(step(&mut dialled, &mut world), b"pong");
    let mut wire = WireBuffer::default();
    accepted.seal_end(&mut wire);
    accepted.write_bytes(&mut world, wire.filled()).unwrap();
    assert!(step(&mut dialled, &mut world).is_empty());
    assert!(dialled.has_ended(), "close_notify is the end");
}
