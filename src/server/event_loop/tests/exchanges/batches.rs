//! Requests of HTTP/2 that come in one piece are read together before the first of them is answered.

use super::*;

#[test]
fn more_requests_than_are_read_together_are_answered_in_their_order() {
    let mut both = Both::with(
        h2::Config::default(),
        site::Config {
            cache_memory: 1 << 20,
            ..site()
        },
    );
    for round in 0..2 {
        // Between two files are one that is not there, and content behind its request.
        for _ in 0..9 {
            both.prepare("GET", "/", &[], true);
            let stream = both.prepare("POST", "/x/trailers", &[], false);
            both.client.send_data(stream, b"abc", true).unwrap();
            both.prepare("GET", "/none", &[], true);
        }
        both.send();
        both.pass(1);
        let heard = both.hear();
        let heads = heard.split(' ').filter(|word| word.len() == 3);
        let heads: Vec<_> = heads.filter(|word| word.parse::<u16>().is_ok()).collect();
        assert_eq!(heads.len(), 27, "round {round}: {heard}");
        assert_eq!(heard.matches("hello|").count(), 9, "{heard}");
        assert_eq!(heard.matches("404").count(), 9, "{heard}");
        assert_eq!(heard.matches("sum 7").count(), 9, "{heard}");
    }
    assert_eq!(both.lines("/").len(), 18);
    assert_eq!(both.lines("/none").len(), 18);
}

#[test]
fn a_request_whose_reset_came_with_it_is_logged_and_reaches_no_handler() {
    let mut both = Both::new();
    let before = both.prepare("GET", "/", &[], true);
    let stream = both.prepare("GET", "/x/never", &[], true);
    both.client.reset(stream, ErrorCode::CANCEL);
    both.prepare("GET", "/x/known", &[], true);
    both.send();
    let heard = both.hear();
    assert!(
        heard.starts_with("200 ") && heard.contains("hello|"),
        "{heard}"
    );
    assert!(heard.matches("200").count() == 2, "{heard}");
    assert_eq!(both.gone(), [""; 0], "the handler never heard of it");
    let lines = both.lines("/x/never");
    assert!(
        lines.len() == 1 && lines[0].ends_with("\"reset before it was answered\""),
        "{lines:?}"
    );
    assert!(!both.client.contains(before), "it was answered whole");
}

#[test]
fn requests_before_a_frame_that_ends_the_connection_are_logged() {
    let mut both = Both::new();
    both.prepare("GET", "/", &[], true);
    both.prepare("GET", "/x/never", &[], true);
    let mut bytes = both.client.take_output();
    // WINDOW_UPDATE of 0 on the connection (RFC 9113 §6.9).
    bytes.extend_from_slice(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    both.h2.borrow_mut().incoming = bytes;
    both.bench.wake(&both.h2);
    both.bench.turns(3);
    assert!(
        both.h2.borrow().outgoing.windows(2).any(|it| it == [7, 0]),
        "GOAWAY"
    );
    assert_eq!(both.gone(), [""; 0]);
    for path in ["/", "/x/never"] {
        let lines = both.lines(path);
        assert!(
            lines.len() == 1 && !lines[0].ends_with("\"-\""),
            "{lines:?}"
        );
    }
}

#[test]
fn requests_that_take_more_work_on_files_than_a_turn_has_are_all_answered() {
    let mut both = Both::new();
    // Without memory for content each of these files is read and hashed anew.
    let names: Vec<_> = (0..8).map(|n| format!("cold-{n}")).collect();
    for name in &names {
        both.bench.files.write(name, vec![b'x'; 200 << 10]);
    }
    let mut streams = Vec::new();
    for name in &names {
        streams.push(both.prepare("HEAD", &format!("/{name}"), &[], true));
    }
    let gone = both.prepare("HEAD", "/cold-0", &[], true);
    both.client.reset(gone, ErrorCode::CANCEL);
    both.h2.borrow_mut().incoming = both.client.take_output();
    both.bench.wake(&both.h2);
    both.bench.turns(20);
    assert_eq!(both.hear().matches("200").count(), 8);
    let lines: Vec<_> = names
        .iter()
        .flat_map(|name| both.lines(&format!("/{name}")))
        .collect();
    assert_eq!(lines.len(), 9, "{lines:?}");
}

#[test]
fn content_that_came_together_is_passed_to_its_handler_before_that_is_polled_once() {
    let mut both = Both::new();
    let stream = both.open("POST", "/x/trailers", false);
    let polls = both.seen.0.borrow().polls;
    for part in [&b"one"[..], b" two", b" three"] {
        both.client.send_data(stream, part, false).unwrap();
    }
    both.send();
    assert_eq!(both.seen.0.borrow().polls, polls + 1);
    both.client.send_data(stream, b" four", true).unwrap();
    both.send();
    assert_eq!(both.hear(), "200 one two three fourlate sum 7");
}
