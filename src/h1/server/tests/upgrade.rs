//! `Upgrade: h2c` (RFC 7540 §3.2), where it is switched on.

use super::*;

const OFFER: &str = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                     Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";

fn event(request: &str) -> String {
    let mut caller = TestCaller::new();
    caller.connection.report_h2c();
    caller.receive(request.as_bytes()).unwrap();
    caller.events().remove(0)
}

#[test]
fn an_offer_is_reported_if_that_was_asked_for() {
    assert_eq!(event(OFFER), "GET http a /a (h2c AAMAAABk) end");
    let mut caller = TestCaller::new();
    caller.receive(OFFER.as_bytes()).unwrap();
    assert_eq!(caller.events(), ["GET http a /a end"]);
}

#[test]
fn over_tls_no_offer_is_reported() {
    let now = Instant::now();
    let mut connection = Connection::new(Arc::new(Config::default()), Scheme::Https, now);
    connection.report_h2c();
    let mut fields = Fields::new();
    let mut input = OFFER.as_bytes();
    let event = connection.receive(&mut input, &mut fields, now);
    assert!(matches!(
        event,
        Ok(Some(Event::Request { upgrade: None, .. }))
    ));
}

#[test]
fn an_offer_that_is_incomplete_is_ignored() {
    for (from, to) in [
        ("Upgrade: h2c", "Upgrade: h2"),
        ("Upgrade: h2c", "X: h2c"),
        ("Upgrade: h2c", "Upgrade: h2c\r\nUpgrade: h2c"),
        ("HTTP2-Settings: A", "X: A"),
        (
            "HTTP2-Settings: A",
            "HTTP2-Settings: B\r\nHTTP2-Settings: A",
        ),
        ("Upgrade, HTTP2-Settings", "Upgrade"),
        ("Upgrade, HTTP2-Settings", "HTTP2-Settings"),
        ("Upgrade, HTTP2-Settings", "x"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n"),
    ] {
        let request = OFFER.replace(from, to);
        assert!(!event(&request).contains("(h2c"), "{request}");
    }
    let among_others = OFFER.replace("Upgrade: h2c", "Upgrade: websocket, h2c");
    assert!(event(&among_others).contains("(h2c AAMAAABk)"));
}

#[test]
fn an_offer_that_is_not_taken_up_is_an_ordinary_request() {
    let mut caller = TestCaller::new();
    caller.connection.report_h2c();
    caller.serve(OFFER.as_bytes()).unwrap();
    assert!(caller.sent().starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(!caller.connection.wants_close());
}

#[test]
fn after_the_switch_the_rest_of_the_input_is_left_alone() {
    let mut caller = TestCaller::new();
    caller.connection.report_h2c();
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    caller
        .receive([OFFER, preface].concat().as_bytes())
        .unwrap();
    caller.connection.switch_protocols();
    assert_eq!(
        caller.sent(),
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    );
    caller.receive(b"").unwrap();
    assert_eq!(caller.input, preface.as_bytes());
    assert!(!caller.connection.wants_close());
    assert_eq!(caller.connection.next_deadline(), None);
}
