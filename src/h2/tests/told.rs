//! Nothing vanishes: each fault of the peer is told with the stream, the code, the reason and the section
//! that was broken, and each agreement with the values before and after.

use super::*;
use crate::h2::settings::id;
use crate::h2::{Cause, Config, ConnectionError, Error, Misuse, SettingChange, StreamError};

/// Gives the events of the input to `look`.
fn each_event(
    peer: &mut ScriptedPeer,
    mut look: impl FnMut(&Event<'_>),
) -> Result<(), ConnectionError> {
    let bytes = std::mem::take(&mut peer.pending);
    let (mut input, mut fields) = (&bytes[..], Fields::new());
    while let Some(event) = peer.connection.receive(&mut input, &mut fields, peer.now)? {
        look(&event);
    }
    Ok(())
}

/// A stream's end by an error: its stream, code, reason, and a field of the broken section.
type ToldError = (u32, ErrorCode, &'static str, Option<Vec<u8>>);

fn told(peer: &mut ScriptedPeer) -> Vec<ToldError> {
    let mut told = Vec::new();
    let mark = |fields: &Fields| fields.value("x-mark").unwrap_or_default().to_vec();
    each_event(peer, |event| match event {
        Event::StreamReset {
            stream,
            code,
            by: Cause::Error(reason),
            section,
        } => told.push((stream.id(), *code, *reason, section.map(mark))),
        Event::RequestRejected {
            stream_id,
            fields,
            error,
        } => told.push((*stream_id, error.code, error.reason, Some(mark(fields)))),
        Event::StreamError {
            stream_id,
            error,
            section,
        } => told.push((*stream_id, error.code, error.reason, section.map(mark))),
        _ => {}
    })
    .expect("errors of streams only");
    told
}

const MARKED: Option<&[u8]> = Some(b"here");

fn as_slices(told: &[ToldError]) -> Vec<(u32, ErrorCode, &str, Option<&[u8]>)> {
    let slices = told.iter();
    slices
        .map(|(id, code, reason, mark)| (*id, *code, *reason, mark.as_deref()))
        .collect()
}

#[test]
fn a_malformed_request_is_told_with_its_fields() {
    let mut peer = ScriptedPeer::server();
    let fields = [(":method", "GET"), (":scheme", "https"), ("x-mark", "here")];
    peer.headers(1, flag::END_STREAM, &fields);
    let expected = (1, ErrorCode::PROTOCOL_ERROR, "no :path", MARKED);
    assert_eq!(as_slices(&told(&mut peer)), [expected]);
}

#[test]
fn malformed_trailers_are_told_with_their_fields() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.headers(
        1,
        flag::END_STREAM,
        &[("x-mark", "here"), ("connection", "x")],
    );
    let reason = "connection-specific field";
    let expected = (1, ErrorCode::PROTOCOL_ERROR, reason, MARKED);
    assert_eq!(as_slices(&told(&mut peer)), [expected]);
    peer.post(3);
    peer.headers(3, 0, &[("x-mark", "here")]);
    let reason = "trailers that do not end the stream";
    let expected = (3, ErrorCode::PROTOCOL_ERROR, reason, MARKED);
    assert_eq!(as_slices(&told(&mut peer)), [expected]);
}

#[test]
fn a_malformed_response_and_one_that_is_too_large_are_told_with_their_fields() {
    let mut peer = ScriptedPeer::of_client(Config {
        max_header_list_size: 200,
        ..Config::client()
    });
    let (first, second) = (peer.ask("GET").id(), peer.ask("GET").id());
    peer.headers(first, 0, &[(":status", "2000"), ("x-mark", "here")]);
    let large = "x".repeat(200);
    peer.headers(second, 0, &[("x-mark", "here"), ("x-large", &large)]);
    let told = told(&mut peer);
    assert_eq!(
        as_slices(&told),
        [
            (
                first,
                ErrorCode::PROTOCOL_ERROR,
                "no :status of three digits",
                MARKED
            ),
            (
                second,
                ErrorCode::ENHANCE_YOUR_CALM,
                "field section too large",
                MARKED
            ),
        ]
    );
}

#[test]
fn a_promise_that_is_refused_is_told_with_its_fields() {
    let mut peer = ScriptedPeer::of_client(Config {
        push: true,
        ..Config::client()
    });
    let parent = peer.ask("GET").id();
    let mut fields = request("POST", "/").to_vec();
    fields.push(("x-mark", "here"));
    let block = peer.block(&fields);
    let payload = [&2u32.to_be_bytes()[..], &block].concat();
    peer.send(FrameType::PUSH_PROMISE, flag::END_HEADERS, parent, &payload);
    let reason = "promised request that is no plain GET";
    let expected = (2, ErrorCode::PROTOCOL_ERROR, reason, MARKED);
    assert_eq!(as_slices(&told(&mut peer)), [expected]);
}

#[test]
fn a_frame_that_breaks_a_stream_is_told_without_a_section() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.send(FrameType::WINDOW_UPDATE, 0, 1, &[0; 4]);
    let expected = (1, ErrorCode::PROTOCOL_ERROR, "WINDOW_UPDATE of 0", None);
    assert_eq!(as_slices(&told(&mut peer)), [expected]);
}

