//! Frames as events of qlog: the JSON of [draft-pardue-httpbis-qlog-h2-events-00], in text sequences
//! (RFC 7464), and an event of our own for windows, streams and budgets.
//!
//! A trace is one [`head`] and any number of events, each a record: an RS, a JSON text, a line feed. Times are
//! milliseconds since the head's reference time; `group_id` is the number of the connection. Secrets are left out as [`ShownValue`] does: a field that is
//! a secret has a name and no value, which the draft allows. Content of DATA is never in a trace.
//!
//! [draft-pardue-httpbis-qlog-h2-events-00]: https://datatracker.ietf.org/doc/draft-pardue-httpbis-qlog-h2-events/
//!
//! | event | when |
//! |---|---|
//! | `http2:frame_created` | a frame was made |
//! | `http2:frame_parsed` | a frame was taken apart |
//! | `calmd:connection_state` | from time to time: a [`Snapshot`] |
//! | `calmd:message_created`, `calmd:message_parsed` | the head of a message of HTTP/1.1 |
//!
//! The members of a frame that the draft leaves open have the names of RFC 9113 in lower case, and `flags` are
//! the names of those that are set.

use std::fmt::Write;

use super::connection::{Connection, Direction, Snapshot, StreamSnapshot};
use super::error::ErrorCode;
use super::frame::extension::{self, Member};
use super::frame::text::{Blocks, flags};
use super::frame::{FrameHeader, FrameType, decode};
use super::settings::{Role, id};
use crate::http::{Field, Fields, ShownValue};

/// The schema of a file of records.
const FILE_SCHEMA: &str = "urn:ietf:params:qlog:file:sequential";

/// The schema of frames' events. A draft's is not named by the registered URI alone.
const FRAME_SCHEMA: &str = "urn:ietf:params:qlog:events:http2-00";

/// The schema of our own event.
const OWN_SCHEMA: &str = "urn:x-calmd:qlog:events:calmd";

/// The record separator (RFC 7464 §2.2).
const RS: char = '\u{1e}';

/// Appends the JSON of the first record of a trace from one side of a connection. `title` says what it is of,
/// `started` is the wall clock at its reference time (RFC 3339), where that is known.
pub fn head(out: &mut String, side: Role, title: &str, started: Option<&str>) {
    let _ = write!(out, "{{\"file_schema\":\"{FILE_SCHEMA}\",");
    out.push_str("\"serialization_format\":\"application/qlog+json-seq\",\"title\":");
    string(out, title);
    out.push_str(",\"trace\":{\"common_fields\":{\"time_format\":\"relative_to_epoch\",");
    out.push_str("\"reference_time\":{\"clock_type\":\"monotonic\",\"epoch\":\"unknown\"");
    if let Some(started) = started {
        out.push_str(",\"wall_clock_time\":");
        string(out, started);
    }
    let side = match side {
        Role::Client => "client",
        Role::Server => "server",
    };
    let _ = write!(
        out,
        "}}}},\"vantage_point\":{{\"name\":\"calmd\",\"type\":\"{side}\"}},\
         \"event_schemas\":[\"{FRAME_SCHEMA}\",\"{OWN_SCHEMA}\"]}}}}"
    );
}

/// Appends a record with a head or an event.
pub fn record(out: &mut String, json: &str) {
    out.push(RS);
    out.push_str(json);
    out.push('\n');
}

/// The frames of a connection as events. It decodes field blocks once more, so it has to see each frame.
pub struct FrameEvents {
    group: u32,
    received: Blocks,
    sent: Blocks,
}

impl FrameEvents {
    /// Events of all frames of `connection` from now on. `group` is its number among those of the trace.
    pub fn of(connection: &Connection, group: u32) -> Self {
        let (received, sent) = connection.field_blocks();
        FrameEvents {
            group,
            received,
            sent,
        }
    }

    /// Appends the event of a frame, `time_us` microseconds after the reference time.
    pub fn write(
        &mut self,
        out: &mut String,
        time_us: u64,
        direction: Direction,
        header: FrameHeader,
        payload: &[u8],
    ) {
        let (name, blocks) = match direction {
            Direction::Received => ("http2:frame_parsed", &mut self.received),
            Direction::Sent => ("http2:frame_created", &mut self.sent),
        };
        let fields = blocks.add(header, payload).unwrap_or_default();
        begin(out, (time_us, self.group), name);
        let _ = write!(
            out,
            "\"stream_id\":{},\"length\":{},\"frame\":{{",
            header.stream_id, header.len
        );
        frame(out, header, payload, fields);
        out.push_str("}}}");
    }
}

