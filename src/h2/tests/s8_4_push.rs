//! §8.4: server push, both roles.

use super::*;
use crate::h2::Misuse;
use crate::h2::settings::id;

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().copied().collect()
}

/// A client that takes pushes, with request 1 under way.
fn client() -> ScriptedPeer {
    let config = Config {
        push: true,
        ..Config::default()
    };
    let mut peer = ScriptedPeer::of_client(config);
    peer.ask("GET");
    peer
}

fn promise(peer: &mut ScriptedPeer, id: u32, promised: u32, fields: &[(&str, &str)]) {
    let block = peer.block(fields);
    let payload = [&promised.to_be_bytes()[..], &block].concat();
    peer.send(FrameType::PUSH_PROMISE, flag::END_HEADERS, id, &payload);
}

#[test]
fn a_server_pushes_to_a_client_that_takes_it() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    let key = peer.key(1);
    let request = fields(&request("GET", "/style.css"));
    let pushed = peer.connection.push(key, request.iter(), peer.now).unwrap();
    assert_eq!(pushed.id(), 2);
    assert_eq!(peer.connection.active_streams(crate::h2::Role::Server), 0);
    let early = peer.connection.send_data(pushed, b"", false);
    assert_eq!(early, Err(Misuse::OutOfOrder));
    let head = fields(&[(":status", "200")]);
    peer.connection
        .send_headers(pushed, head.iter(), false)
        .unwrap();
    assert_eq!(peer.connection.active_streams(crate::h2::Role::Server), 1);
    peer.connection.set_ready(pushed, Some(5));
    assert_eq!(peer.drain(), [(2, 5, true)]);
    let sent = peer.sent();
    assert_eq!((sent[0].kind, sent[0].id), (FrameType::PUSH_PROMISE, 1));
    assert_eq!(sent[0].payload[..4], [0, 0, 0, 2]);
    assert_eq!(peer.connection.streams(), 1);
}

#[test]
fn a_client_refuses_a_promise_with_a_reset() {
    let mut peer = ScriptedPeer::server();
    peer.get(1);
    peer.hear();
    let key = peer.key(1);
    let pushed = peer
        .connection
        .push(key, fields(&request("GET", "/")).iter(), peer.now);
    peer.window_update(2, 5);
    peer.rst_stream(2, ErrorCode::CANCEL);
    let heard = peer.hear();
    assert!(
        heard[1].0.contains("id: 2 }, code: CANCEL, by: Peer"),
        "{heard:?}"
    );
    let head = fields(&[(":status", "200")]);
    let sent = peer
        .connection
        .send_headers(pushed.unwrap(), head.iter(), true);
    assert_eq!(sent, Err(Misuse::StreamClosed));
}

