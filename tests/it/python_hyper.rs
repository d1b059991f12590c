//! The table for those who know python-hyper: everything that its right side links to is named here by code, so
//! that it exists and can be used as the table says.

use calmd::h2::frame::MAX_STREAM_ID;
use calmd::h2::settings::id;
use calmd::h2::{
    Budgets, Cause, Config, Connection, ConnectionError, Error, ErrorCode, Event, FrameType,
    Misuse, Priority, Rfc7540Priority, Role, SettingChange, Settings, SettingsEntries, StreamError,
    StreamKey, StreamState,
};
use calmd::hpack::{Decoder, Encoder};
use calmd::http::{Field, Fields};
use std::collections::BTreeSet;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::Instant;

const PAGE: &str = include_str!("../../src/h2/guide/python_hyper.rs");
const THIS: &str = include_str!("python_hyper.rs");

const REQUEST: [Field<'static>; 4] = [
    Field::new(b":method", b"POST"),
    Field::new(b":scheme", b"https"),
    Field::new(b":authority", b"example.org"),
    Field::new(b":path", b"/"),
];
const HEAD: [Field<'static>; 1] = [Field::new(b":status", b"200")];

/// The names that the table links to, as their last two segments are written.
fn linked() -> BTreeSet<String> {
    let links = PAGE.split("](crate::").skip(1);
    let links = links.map(|link| link.split(')').next().expect("the end of a link"));
    links
        .map(|link| {
            let segments: Vec<&str> = link.split("::").collect();
            match segments[..] {
                [.., "Config", field] => format!("offset_of!(Config, {field})"),
                [.., of, name] if of.starts_with(char::is_uppercase) || of == "id" => {
                    format!("{of}::{name}")
                }
                [.., name] => name.to_owned(),
                [] => unreachable!("split gives one at least"),
            }
        })
        .collect()
}

#[test]
fn everything_that_the_table_links_to_is_used_by_this_test() {
    let linked = linked();
    assert!(linked.len() > 90, "{linked:?}");
    for name in linked {
        assert!(THIS.contains(&name), "{name}");
    }
}

/// Gives the bytes of one side to the other.
fn carry(
    from: &mut Connection,
    to: &mut Connection,
    now: Instant,
    mut look: impl FnMut(&mut Connection, &Event<'_>),
) {
    let bytes = Connection::take_output(from);
    let (mut input, mut fields) = (&bytes[..], Fields::new());
    loop {
        match Connection::receive(to, &mut input, &mut fields, now) {
            Ok(Some(event)) => {
                // The event borrows the fields alone, so its connection takes commands meanwhile.
                look(to, &event);
            }
            Ok(None) => return,
            Err(ConnectionError {
                code,
                reason,
                frame,
            }) => panic!("{code} {reason} {frame:?}"),
        }
    }
}

#[test]
fn a_conversation_of_all_commands_goes_well() {
    let now = Instant::now();
    let config = Config {
        rfc7540_priorities: true,
        push: true,
        report_extensions: true,
        budgets: Budgets::default(),
        ..Config::client()
    };
    let mut client = Connection::client(Arc::new(config), now);
    let mut server = Connection::server(Arc::new(Config::server()), now);
    Connection::set_observer(&mut client, Some(Box::new(|_, _, _| {})));
    let stream: StreamKey = Connection::open(&mut client, REQUEST, false, now).unwrap();
    let priority = Rfc7540Priority {
        dependency: 0,
        exclusive: false,
        weight: 7,
    };
    let second = Connection::open_with_priority(&mut client, REQUEST, priority, true, now).unwrap();
    Connection::send_rfc7540_priority(&mut client, second.id(), priority).unwrap();
    Connection::send_priority_update(&mut client, stream, Priority::default()).unwrap();
    Connection::send_data(&mut client, stream, b"a", false).unwrap();
    Connection::send_padded_data(&mut client, stream, b"b", 9, true).unwrap();
    Connection::ping(&mut client, *b"12345678", now);
    Connection::widen_receive_window(&mut client, None, 1).unwrap();
    carry(&mut client, &mut server, now, |server, event| {
        if let Event::Data {
            stream,
            data,
            flow_controlled_len,
            ..
        } = event
        {
            Connection::release_event(server, event).unwrap();
            let more = Connection::release(server, *stream, *flow_controlled_len);
            assert!(matches!(more, Err(Misuse::ReleasedTooMuch { .. })));
            let is_second = data == b"b";
            assert_eq!(Event::ends_stream(event), is_second);
        }
    });
    let answered = server.stream(stream.id()).unwrap();
    Connection::send_informational(&mut server, answered, 103, []).unwrap();
    Connection::send_altsvc(&mut server, Some(answered), b"", b"clear").unwrap();
    Connection::send_frame(&mut server, FrameType(0xee), 0, 0, b"own").unwrap();
    carry(&mut server, &mut client, now, |_, _| {});
    carry(&mut client, &mut server, now, |_, _| {});
    let mut promised = REQUEST;
    promised[0].value = b"GET";
    Connection::push(&mut server, answered, promised, now).unwrap();
    Connection::send_response(&mut server, answered, 200, [], false).unwrap();
    Connection::set_ready(&mut server, answered, Some(3));
    let grant = Connection::poll_grant(&mut server, 100).unwrap();
    Connection::begin_data(&mut server, &grant).extend_from_slice(b"end");
    Connection::commit(&mut server, grant, true);
    let mut settings: Settings = Connection::announced_settings(&server);
    settings.max_concurrent_streams = 5;
    Connection::update_settings(&mut server, settings, now).unwrap();
    let mut heard = Vec::new();
    carry(&mut server, &mut client, now, |_, event| {
        heard.push(name(event))
    });
    assert_eq!(
        heard,
        ["PushPromise", "Response", "Data", "SettingsChanged"]
    );
    Connection::reset(&mut client, second, ErrorCode::CANCEL);
    Connection::shutdown(&mut client, now);
    assert!(Connection::output(&mut client).len() > 9);
    let _: (usize, usize) = (
        Connection::streams(&server),
        Connection::active_streams(&server, Role::Client),
    );
    let _: Option<u32> = Connection::next_stream_id(&client);
    let _ = (
        Connection::send_window(&server, answered),
        Connection::receive_window(&server, answered),
    );
    let _ = (
        Connection::connection_send_window(&server),
        Connection::connection_receive_window(&server),
    );
    let _: (&Settings, &Settings) = (
        Connection::local_settings(&server),
        Connection::remote_settings(&server),
    );
    let _: Option<StreamState> = Connection::snapshot(&server)
        .streams
        .first()
        .map(|stream| stream.state);
    let late = Connection::send_headers(&mut server, answered, HEAD, false);
    assert!(late.is_err(), "the response has ended");
    Connection::close(&mut server, ErrorCode::NO_ERROR, None, b"");
    let offer = Connection::http2_settings(&Config::client());
    assert!(Connection::server_upgraded(Arc::default(), offer.as_bytes(), now).is_ok());
    let _ = Connection::client_upgraded(Arc::default(), b"GET", now);
}

/// The event's name, and what it tells.
fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Request {
            fields: _,
            end_stream: _,
            rfc7540: _,
            ..
        } => "Request",
        Event::HeadersTooLarge { .. } => "HeadersTooLarge",
        Event::Response { .. } => "Response",
        Event::Informational { .. } => "Informational",
        Event::Trailers { .. } => "Trailers",
        Event::Data {
            data: _,
            flow_controlled_len: _,
            ..
        } => "Data",
        Event::StreamReset {
            code: _,
            by: Cause::Peer,
            ..
        } => "StreamReset",
        Event::WindowUpdated {
            stream: _,
            increment: _,
        } => "WindowUpdated",
        Event::SettingsChanged { entries } => {
            let changes: Vec<SettingChange> = SettingsEntries::changes(entries).collect();
            assert!(!changes.is_empty());
            "SettingsChanged"
        }
        Event::SettingsAcknowledged {
            settings: _,
            before: _,
        } => "SettingsAcknowledged",
        Event::Ping { payload: _ } => "Ping",
        Event::PingAcknowledged { round_trip: _, .. } => "PingAcknowledged",
        Event::PushPromise {
            stream: _,
            promised: _,
            fields: _,
        } => "PushPromise",
        Event::Rfc7540Priority { priority: _, .. } => "Rfc7540Priority",
        Event::PriorityUpdated { .. } => "PriorityUpdated",
        Event::GoAway {
            code: _,
            last_stream_id: _,
            debug: _,
        } => "GoAway",
        Event::AlternativeService {
            origin: _,
            value: _,
            ..
        } => "AlternativeService",
        Event::UnknownFrame { .. } => "UnknownFrame",
        _ => "another",
    }
}