/// Appends the event of the head of a message of HTTP/1.1: microseconds after the reference time, and the number
/// of the connection. `line` is what is known of its first line.
pub fn message<'f>(
    out: &mut String,
    at: (u64, u32),
    direction: Direction,
    line: &str,
    fields: impl Iterator<Item = Field<'f>>,
) {
    let name = match direction {
        Direction::Received => "calmd:message_parsed",
        Direction::Sent => "calmd:message_created",
    };
    begin(out, at, name);
    out.push_str("\"line\":");
    string(out, line);
    out.push_str(",\"headers\":[");
    list(out, fields, field);
    out.push_str("]}}");
}

/// Appends the event of a connection's state: microseconds after the reference time, and the number of the
/// connection.
pub fn state(out: &mut String, at: (u64, u32), snapshot: &Snapshot) {
    begin(out, at, "calmd:connection_state");
    let _ = write!(
        out,
        "\"send_window\":{},\"receive_window\":{},\"held\":{},\"streams\":[",
        snapshot.send_window, snapshot.receive_window, snapshot.held
    );
    list(out, snapshot.streams.iter(), stream);
    let left = &snapshot.budgets;
    out.push_str("],\"budgets_left\":{");
    let budgets = [
        ("peer_resets", left.peer_resets),
        ("provoked_resets", left.provoked_resets),
        ("refused_streams", left.refused_streams),
        ("useless_frames", left.useless_frames),
        ("settings", left.settings),
        ("pings", left.pings),
        ("small_data_frames", left.small_data_frames),
        ("ignored_bytes", left.ignored_bytes),
    ];
    list(out, budgets.into_iter(), |out, (name, left)| {
        let _ = write!(out, "\"{name}\":{left}");
    });
    out.push_str("}}}");
}

fn stream(out: &mut String, stream: &StreamSnapshot) {
    let _ = write!(
        out,
        "{{\"stream_id\":{},\"state\":\"{}\",\"send_window\":{},\"receive_window\":{},\"held\":{},\
         \"urgency\":{},\"incremental\":{}",
        stream.id,
        stream.state.name(),
        stream.send_window,
        stream.receive_window,
        stream.held,
        stream.urgency,
        stream.incremental
    );
    if let Some(queued) = stream.queued {
        let _ = write!(out, ",\"queued\":{queued}");
    }
    let _ = write!(out, ",\"blocked_by\":\"{}\"}}", stream.blocked_by.name());
}

/// Begins an event; its data are to be ended with two braces.
fn begin(out: &mut String, (time_us, group): (u64, u32), name: &str) {
    let (millis, micros) = (time_us / 1000, time_us % 1000);
    let _ = write!(
        out,
        "{{\"time\":{millis}.{micros:03},\"name\":\"{name}\",\"group_id\":\"{group}\",\"data\":{{"
    );
}

/// The members of a frame. `fields` are those of the block that it ends, if it ends one.
fn frame(out: &mut String, header: FrameHeader, payload: &[u8], fields: Option<&Fields>) {
    let name = header.kind.name().map(str::to_ascii_lowercase);
    let _ = write!(
        out,
        "\"frame_type\":\"{}\"",
        name.as_deref().unwrap_or("unknown")
    );
    let flags = flags(header);
    if !flags.is_empty() {
        out.push_str(",\"flags\":[");
        list(out, flags.split(' '), string);
        out.push(']');
    }
    match header.kind {
        FrameType::HEADERS | FrameType::CONTINUATION => headers(out, fields),
        FrameType::PUSH_PROMISE => {
            let promised = decode::push_promise(header, payload).map_or(0, |(id, _)| id);
            let _ = write!(out, ",\"push_id\":{promised}");
            headers(out, fields);
        }
        FrameType::SETTINGS => settings(out, payload),
        FrameType::PRIORITY => {
            if let Some(priority) = decode::priority(payload) {
                let _ = write!(
                    out,
                    ",\"weight\":{},\"stream_dependency\":{},\"exclusive\":{}",
                    priority.weight, priority.dependency, priority.exclusive
                );
            }
        }
        FrameType::RST_STREAM => {
            if let Ok(code) = decode::rst_stream(payload) {
                error(out, code);
            }
        }
        FrameType::GOAWAY => {
            if let Ok(goaway) = decode::goaway(payload) {
                let _ = write!(out, ",\"stream_id\":{}", goaway.last_stream_id);
                error(out, goaway.code);
                out.push_str(",\"additional_debug_data\":");
                hex(out, goaway.debug);
            }
        }
        FrameType::WINDOW_UPDATE => {
            let increment = decode::window_update(payload).unwrap_or_default();
            let _ = write!(out, ",\"window_size_increment\":{increment}");
        }
        FrameType::PING => {
            out.push_str(",\"opaque_data\":");
            hex(out, payload);
        }
        FrameType::DATA => {
            let _ = write!(out, ",\"raw\":{{\"payload_length\":{}}}", header.len);
        }
        kind => match extension::shown(kind) {
            Some(shown) => (shown.members)(payload)
                .into_iter()
                .for_each(|member| extension_member(out, member)),
            None => {
                let _ = write!(out, ",\"frame_type_bytes\":{}", kind.0);
            }
        },
    }
}

