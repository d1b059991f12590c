//! The first and the last bytes of a connection, and its end.

use super::*;

const LAST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[test]
fn the_end_of_a_connection_travels_with_its_last_bytes() {
    let mut bench = Bench::new();
    let link = bench.connect(0, LAST, usize::MAX, None);
    bench.turns(2);
    let link = link.borrow();
    assert!(link.outgoing.ends_with(b"hello"));
    assert_eq!(link.output_end, Some(true));
}

#[test]
fn last_bytes_that_the_socket_took_late_wait_for_nothing() {
    let mut bench = Bench::new();
    let link = bench.connect(0, LAST, 10, None);
    bench.turns(2);
    assert_eq!(link.borrow().output_end, None);
    link.borrow_mut().room = usize::MAX;
    bench.wake(&link);
    bench.turns(2);
    let link = link.borrow();
    assert!(link.outgoing.ends_with(b"hello"));
    assert_eq!(link.output_end, Some(false));
}

#[test]
fn bytes_behind_which_the_connection_goes_on_wait_for_nothing() {
    let bench = Bench::new();
    let good = bench.good.borrow();
    assert!(!good.held && good.output_end.is_none());
}

#[test]
fn a_connection_is_read_when_the_poll_has_told_of_it_and_not_before() {
    let mut bench = Bench::new();
    let link = bench.connect(0, b"", usize::MAX, None);
    bench.turns(3);
    assert_eq!(link.borrow().vain_reads, 0);
    link.borrow_mut().incoming = LAST.to_vec();
    bench.wake(&link);
    bench.turns(3);
    assert!(link.borrow().outgoing.ends_with(b"hello"));
    assert_eq!(
        link.borrow().vain_reads,
        0,
        "it lingers until the poll tells of the end"
    );
}

#[test]
fn heads_that_are_known_are_forgotten_as_a_crowd_goes() {
    let mut bench = Bench::with(Config::default(), site::Config::default());
    let known = |bench: &Bench| {
        let services = &bench.event_loop.services;
        let unknown = format!("{:?}", crate::h1::LastRequest::default());
        (
            format!("{:?}", services.last_request) != unknown,
            services.head_lines.kept() > 0,
        )
    };
    let crowd: Vec<_> = (0..CROWD + 1)
        .map(|_| bench.connect(0, GET, usize::MAX, None))
        .collect();
    bench.turns(CROWD);
    assert_eq!(known(&bench), (true, true));
    for link in crowd {
        link.borrow_mut().ended = true;
        bench.wake(&link);
    }
    bench.turns(CROWD);
    assert_eq!(bench.event_loop.connections(), 1);
    assert_eq!(known(&bench), (false, false));
    // A block that was allocated now would lie above all that the crowd leaves behind.
    let allocated = allocation_counter::measure(|| {
        bench.event_loop.services.forget_known();
        #[cfg(feature = "proxy")]
        bench.event_loop.lent.buffers.forget_known();
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn the_poll_is_to_tell_of_room_only_where_output_waits() {
    let mut bench = Bench::new();
    let link = bench.connect(0, LAST, 10, None);
    bench.turns(2);
    assert!(link.borrow().awaits_room);
    assert!(!bench.good.borrow().awaits_room);
}
