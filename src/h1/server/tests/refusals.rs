//! Refusals: every malformed request is refused as the table says, and no request behind it is
//! answered.

use super::malformed::{self, Malformed, SMUGGLED};
use super::*;
use crate::h1::Refusal;
use crate::http::Field;

fn refuse(case: &Malformed, bytes: &[u8]) -> TestCaller {
    let mut caller = TestCaller::new();
    let input = [bytes, SMUGGLED].concat();
    let error = caller.serve(&input).expect_err(case.name);
    assert_eq!(error.status(), case.status, "{}: {error}", case.name);
    caller
}

#[test]
fn each_is_answered_once_with_its_status_and_closed() {
    for case in malformed::all() {
        let mut caller = refuse(case, &case.bytes());
        let output = caller.sent();
        let status = format!("HTTP/1.1 {} ", case.status);
        assert!(output.starts_with(&status), "{}: {output}", case.name);
        assert_eq!(output.matches("HTTP/1.1 ").count(), 1, "{}", case.name);
        assert!(output.contains("\r\nconnection: close\r\n"), "{output}");
        assert!(caller.connection.wants_close(), "{}", case.name);
        // The head alone may have been taken for a request: with a body that turned out malformed.
        let most = usize::from(case.stage == malformed::Stage::Body);
        let requests = caller
            .events
            .iter()
            .filter(|event| event.contains(" http "));
        assert!(requests.count() <= most, "{}", case.name);
        assert!(!caller.events.iter().any(|event| event.contains("smuggled")));
    }
}

#[test]
fn nothing_is_taken_after_a_refusal() {
    for case in malformed::all() {
        let mut caller = refuse(case, &case.bytes());
        let (events, _) = (caller.events(), caller.sent());
        caller.serve(SMUGGLED).expect("it was told already");
        assert!(caller.input.is_empty());
        assert_eq!(caller.events(), <[String; 0]>::default(), "{events:?}");
        assert_eq!(caller.sent(), "");
    }
}

#[test]
fn a_fault_in_a_body_writes_nothing_into_a_response_that_has_begun() {
    for case in malformed::all() {
        if case.stage != malformed::Stage::Body {
            continue;
        }
        let mut caller = TestCaller::new();
        let bytes = case.bytes();
        let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        caller.receive(&bytes[..head_end]).expect(case.name);
        caller.respond_with(200, &[], BodyLength::Known(100));
        caller.sent();
        caller
            .receive(&bytes[head_end..])
            .and_then(|()| caller.receive(SMUGGLED))
            .expect_err(case.name);
        assert_eq!(caller.sent(), "", "{}", case.name);
        assert!(caller.connection.wants_close());
    }
}

#[test]
fn the_table_is_long_and_its_names_differ() {
    let mut names: Vec<&str> = malformed::all().map(|case| case.name).collect();
    assert!(names.len() >= 150, "{}", names.len());
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), malformed::all().count());
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let mut caller = TestCaller::new();
    caller.receive(b"GET / HTTP/1.1\r\n\r\n").unwrap_err();
    assert_eq!(
        caller.sent(),
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 44\r\n\
         connection: close\r\n\r\n400 Bad Request: not exactly one valid Host\n"
    );
}

#[test]
fn a_refusal_of_head_has_no_content() {
    let mut caller = TestCaller::new();
    caller.receive(b"HEAD / HTTP/1.1\r\n\r\n").unwrap_err();
    assert!(caller.sent().ends_with("\r\n\r\n"));
}

fn complete(caller: &mut TestCaller) -> Option<Refusal> {
    let fields = [Field::new(b"date", b"today"), Field::new(b"x-a", b"b")];
    caller.connection.complete_refusal(fields.into_iter())
}

/// RFC 9110 §6.6.1: a date belongs into every 4xx response, if there is a clock.
#[test]
fn the_caller_adds_its_fields_to_a_refusal_and_to_nothing_else() {
    let mut caller = TestCaller::new();
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    caller.input.extend_from_slice(bytes);
    caller.step().unwrap();
    assert_eq!(complete(&mut caller), None);
    assert_eq!(caller.sent(), "");
    caller.connection.refuse(413);
    let refusal = Refusal {
        status: 413,
        content_bytes: 22,
    };
    assert_eq!(complete(&mut caller), Some(refusal));
    assert_eq!(
        caller.sent(),
        "HTTP/1.1 413 Content Too Large\r\ncontent-type: text/plain\r\ncontent-length: 22\r\n\
         date: today\r\nx-a: b\r\nconnection: close\r\n\r\n413 Content Too Large\n"
    );
    assert_eq!(complete(&mut caller), None);
    assert_eq!(caller.sent(), "");
}

/// RFC 9112 §8
#[test]
fn a_request_that_ends_too_early_is_an_error() {
    for bytes in [
        "GET",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n1234",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n",
    ] {
        let mut caller = TestCaller::new();
        caller.receive(bytes.as_bytes()).unwrap();
        assert_eq!(caller.connection.finish_input(), Err(Error::Incomplete));
        assert!(caller.sent().starts_with("HTTP/1.1 400 "), "{bytes}");
        assert!(caller.connection.wants_close());
    }
}