#[test]
fn a_client_may_forbid_pushes() {
    let mut peer = ScriptedPeer::server();
    peer.settings(&[(id::ENABLE_PUSH, 0)]);
    peer.get(1);
    peer.hear();
    let key = peer.key(1);
    let pushed = peer
        .connection
        .push(key, fields(&request("GET", "/")).iter(), peer.now);
    assert_eq!(pushed, Err(Misuse::PushDisabled));
    let mut peer = ScriptedPeer::of_client(Config::default());
    peer.ask("GET");
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn only_a_server_pushes_and_only_a_client_opens() {
    let mut peer = client();
    let key = peer.key(1);
    let request = fields(&request("GET", "/"));
    let pushed = peer.connection.push(key, request.iter(), peer.now);
    assert_eq!(pushed, Err(Misuse::WrongRole));
    let mut peer = ScriptedPeer::server();
    let opened = peer.connection.open(request.iter(), true, peer.now);
    assert_eq!(opened, Err(Misuse::WrongRole));
}

#[test]
fn a_pushed_response_comes_on_the_promised_stream() {
    let mut peer = client();
    promise(&mut peer, 1, 2, &request("GET", "/style.css"));
    peer.headers(2, 0, &[(":status", "200")]);
    peer.data(2, flag::END_STREAM, b"body");
    let heard = peer.hear();
    assert!(heard[0].0.contains("PushPromise") && heard[0].0.contains("/style.css"));
    assert!(
        heard[1].0.contains("Response") && heard[2].0.contains("Data"),
        "{heard:?}"
    );
    assert_eq!(peer.connection.streams(), 1);
}

#[test]
fn a_promise_that_is_refused_is_ignored_from_then_on() {
    let mut peer = client();
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.hear();
    let key = peer.key(2);
    peer.connection.reset(key, ErrorCode::CANCEL);
    peer.headers(2, 0, &[(":status", "200")]);
    peer.data(2, flag::END_STREAM, b"body");
    assert_eq!(peer.hear(), []);
}

#[test]
fn a_promise_is_made_on_a_request_and_names_a_new_stream() {
    for (id, promised) in [(0, 2), (3, 2), (2, 4), (1, 0), (1, 3)] {
        let mut peer = client();
        promise(&mut peer, id, promised, &request("GET", "/"));
        peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    }
    let mut peer = client();
    promise(&mut peer, 1, 4, &request("GET", "/"));
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    let mut peer = client();
    peer.send(FrameType::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0]);
    peer.expect_connection_error(ErrorCode::FRAME_SIZE_ERROR);
    let mut peer = client();
    peer.data(2, 0, b"early");
    peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    let mut peer = client();
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.window_update(2, 1);
    peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_promised_request_is_a_safe_one() {
    let mut peer = client();
    promise(&mut peer, 1, 2, &request("POST", "/"));
    peer.expect_stream_error(2, ErrorCode::PROTOCOL_ERROR);
    promise(&mut peer, 1, 4, &[(":method", "GET")]);
    peer.expect_stream_error(4, ErrorCode::PROTOCOL_ERROR);
    let with = |length| [&request("GET", "/")[..], &[("content-length", length)]].concat();
    promise(&mut peer, 1, 6, &with("1"));
    peer.expect_stream_error(6, ErrorCode::PROTOCOL_ERROR);
    promise(&mut peer, 1, 8, &with("0"));
    assert_eq!(peer.hear().len(), 1);
}

/// §8.4: what the server sends before it has read that push is disabled.
#[test]
fn a_promise_that_crosses_its_prohibition_is_cancelled() {
    let mut peer = client();
    let mut settings = peer.connection.announced_settings();
    settings.enable_push = false;
    peer.connection.update_settings(settings, peer.now).unwrap();
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.expect_stream_error(2, ErrorCode::CANCEL);
}

/// §5.1.2
#[test]
fn pushed_responses_beyond_our_limit_of_streams_are_refused() {
    let config = Config {
        push: true,
        max_concurrent_streams: 1,
        ..Config::default()
    };
    let mut peer = ScriptedPeer::of_client(config);
    peer.ask("GET");
    for promised in [2, 4] {
        promise(&mut peer, 1, promised, &request("GET", "/"));
        peer.headers(promised, 0, &[(":status", "200")]);
    }
    peer.expect_stream_error(4, ErrorCode::REFUSED_STREAM);
    assert_eq!(peer.connection.active_streams(crate::h2::Role::Server), 1);
}

#[test]
fn a_promise_by_a_request_that_was_reset_is_cancelled() {
    let mut peer = client();
    let key = peer.key(1);
    peer.connection.reset(key, ErrorCode::CANCEL);
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.expect_stream_error(2, ErrorCode::CANCEL);
}

/// §8.4: each is kept with its request, though §5.1.2 does not count it before its response.
#[test]
fn promises_beyond_our_limit_of_streams_are_refused() {
    let config = Config {
        push: true,
        max_concurrent_streams: 2,
        ..Config::default()
    };
    let mut peer = ScriptedPeer::of_client(config);
    peer.ask("GET");
    for promised in [2, 4] {
        promise(&mut peer, 1, promised, &request("GET", "/"));
        assert_eq!(peer.hear().len(), 1);
    }
    promise(&mut peer, 1, 6, &request("GET", "/"));
    peer.expect_stream_error(6, ErrorCode::REFUSED_STREAM);
    assert_eq!(peer.connection.streams(), 3);
    peer.headers(2, flag::END_STREAM, &[(":status", "200")]);
    promise(&mut peer, 1, 8, &request("GET", "/"));
    assert_eq!(peer.hear().len(), 2, "one is over");
}

/// §6.6, §8.4: the server could not know of the reset.
#[test]
fn promises_that_cross_a_reset_are_no_faults_and_their_content_may_follow() {
    let mut peer = client();
    let key = peer.key(1);
    peer.connection.reset(key, ErrorCode::CANCEL);
    for promised in (2..=300).step_by(2) {
        promise(&mut peer, 1, promised, &request("GET", "/"));
        peer.expect_stream_error(promised, ErrorCode::CANCEL);
    }
    let mut peer = client();
    let key = peer.key(1);
    peer.connection.reset(key, ErrorCode::CANCEL);
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.headers(2, 0, &[(":status", "200")]);
    for _ in 0..8 {
        peer.data(2, 0, &[0; 16_384]);
    }
    peer.expect_stream_error(2, ErrorCode::CANCEL);
}

#[test]
fn promises_that_nobody_wants_have_an_end() {
    let mut peer = client();
    let key = peer.key(1);
    peer.connection.reset(key, ErrorCode::CANCEL);
    for promised in (2..=10_000).step_by(2) {
        promise(&mut peer, 1, promised, &request("GET", "/"));
    }
    peer.expect_connection_error(ErrorCode::ENHANCE_YOUR_CALM);
}

#[test]
fn pushed_responses_stay_within_the_clients_limit_of_streams() {
    let mut peer = ScriptedPeer::server();
    peer.settings(&[(id::MAX_CONCURRENT_STREAMS, 1)]);
    peer.get(1);
    peer.hear();
    let key = peer.key(1);
    let request = fields(&request("GET", "/style.css"));
    let mut push = || peer.connection.push(key, request.iter(), peer.now).unwrap();
    let (first, second) = (push(), push());
    let head = fields(&[(":status", "200")]);
    let mut send = |stream, end| peer.connection.send_headers(stream, head.iter(), end);
    assert_eq!(send(first, false), Ok(()));
    assert_eq!(send(second, true), Err(Misuse::TooManyStreams { limit: 1 }));
    peer.connection.send_data(first, b"", true).unwrap();
    let sent = peer.connection.send_headers(second, head.iter(), true);
    assert_eq!(
        sent,
        Ok(()),
        "promises are not counted, and the first response is over"
    );
}

/// §6.6: neither open nor half-closed (local).
#[test]
fn a_promise_behind_the_end_of_its_request_is_an_error_of_the_connection() {
    let mut peer = client();
    peer.headers(1, flag::END_STREAM, &[(":status", "200")]);
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
    let mut peer = client();
    peer.rst_stream(1, ErrorCode::CANCEL);
    promise(&mut peer, 1, 2, &request("GET", "/"));
    peer.expect_connection_error(ErrorCode::PROTOCOL_ERROR);
}
