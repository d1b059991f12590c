//! Waits of handlers: the end that each has, and uploads that wait for a handler to let go.

use super::*;
use crate::world::Signal;

#[test]
fn wakes_without_content_do_not_put_off_the_end_of_a_response() {
    for path in ["/x/disks", "/x/past"] {
        let mut both = Both::new();
        let h1 = both.get(path);
        both.open("GET", path, true);
        assert_eq!(both.hear(), "200 on", "{path}");
        // A disk is tried every 4 ms.
        both.bench.sleep(Duration::from_secs(6));
        both.bench.turns(1_600);
        assert!(heard(&h1).ends_with("2\r\non\r\n"), "no end is sent");
        assert_eq!(both.hear(), ErrorCode::INTERNAL_ERROR.to_string(), "{path}");
        let name = path.trim_start_matches("/x");
        assert_eq!(both.gone(), [name, name]);
    }
}

#[test]
fn a_time_that_has_passed_lets_the_loop_sleep() {
    let mut both = Both::new();
    both.open("GET", "/x/past", true);
    assert_eq!(both.hear(), "200 on");
    // The clock goes on by sleep alone, and twenty turns of 64 ms are more than a second.
    both.bench.sleep(Duration::from_secs(1));
    both.bench.turns(60);
    assert_eq!(both.bench.outside.0.borrow().asleep, Duration::ZERO);
}

#[test]
fn an_idle_time_without_end_is_none() {
    let mut both = Both::new();
    let h1 = both.get("/x/endless");
    both.open("GET", "/x/endless", true);
    both.pass(100);
    assert_eq!(both.hear(), "200 on");
    assert!(heard(&h1).ends_with("2\r\non\r\n"));
    assert!(!h1.borrow().closed && both.gone().is_empty());
}

#[test]
fn an_upload_goes_on_when_its_handler_has_let_go_of_what_it_held() {
    let mut both = Both::new();
    // Seventeen chunks are more than HTTP/1.1 gives to a handler that holds them.
    let chunk = format!("fa0\r\n{}\r\n", "y".repeat(4000));
    let h1 = both.h1(&format!(
        "POST /x/holds HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(17)
    ));
    both.bench.turns(40);
    let stream = both.open("POST", "/x/holds", false);
    let window = h2::Config::default().initial_window_size as usize;
    let content = vec![b'y'; 16 << 10];
    for _ in 0..window / content.len() {
        both.client.send_data(stream, &content, false).unwrap();
    }
    both.send();
    both.bench.turns(40);
    assert_eq!((heard(&h1).as_str(), both.hear().as_str()), ("", ""));
    both.get("/x/ring");
    both.bench.turns(10);
    assert!(
        heard(&h1).ends_with("4\r\nlate\r\n0\r\n\r\n"),
        "{}",
        heard(&h1)
    );
    assert_eq!(both.hear(), "");
    both.client.send_data(stream, b"end", true).unwrap();
    both.send();
    both.bench.turns(10);
    assert_eq!(both.hear(), "200 endlate|");
}

#[test]
fn a_handler_that_holds_content_and_waits_for_more_meets_its_deadline() {
    let mut both = Both::new();
    let chunk = format!("fa0\r\n{}\r\n", "y".repeat(4000));
    let h1 = both.h1(&format!(
        "POST /x/hoards HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{}",
        chunk.repeat(18)
    ));
    both.bench.turns(40);
    both.pass(59);
    assert_eq!(heard(&h1), "");
    both.pass(3);
    assert!(heard(&h1).starts_with("HTTP/1.1 504 "), "{}", heard(&h1));
    assert_eq!(both.gone(), ["/hoards"]);
}

#[test]
fn a_handler_that_holds_a_little_and_waits_for_more_leaves_the_time_to_its_peer() {
    let mut both = Both::new();
    let h1 = both.h1("POST /x/hoards HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\r\nabc");
    let stream = both.open("POST", "/x/hoards", false);
    both.client.send_data(stream, b"abc", false).unwrap();
    both.send();
    // Longer than a handler has, shorter than a peer that may take its time.
    both.pass(100);
    assert_eq!(heard(&h1), "");
    assert_eq!(both.hear(), "");
    assert!(both.gone().is_empty());
    // A peer's time has an end too.
    both.pass(600);
    both.bench.turns(400);
    assert!(heard(&h1).starts_with("HTTP/1.1 408 "), "{}", heard(&h1));
    assert_eq!(both.hear(), ErrorCode::CANCEL.to_string());
    assert_eq!(both.gone().len(), 2);
}

#[test]
fn a_handler_that_panics_when_it_is_asked_what_it_holds_ends_its_connection_and_no_other() {
    let mut both = Both::new();
    let h1 = both.get("/x/never");
    let token = h1.borrow().token.unwrap();
    both.seen.0.borrow_mut().panics = true;
    both.bench.event_loop.account(token, 0);
    assert!(h1.borrow().closed);
    both.open("GET", "/x/refuses", true);
    assert_eq!(both.hear(), "502 page|");
}

#[test]
fn content_that_is_too_large_behind_the_head_ends_the_response_with_its_reason_in_the_log() {
    let mut both = Both::new();
    let h1 = both.h1("POST /x/brief HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    assert!(heard(&h1).ends_with("2\r\non\r\n"), "{}", heard(&h1));
    h1.borrow_mut().incoming = b"5\r\nhello\r\n".to_vec();
    both.bench.wake(&h1);
    let stream = both.open("POST", "/x/brief", false);
    assert_eq!(both.hear(), "200 on");
    both.client.send_data(stream, b"hello", false).unwrap();
    both.send();
    assert_eq!(both.hear(), ErrorCode::CANCEL.to_string());
    assert_eq!(both.gone(), ["/brief", "/brief"]);
    let lines = both.lines("/x/brief");
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(line.ends_with("\"request body too large\""), "{line}");
    }
}

#[test]
fn requests_that_are_open_when_the_server_stops_have_their_lines_and_their_handlers_hear_of_it() {
    for signals in [1, 2] {
        let mut both = Both::new();
        both.get("/x/never");
        both.open("GET", "/x/never", true);
        for _ in 0..signals {
            let mut outside = both.bench.outside.0.borrow_mut();
            outside.ready.push(Ready::Signal(Signal::Stop));
        }
        both.bench.sleep(Duration::from_secs(40));
        both.bench.event_loop.run().unwrap();
        assert_eq!(both.gone(), ["/never", "/never"]);
        assert_eq!(both.lines("/x/never").len(), 2);
        assert_eq!(both.bench.event_loop.connections(), 0);
    }
}