fn extension_member(out: &mut String, (name, value): (&str, Member<'_>)) {
    let _ = write!(out, ",\"{name}\":");
    match value {
        Member::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Member::Text(text) => string(out, &String::from_utf8_lossy(text)),
    }
}

fn error(out: &mut String, code: ErrorCode) {
    let _ = write!(out, ",\"error_code\":{}", code.0);
    if let Some(name) = code.name() {
        let _ = write!(out, ",\"error\":\"{name}\"");
    }
}

fn headers(out: &mut String, fields: Option<&Fields>) {
    out.push_str(",\"headers\":[");
    if let Some(fields) = fields {
        list(out, fields.iter(), field);
    }
    out.push(']');
}

/// Text holds nothing but visible ASCII and blanks; the rest is given as bytes.
fn field(out: &mut String, field: Field<'_>) {
    let is_plain = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain(field.name) {
        out.push_str("{\"name\":");
        string(out, &String::from_utf8_lossy(field.name));
    } else {
        out.push_str("{\"name_bytes\":");
        hex(out, field.name);
    }
    match ShownValue::of(field) {
        ShownValue::Secret(_) => {}
        ShownValue::Text(text) if is_plain(field.value) => {
            out.push_str(",\"value\":");
            string(out, &text);
        }
        ShownValue::Text(text) => {
            out.push_str(",\"value_bytes\":");
            hex(out, text.as_bytes());
        }
    }
    out.push('}');
}

fn settings(out: &mut String, payload: &[u8]) {
    let entries = decode::settings(payload).unwrap_or_default();
    out.push_str(",\"settings\":[");
    let entries = entries.iter().copied().map(decode::setting);
    list(out, entries, |out, (identifier, value)| {
        let name = match identifier {
            id::HEADER_TABLE_SIZE => "settings_header_table_size",
            id::ENABLE_PUSH => "settings_enable_push",
            id::MAX_CONCURRENT_STREAMS => "settings_max_concurrent_streams",
            id::INITIAL_WINDOW_SIZE => "settings_initial_window_size",
            id::MAX_FRAME_SIZE => "settings_max_frame_size",
            id::MAX_HEADER_LIST_SIZE => "settings_max_header_list_size",
            id::ENABLE_CONNECT_PROTOCOL => "settings_extended_connect",
            id::NO_RFC7540_PRIORITIES => "settings_no_rfc7540_priorities",
            _ => "unknown",
        };
        let _ = write!(out, "{{\"name\":\"{name}\"");
        if name == "unknown" {
            let _ = write!(out, ",\"name_bytes\":{identifier}");
        }
        let _ = write!(out, ",\"value\":{value}}}");
    });
    out.push(']');
}

/// Writes the items with commas between them.
fn list<T>(
    out: &mut String,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item);
    }
}

fn hex(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out.push('"');
}