#[test]
fn a_connection_error_tells_the_frame_that_caused_it() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.send(FrameType::RST_STREAM, 0, 1, &[0; 5]);
    let error = each_event(&mut peer, |_| {}).unwrap_err();
    assert_eq!(error.code, ErrorCode::FRAME_SIZE_ERROR);
    let frame = error.frame.expect("it was a frame");
    let told = (frame.kind, frame.stream_id, frame.len);
    assert_eq!(told, (FrameType::RST_STREAM, 1, 5));

    let mut peer = ScriptedPeer::silent(Config::server());
    peer.send_raw(b"GET / HTTP/1.1\r\n");
    assert_eq!(each_event(&mut peer, |_| {}).unwrap_err().frame, None);
}

#[test]
fn settings_of_the_peer_are_told_with_the_values_before() {
    let mut peer = ScriptedPeer::server();
    peer.settings(&[(id::INITIAL_WINDOW_SIZE, 1_000), (0xff, 7)]);
    peer.settings(&[(id::INITIAL_WINDOW_SIZE, 2_000)]);
    let mut changes = Vec::new();
    each_event(&mut peer, |event| {
        if let Event::SettingsChanged { entries } = event {
            changes.extend(entries.changes());
        }
    })
    .unwrap();
    let change = |id, before, now| SettingChange { id, before, now };
    assert_eq!(
        changes,
        [
            change(id::INITIAL_WINDOW_SIZE, Some(65_535), 1_000),
            change(0xff, None, 7),
            change(id::INITIAL_WINDOW_SIZE, Some(1_000), 2_000),
        ]
    );
}

#[test]
fn settings_of_ours_are_told_with_the_values_before_when_they_are_in_force() {
    let mut peer = ScriptedPeer::server();
    let mut settings = *peer.connection.local_settings();
    let old = settings.max_concurrent_streams;
    settings.max_concurrent_streams = 7;
    peer.connection.update_settings(settings, peer.now).unwrap();
    peer.settings_ack();
    let mut heard = Vec::new();
    each_event(&mut peer, |event| {
        if let Event::SettingsAcknowledged { settings, before } = event {
            heard.push((
                before.max_concurrent_streams,
                settings.max_concurrent_streams,
            ));
        }
    })
    .unwrap();
    assert_eq!(heard, [(old, 7)]);
}

#[test]
fn a_frame_is_released_with_its_padding_and_never_more() {
    let mut peer = ScriptedPeer::server();
    peer.post(1);
    peer.data(1, flag::PADDED, &[&[9][..], b"abc", &[0; 9]].concat());
    let mut len = 0;
    each_event(&mut peer, |event| {
        if let Event::Data {
            flow_controlled_len,
            ..
        } = event
        {
            len = *flow_controlled_len;
        }
    })
    .unwrap();
    assert_eq!(len, 13);
    let key = peer.key(1);
    let connection = &mut peer.connection;
    assert_eq!(connection.release(key, 3), Ok(()));
    let more = Misuse::ReleasedTooMuch { len: 11, held: 10 };
    assert_eq!(connection.release(key, 11), Err(more));
    assert_eq!(connection.release(key, 10), Ok(()));
    assert_eq!(connection.snapshot().held, 0);
    let more = Misuse::ReleasedTooMuch { len: 1, held: 0 };
    assert_eq!(connection.release(key, 1), Err(more));
    connection.reset(key, ErrorCode::CANCEL);
    assert_eq!(connection.release(key, 1), Ok(()), "nobody can know yet");
}

#[test]
fn errors_have_one_base() {
    let misuse = Error::from(Misuse::FrameTooLarge { len: 9, max: 8 });
    assert_eq!(misuse.code(), None);
    assert!(misuse.to_string().contains("9 bytes"), "{misuse}");
    let stream = Error::from(StreamError::TOO_MANY);
    assert_eq!(stream.code(), Some(ErrorCode::REFUSED_STREAM));
    let connection = Error::from(ConnectionError::LATE_PREFACE);
    assert_eq!(connection.code(), Some(ErrorCode::SETTINGS_TIMEOUT));
    assert_eq!(
        connection.to_string(),
        ConnectionError::LATE_PREFACE.to_string()
    );
}
