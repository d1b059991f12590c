//! The peer has its time, and no more.

use super::*;
use crate::http::Patience;

const HEADER: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const STALL: Duration = Duration::from_secs(20);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const UPLOAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";

fn later(caller: &mut TestCaller, seconds: u64) {
    caller.now += Duration::from_secs(seconds);
}

#[test]
fn a_connection_without_a_request_is_closed_without_a_word() {
    let mut caller = TestCaller::new();
    assert_eq!(caller.expire(), (HEADER, Ok(())));
    assert!(caller.connection.wants_close());
    assert_eq!(caller.sent(), "");
    assert_eq!(caller.connection.next_deadline(), None);
}

#[test]
fn silence_between_requests_closes_after_the_keep_alive_timeout() {
    let mut caller = TestCaller::new();
    caller.serve(GET).unwrap();
    caller.sent();
    // Empty lines are no request.
    later(&mut caller, 5);
    caller.serve(b"\r\n").unwrap();
    assert_eq!(
        caller.expire(),
        (KEEP_ALIVE - Duration::from_secs(5), Ok(()))
    );
    assert!(caller.connection.wants_close());
    assert_eq!(caller.sent(), "");
}

#[test]
fn a_head_has_its_time_in_all_however_busily_it_trickles() {
    let mut caller = TestCaller::new();
    later(&mut caller, 9);
    for byte in &GET[..9] {
        caller.receive(&[*byte]).unwrap();
        later(&mut caller, 1);
    }
    let rest = HEADER - Duration::from_secs(9);
    assert_eq!(caller.expire(), (rest, Err(Error::HeadTimeout)));
    assert!(
        caller
            .sent()
            .starts_with("HTTP/1.1 408 Request Timeout\r\n")
    );
    assert!(caller.connection.wants_close());
}

#[test]
fn a_timeout_that_is_called_early_does_nothing() {
    let mut caller = TestCaller::new();
    caller.receive(b"G").unwrap();
    let early = caller.now + HEADER - Duration::from_millis(1);
    assert_eq!(caller.connection.handle_timeout(early), Ok(()));
    assert!(!caller.connection.wants_close());
}

#[test]
fn nothing_is_waited_for_while_the_response_is_made() {
    let mut caller = TestCaller::new();
    caller.receive(GET).unwrap();
    assert_eq!(caller.connection.next_deadline(), None);
    caller.respond_with(200, &[], BodyLength::Known(2));
    assert_eq!(caller.connection.next_deadline(), None);
    later(&mut caller, 1_000);
    caller.send(b"ok", true);
    assert_eq!(caller.expire(), (KEEP_ALIVE, Ok(())));
}

#[test]
fn a_body_that_trickles_is_given_up() {
    let mut caller = TestCaller::new();
    caller.receive(UPLOAD).unwrap();
    for _ in 0..3 {
        caller.receive(&[b'a'; 1_024]).unwrap();
        later(&mut caller, 1);
        assert_eq!(caller.expire().1, Ok(()));
    }
    caller.receive(&[b'a'; 1_023]).unwrap();
    assert_eq!(caller.expire(), (STALL, Err(Error::BodyTimeout)));
    assert!(caller.sent().starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_slow_body_has_its_time_where_there_is_room_for_it_and_less_as_soon_as_there_is_none() {
    let mut caller = TestCaller::new();
    caller.connection.set_patience(Patience::Ample);
    caller.receive(UPLOAD).unwrap();
    // A byte each time.
    for _ in 0..14 {
        assert_eq!(caller.expire(), (STALL, Ok(())));
        caller.receive(b"a").unwrap();
    }
    assert_eq!(caller.expire(), (STALL, Err(Error::BodyTimeout)));

    let mut caller = TestCaller::new();
    caller.connection.set_patience(Patience::Ample);
    caller.receive(UPLOAD).unwrap();
    assert_eq!(caller.expire(), (STALL, Ok(())));
    // Slow, but not too slow: its time begins anew.
    caller.receive(&[b'a'; 1_024]).unwrap();
    for _ in 0..15 {
        assert_eq!(caller.expire(), (STALL, Ok(())));
    }
    caller.connection.set_patience(Patience::Short);
    assert_eq!(caller.expire(), (STALL, Err(Error::BodyTimeout)));
}

#[test]
fn a_body_that_stalls_after_the_response_has_begun_closes_without_another() {
    let mut caller = TestCaller::new();
    caller.receive(UPLOAD).unwrap();
    caller.respond_with(200, &[], BodyLength::Unknown);
    caller.sent();
    assert_eq!(caller.expire(), (STALL, Err(Error::BodyTimeout)));
    assert_eq!(caller.sent(), "");
    assert!(caller.connection.wants_close());
}

#[test]
fn the_clock_stands_still_while_the_caller_does_not_read() {
    let mut caller = TestCaller::new();
    caller.receive(UPLOAD).unwrap();
    later(&mut caller, 4);
    caller.connection.pause_input(caller.now);
    assert_eq!(caller.connection.next_deadline(), None);
    later(&mut caller, 100);
    caller.connection.pause_input(caller.now);
    caller.receive(b"").unwrap();
    let rest = STALL - Duration::from_secs(4);
    assert_eq!(caller.expire(), (rest, Err(Error::BodyTimeout)));
}

#[test]
fn a_client_that_waits_for_100_is_not_waited_for() {
    let mut caller = TestCaller::new();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    caller.receive(head).unwrap();
    assert_eq!(caller.connection.next_deadline(), None);
    caller.connection.send_continue();
    assert_eq!(caller.expire(), (STALL, Err(Error::BodyTimeout)));

    let mut hasty = TestCaller::new();
    hasty.receive(head).unwrap();
    hasty.receive(b"h").unwrap();
    assert_eq!(hasty.expire(), (STALL, Err(Error::BodyTimeout)));
}

#[test]
fn a_body_that_nobody_reads_has_time_once_the_response_is_complete() {
    let mut caller = TestCaller::with(|config| config.drain_bytes = u64::MAX);
    caller.receive(UPLOAD).unwrap();
    caller.connection.discard_body();
    caller.respond_with(404, &[], BodyLength::Known(2));
    assert_eq!(caller.connection.next_deadline(), None);
    caller.send(b"no", true);
    caller.sent();
    caller.receive(&[b'a'; 2_000]).unwrap();
    assert_eq!(caller.expire(), (STALL, Ok(())));
    assert_eq!(caller.expire(), (STALL, Err(Error::BodyTimeout)));
    assert_eq!(caller.sent(), "");
    assert!(caller.connection.wants_close());
}

#[test]
fn a_closed_connection_has_no_deadline() {
    let mut caller = TestCaller::new();
    caller.receive(b"\0").unwrap_err();
    assert_eq!(caller.connection.next_deadline(), None);
    assert_eq!(
        caller.connection.handle_timeout(caller.now + KEEP_ALIVE),
        Ok(())
    );
}
