//! The output of `--log-level trace`: frames in and out, heads of HTTP/1.1, with secrets left out. It
//! costs nothing while the level is lower.

use super::peer_name::PeerName;
use crate::h2::frame::text::{Blocks, details, kind, setting};
use crate::h2::frame::{FrameHeader, FrameType, decode};
use crate::h2::{Connection, Direction, Observer};
use crate::http::{Field, ShownValue, printable};

/// True if the level is trace.
pub fn is_on() -> bool {
    log::log_enabled!(log::Level::Trace)
}

/// An observer that shows the frames of a connection from now on.
pub fn observer(peer: PeerName, connection: &Connection) -> Observer {
    let (mut received, mut sent) = connection.field_blocks();
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

fn frame(peer: PeerName, arrow: &str, header: FrameHeader, payload: &[u8], blocks: &mut Blocks) {
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
    peer: PeerName,
    direction: Direction,
    line: &str,
    fields: impl Iterator<Item = Field<'f>>,
) {
    let arrow = arrow(direction);
    log::trace!("{peer}: {arrow} {line}");
    fields.for_each(|it| field(peer, arrow, it));
}

fn field(peer: PeerName, arrow: &str, field: Field<'_>) {
    let (name, value) = (printable(field.name), ShownValue::of(field).into_text());
    log::trace!("{peer}: {arrow}   {name}: {value}");
}
