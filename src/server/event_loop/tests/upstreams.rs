//! Faults of ours and of the system at connections to upstreams: they cost one request, are counted and reported, and
//! harm nobody else.

use super::test_world::{Shared, SocketCall, TestLink};
use super::{Bench, site};
use crate::http::Fields;
use crate::proxy::{
    DialAddress, ProxyHandler, ProxyRule, Upstream, UpstreamScheme, UpstreamServer,
};
use crate::server::Config;
use crate::server::limit_log::Limit;
use crate::world::Ready;
use std::rc::Rc;
use std::time::Duration;

const GET_UP: &[u8] = b"GET /up/a HTTP/1.1\r\nhost: a\r\n\r\n";

/// A bench whose server asks an upstream for what lies beneath `/up`.
fn bench() -> Bench {
    Bench::made(Config::default(), site(), |services| {
        let rule = ProxyRule::parse("/up=http://10.0.0.1:80").unwrap();
        let handler = ProxyHandler::new(0, &rule, Rc::new(Fields::new()));
        let mut services = services;
        services.routes.mount("/up", Box::new(handler));
        services.with_upstreams(vec![Upstream {
            host: String::new(),
            mount: "/up".into(),
            servers: vec![UpstreamServer {
                name: "http://10.0.0.1:80".into(),
                scheme: UpstreamScheme::Http,
                addresses: vec![DialAddress::Tcp(([10, 0, 0, 1], 80).into())],
                tls: None,
            }],
        }])
    })
}

/// Tells the server that an upstream connection can be read and written.
fn wake_dialled(bench: &Bench, number: usize) -> Shared {
    let link = bench.outside.0.borrow().dialled[number].clone();
    bench.wake(&link);
    link
}

#[test]
fn a_panic_at_an_upstream_connection_ends_it_and_no_other() {
    let mut bench = bench();
    let client = bench.connect(0, GET_UP, usize::MAX, None);
    bench.turns(3);
    let link = wake_dialled(&bench, 0);
    bench.turns(3);
    assert!(link.borrow().outgoing.starts_with(b"GET /up/a "));
    link.borrow_mut().panics_at = Some(SocketCall::Read);
    bench.wake(&link);
    bench.turns(3);
    assert!(link.borrow().closed);
    let answer = String::from_utf8_lossy(&client.borrow().outgoing).into_owned();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    let total = |bench: &Bench| {
        bench
            .event_loop
            .services
            .limit_log
            .total(Limit::InternalError)
    };
    assert_eq!(total(&bench), 1, "it is counted");
    let buffers = &bench.event_loop.lent.buffers;
    assert!(buffers.read.capacity() > 0 && buffers.output.capacity() > 0);

    client.borrow_mut().outgoing.clear();
    client.borrow_mut().incoming = GET_UP.to_vec();
    bench.wake(&client);
    bench.turns(3);
    let link = wake_dialled(&bench, 1);
    link.borrow_mut().incoming = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nup".to_vec();
    bench.turns(3);
    assert!(client.borrow().outgoing.ends_with(b"\r\n\r\nup"));
    assert_eq!(total(&bench), 1);
}

#[test]
fn long_answers_that_come_together_are_each_sent_before_the_next_is_read() {
    const LENGTH: usize = 500_000;
    let mut bench = bench();
    let clients = [0; 3].map(|_| bench.connect(0, GET_UP, usize::MAX, None));
    bench.turns(3);
    for number in 0..clients.len() {
        wake_dialled(&bench, number);
    }
    bench.turns(3);
    for number in 0..clients.len() {
        let link = bench.outside.0.borrow().dialled[number].clone();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
        link.borrow_mut().incoming = [head.as_bytes(), &vec![b'a'; LENGTH]].concat();
        bench.wake(&link);
    }
    bench.turns(50);
    for client in clients {
        let answer = &client.borrow().outgoing;
        let content = answer.iter().rev().take_while(|byte| **byte == b'a');
        assert_eq!(content.count(), LENGTH);
    }
    let buffers = &bench.event_loop.lent.buffers;
    assert_eq!(buffers.replies.kept(), 1, "one buffer serves all");
}

#[test]
fn without_a_descriptor_for_an_upstream_somebody_dispensable_goes_and_it_is_reported() {
    let mut bench = bench();
    let client = bench.connect(0, GET_UP, usize::MAX, None);
    bench.outside.0.borrow_mut().lacks_descriptor = true;
    bench.turns(4);
    let answer = String::from_utf8_lossy(&client.borrow().outgoing).into_owned();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let fired = bench
        .event_loop
        .services
        .limit_log
        .total(Limit::Descriptors);
    assert!(fired > 0, "it is counted and logged");
}

#[test]
fn a_client_of_http_1_0_gets_a_reset_behind_an_answer_that_its_upstream_did_not_end() {
    const OPEN: &[u8] = b"HTTP/1.1 200 OK\r\n\r\npart";
    const CHUNKS: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n";
    const WHOLE: &[u8] =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n\r\n";
    type End = fn(&mut TestLink);
    let end: End = |link| link.ended = true;
    let reset: End = |link| link.is_reset = true;
    let silence: End = |_| {};
    for (number, (answer, act, is_cut)) in [
        (OPEN, end, false),
        (OPEN, reset, true),
        (OPEN, silence, true),
        (CHUNKS, end, true),
        (CHUNKS, reset, true),
        (CHUNKS, silence, true),
        (WHOLE, end, false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut bench = bench();
        let request = b"GET /up/a HTTP/1.0\r\nhost: a\r\n\r\n";
        let client = bench.connect(0, request, usize::MAX, None);
        bench.turns(3);
        let link = wake_dialled(&bench, 0);
        bench.turns(3);
        link.borrow_mut().incoming = answer.to_vec();
        bench.wake(&link);
        bench.turns(3);
        act(&mut link.borrow_mut());
        let token = link.borrow().token.unwrap();
        bench.outside.0.borrow_mut().ready.push(Ready::Socket {
            token,
            readable: true,
            read_closed: link.borrow().ended || link.borrow().is_reset,
        });
        for _ in 0..10 {
            bench.sleep(Duration::from_secs(60));
            bench.turns(20);
        }
        let client = client.borrow();
        assert!(client.outgoing.ends_with(b"\r\n\r\npart"), "{number}");
        let ends = (client.closed, client.is_reset, client.output_end.is_none());
        assert_eq!(ends, (true, is_cut, is_cut), "{number}");
    }
}
