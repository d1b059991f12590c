//! The output of `--log-level trace`: frames in and out, heads of HTTP/1.1, with secrets left out. It
//! costs nothing while the level is lower.

use crate::h2::frame::text::{Blocks, details, kind, setting};
use crate::h2::frame::{FrameHeader, FrameType, decode};
use crate::h2::{Direction, Observer};
use crate::hpack::INITIAL_TABLE_SIZE;
use crate::http::{Field, printable};
use crate::world::Peer;

/// Fields whose values are credentials.
const SECRETS: [&[u8]; 4] = [
    b"authorization",
    b"cookie",
    b"proxy-authorization",
    b"set-cookie",
];

/// True if the level is trace.
pub fn is_on() -> bool {
    log::log_enabled!(log::Level::Trace)
}

/// An observer that shows the frames of a connection with `peer`. `table` is the size of the HPACK
/// table that our decoder announces.
pub fn observer(peer: Peer, table: u32) -> Observer {
    let mut received = Blocks::new(table);
    let mut sent = Blocks::new(INITIAL_TABLE_SIZE);
    Box::new(move |direction, header, payload| {
        let blocks = match direction {
            Direction::Received => &mut received,
            Direction::Sent => &mut sent,
        };
        frame(peer, arrow(direction), header, payload, blocks);
    })
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Received => "←",
        Direction::Sent => "→",
    }
}

fn frame(peer: Peer, arrow: &str, header: FrameHeader, payload: &[u8], blocks: &mut Blocks) {
    let (kind, stream) = (kind(header), header.stream_id);
    let details = details(header, payload).join(", ");
    log::trace!("{peer}: {arrow} {kind} {stream} {details}");
    if header.kind == FrameType::SETTINGS {
        let entries = decode::settings(payload).unwrap_or_default();
        for (id, value) in entries.iter().copied().map(decode::setting) {
            log::trace!("{peer}: {arrow}   {} = {value}", setting(id));
        }
    }
    match blocks.add(header, payload) {
        Ok(Some(fields)) => fields.iter().for_each(|it| field(peer, arrow, it)),
        Ok(None) => {}
        Err(error) => log::trace!("{peer}: {arrow}   malformed: {error}"),
    }
}

/// Shows the head of an HTTP/1.1 message.
pub fn head<'f>(
    peer: Peer,
    direction: Direction,
    line: &str,
    fields: impl Iterator<Item = Field<'f>>,
) {
    let arrow = arrow(direction);
    log::trace!("{peer}: {arrow} {line}");
    fields.for_each(|it| field(peer, arrow, it));
}

fn field(peer: Peer, arrow: &str, field: Field<'_>) {
    let name = printable(field.name);
    if SECRETS.contains(&field.name) {
        let len = field.value.len();
        log::trace!("{peer}: {arrow}   {name}: ({len} bytes, not shown)");
    } else {
        log::trace!("{peer}: {arrow}   {name}: {}", printable(field.value));
    }
}