#[test]
fn settings_errors_and_tables_are_what_the_table_says() {
    let fields = [
        offset_of!(Config, join_cookies),
        offset_of!(Config, max_header_list_size),
        offset_of!(Config, normalize_outbound),
        offset_of!(Config, push),
        offset_of!(Config, report_extensions),
        offset_of!(Config, rfc7540_priorities),
        offset_of!(Config, validate_inbound),
        offset_of!(Config, validate_outbound),
    ];
    assert_eq!(BTreeSet::from(fields).len(), fields.len());
    for (id, value) in [
        (id::HEADER_TABLE_SIZE, 4_096),
        (id::ENABLE_PUSH, 1),
        (id::MAX_CONCURRENT_STREAMS, u32::MAX),
        (id::INITIAL_WINDOW_SIZE, 65_535),
        (id::MAX_FRAME_SIZE, 16_384),
        (id::MAX_HEADER_LIST_SIZE, u32::MAX),
        (id::ENABLE_CONNECT_PROTOCOL, 0),
    ] {
        assert_eq!(Settings::value(Settings::INITIAL, id), Some(value));
    }
    let checked = Settings::check(Settings::INITIAL, Role::Client, Settings::INITIAL);
    assert_eq!(checked, Ok(()));
    assert_eq!(MAX_STREAM_ID, (1 << 31) - 1);
    for misuse in [
        Misuse::FrameTooLarge { len: 2, max: 1 },
        Misuse::InvalidValue,
        Misuse::OutOfOrder,
        Misuse::StreamClosed,
        Misuse::StreamIdsExhausted,
        Misuse::TooManyStreams { limit: 1 },
        Misuse::WindowExceeded { len: 2, window: 1 },
        Misuse::WrongRole,
    ] {
        assert_eq!(Error::from(misuse).code(), None);
    }
    assert_eq!(
        Error::from(StreamError::TOO_MANY).code(),
        Some(ErrorCode::REFUSED_STREAM)
    );
    let mut block = Vec::new();
    Encoder::new(4_096).encode(HEAD, &mut block);
    let limits = calmd::hpack::DecodeLimits {
        list_size: 100,
        fields: 9,
        crumbs: 9,
        overrun: 1,
    };
    let mut fields = Fields::new();
    Decoder::new(4_096)
        .decode(&block, &mut fields, &limits)
        .unwrap();
    assert_eq!(fields.status(), Some(200));
}