/// Appends a string of JSON (RFC 8259 §7). Characters that a terminal might obey are escaped too.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if crate::http::is_deceptive(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2::Config;
    use std::sync::Arc;
    use std::time::Instant;

    fn event(kind: FrameType, flags: u8, payload: &[u8]) -> serde_json::Value {
        let connection = Connection::server(Arc::new(Config::default()), Instant::now());
        let mut events = FrameEvents::of(&connection, 17);
        let header = FrameHeader {
            len: payload.len() as u32,
            kind,
            flags,
            stream_id: 3,
        };
        let mut out = String::new();
        events.write(&mut out, 12_034, Direction::Received, header, payload);
        serde_json::from_str(&out).expect(&out)
    }

    #[test]
    fn a_trace_is_records_of_json_of_which_the_first_names_the_schemas() {
        let (mut first, mut out) = (String::new(), String::new());
        head(
            &mut first,
            Role::Client,
            "a \"b\"\u{1b}",
            Some("2026-11-29T10:00:00Z"),
        );
        record(&mut out, &first);
        record(&mut out, "{}");
        let mut records = out.split(RS);
        assert_eq!(records.next(), Some(""));
        let first = records.next().unwrap();
        assert!(first.ends_with('\n'));
        let first: serde_json::Value = serde_json::from_str(first).unwrap();
        assert_eq!(first["file_schema"], FILE_SCHEMA);
        assert_eq!(first["title"], "a \"b\"\u{1b}");
        assert_eq!(first["trace"]["vantage_point"]["type"], "client");
        assert_eq!(first["trace"]["event_schemas"][0], FRAME_SCHEMA);
        let reference = &first["trace"]["common_fields"]["reference_time"];
        assert_eq!(reference["wall_clock_time"], "2026-11-29T10:00:00Z");
        assert_eq!(records.next(), Some("{}\n"));
    }

    #[test]
    fn an_event_has_its_time_name_stream_length_and_frame() {
        let data = event(FrameType::DATA, 1, b"hello");
        assert_eq!(data["time"], 12.034);
        assert_eq!(data["name"], "http2:frame_parsed");
        assert_eq!(data["group_id"], "17");
        let data = &data["data"];
        assert_eq!(
            (&data["stream_id"], &data["length"]),
            (&3.into(), &5.into())
        );
        assert_eq!(data["frame"]["frame_type"], "data");
        assert_eq!(data["frame"]["flags"], serde_json::json!(["END_STREAM"]));
        assert_eq!(data["frame"]["raw"]["payload_length"], 5);
    }

    #[test]
    fn frames_have_the_members_of_the_draft() {
        let settings = event(
            FrameType::SETTINGS,
            0,
            &[0, 4, 0, 0, 1, 0, 0, 99, 0, 0, 0, 7],
        );
        let expected = serde_json::json!([
            {"name": "settings_initial_window_size", "value": 256},
            {"name": "unknown", "name_bytes": 99, "value": 7},
        ]);
        assert_eq!(settings["data"]["frame"]["settings"], expected);
        let goaway = event(FrameType::GOAWAY, 0, b"\0\0\0\x05\0\0\0\x0bab");
        let expected = serde_json::json!({
            "frame_type": "goaway", "stream_id": 5, "error_code": 11,
            "error": "ENHANCE_YOUR_CALM", "additional_debug_data": "6162",
        });
        assert_eq!(goaway["data"]["frame"], expected);
        let reset = event(FrameType::RST_STREAM, 0, &[0, 0, 0, 8]);
        assert_eq!(reset["data"]["frame"]["error_code"], 8);
        let update = event(FrameType::WINDOW_UPDATE, 0, &[0, 0, 1, 0]);
        assert_eq!(update["data"]["frame"]["window_size_increment"], 256);
        let unknown = event(FrameType(0xee), 0, b"??");
        let expected = serde_json::json!({"frame_type": "unknown", "frame_type_bytes": 0xee});
        assert_eq!(unknown["data"]["frame"], expected);
        let ping = event(FrameType::PING, 1, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(ping["data"]["frame"]["opaque_data"], "0102030405060708");
    }

    #[test]
    fn secrets_have_a_name_and_no_value_and_odd_bytes_are_given_as_bytes() {
        let block = b"\x82\x44\x08/?key=ab\x0f\x08\x03abc\x00\x01x\x02\xff\x22";
        let headers = event(FrameType::HEADERS, 4, block);
        let expected = serde_json::json!([
            {"name": ":method", "value": "GET"},
            {"name": ":path", "value": "/?key=(not shown)"},
            {"name": "authorization"},
            {"name": "x", "value_bytes": "efbfbd22"},
        ]);
        assert_eq!(headers["data"]["frame"]["headers"], expected);
    }

    #[test]
    fn a_state_has_windows_streams_and_budgets() {
        let now = Instant::now();
        let mut connection = Connection::client(Arc::default(), now);
        let request = [
            Field::new(b":method", b"GET"),
            Field::new(b":scheme", b"https"),
            Field::new(b":authority", b"a.example"),
            Field::new(b":path", b"/"),
        ];
        connection.open(request, true, now).unwrap();
        let mut out = String::new();
        state(&mut out, (5, 1), &connection.snapshot());
        let event: serde_json::Value = serde_json::from_str(&out).expect(&out);
        assert_eq!(event["time"], 0.005);
        let data = &event["data"];
        assert_eq!(data["send_window"], 65_535);
        assert_eq!(data["streams"][0]["state"], "half-closed-local");
        assert_eq!(data["streams"][0]["blocked_by"], "ended");
        assert!(data["budgets_left"]["pings"].as_u64().unwrap() > 0);
    }
}
