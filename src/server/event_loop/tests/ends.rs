//! The last bytes of a connection, and its end.

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
