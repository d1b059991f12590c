//! The server has its time, and no more.

use super::*;

const RESPONSE: Duration = Duration::from_secs(60);
const HEADER: Duration = Duration::from_secs(10);
const CONTENT: Duration = Duration::from_secs(60);
const CONTINUE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    assert_eq!(Asker::new().expire(), (IDLE, Ok(())));
    let mut asker = Asker::asking("GET");
    asker.receive(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(asker.expire(), (IDLE, Ok(())));
    assert!(asker.connection.wants_close());
    assert_eq!(asker.connection.next_deadline(), None);
}

#[test]
fn a_response_has_its_time_from_the_end_of_the_request() {
    let mut asker = Asker::asking("GET");
    assert_eq!(
        asker.expire(),
        (RESPONSE, Err(ResponseError::ResponseTimeout))
    );
    assert!(asker.connection.wants_close());

    let mut asker = Asker::new();
    asker.ask("POST", &[], BodyLength::Known(2)).unwrap();
    assert_eq!(asker.connection.next_deadline(), None);
    asker.now += Duration::from_secs(1_000);
    asker.send(b"hi", true);
    assert_eq!(
        asker.expire(),
        (RESPONSE, Err(ResponseError::ResponseTimeout))
    );
}

#[test]
fn an_informational_response_begins_the_time_anew() {
    let mut asker = Asker::asking("GET");
    asker.now += RESPONSE - Duration::from_secs(1);
    asker.receive(b"HTTP/1.1 102 Processing\r\n\r\n").unwrap();
    assert_eq!(
        asker.expire(),
        (RESPONSE, Err(ResponseError::ResponseTimeout))
    );
}

#[test]
fn a_head_has_its_time_in_all_however_busily_it_trickles() {
    let mut asker = Asker::asking("GET");
    for byte in b"HTTP/1.1 " {
        asker.receive(&[*byte]).unwrap();
        asker.now += Duration::from_secs(1);
    }
    let left = HEADER - Duration::from_secs(9);
    assert_eq!(asker.expire(), (left, Err(ResponseError::HeadTimeout)));
}

#[test]
fn content_may_pause_but_not_for_ever() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
    ] {
        let mut asker = Asker::asking("GET");
        asker.receive(head.as_bytes()).unwrap();
        for _ in 0..3 {
            asker.now += CONTENT - Duration::from_secs(1);
            asker.receive(b"a").unwrap();
            asker.receive(b"").unwrap();
        }
        assert_eq!(
            asker.expire(),
            (CONTENT, Err(ResponseError::ContentTimeout))
        );
        assert!(asker.connection.wants_close());
    }
}

#[test]
fn an_early_response_has_no_deadline_while_the_content_of_the_request_is_sent() {
    for (response, wait, error) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            CONTENT,
            ResponseError::ContentTimeout,
        ),
        (
            "HTTP/1.0 200 OK\r\n\r\n",
            CONTENT,
            ResponseError::ContentTimeout,
        ),
        ("HTTP/1.1 ", HEADER, ResponseError::HeadTimeout),
    ] {
        let mut asker = Asker::new();
        asker.ask("POST", &[], BodyLength::Known(3)).unwrap();
        asker.receive(response.as_bytes()).unwrap();
        for byte in [b"a", b"b"] {
            assert_eq!(asker.connection.next_deadline(), None, "{response}");
            asker.now += Duration::from_secs(1_000);
            asker.send(byte, false);
        }
        asker.send(b"c", true);
        assert_eq!(asker.expire(), (wait, Err(error)), "{response}");
    }
}

#[test]
fn a_head_that_trickles_instead_of_100_has_its_time() {
    let mut asker = Asker::new();
    let fields = [("expect", "100-continue")];
    asker.ask("POST", &fields, BodyLength::Known(2)).unwrap();
    asker.receive(b"HTTP/1.1 ").unwrap();
    assert_eq!(asker.expire(), (HEADER, Err(ResponseError::HeadTimeout)));
}

#[test]
fn content_is_not_kept_back_for_long_where_no_100_comes() {
    let mut asker = Asker::new();
    let fields = [("expect", "100-continue")];
    asker.ask("POST", &fields, BodyLength::Known(2)).unwrap();
    assert_eq!(asker.expire(), (CONTINUE, Ok(())));
    assert!(!asker.connection.awaits_continue() && asker.connection.is_sending());
    assert_eq!(asker.connection.next_deadline(), None);
    asker.send(b"hi", true);
    assert_eq!(asker.expire().0, RESPONSE);
}

#[test]
fn the_clock_stands_still_while_the_caller_does_not_read() {
    let mut asker = Asker::asking("GET");
    asker
        .receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        .unwrap();
    asker.now += Duration::from_secs(10);
    asker.connection.pause_input(asker.now);
    assert_eq!(asker.connection.next_deadline(), None);
    asker.now += Duration::from_secs(1_000);
    asker.receive(b"").unwrap();
    let left = CONTENT - Duration::from_secs(10);
    assert_eq!(asker.expire(), (left, Err(ResponseError::ContentTimeout)));
}

#[test]
fn a_timeout_that_is_called_early_does_nothing() {
    let mut asker = Asker::asking("GET");
    let early = asker.now + RESPONSE - Duration::from_millis(1);
    assert_eq!(asker.connection.handle_timeout(early), Ok(()));
    assert!(!asker.connection.wants_close());
}
