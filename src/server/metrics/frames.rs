//! Frames of HTTP/2, both ways, and the codes of those that end a stream or a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::h2::frame::{FrameHeader, FrameType};
use crate::h2::{Direction, ErrorCode, Observer};
use crate::telemetry::metrics::exposition::{Exposition, FamilyKind};

/// Number of types that have a series of their own, in the order of [`FrameType::KNOWN`]. All others share the last.
const TYPES: usize = FrameType::KNOWN.len();

/// Number of error codes that are registered, from 0 on.
const CODES: usize = 14;

/// Counts of frames. An observer of frames may belong to another thread as far as its type tells. None
/// ever does here, so the numbers are read and written without any care for others.
#[derive(Default)]
pub struct FrameCounts {
    received: WayCounts,
    sent: WayCounts,
}

/// Counts of frames that go one way.
#[derive(Default)]
struct WayCounts {
    types: [AtomicU64; TYPES + 1],
    resets: [AtomicU64; CODES + 1],
    goaways: [AtomicU64; CODES + 1],
}

/// Adds one at this place, or at the last if there is no such place.
fn count(counts: &[AtomicU64], place: usize) {
    if let Some(count) = counts.get(place).or(counts.last()) {
        count.store(count.load(Relaxed) + 1, Relaxed);
    }
}

/// The error code at this place in a payload.
fn code_at(payload: &[u8], at: usize) -> usize {
    let bytes = payload
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(CODES, |bytes| u32::from_be_bytes(bytes) as usize)
}

impl FrameCounts {
    /// Counts a frame.
    pub fn add(&self, direction: Direction, header: FrameHeader, payload: &[u8]) {
        let way = self.way(direction);
        count(&way.types, header.kind.place().unwrap_or(TYPES));
        match header.kind {
            FrameType::RST_STREAM => count(&way.resets, code_at(payload, 0)),
            FrameType::GOAWAY => count(&way.goaways, code_at(payload, 4)),
            _ => {}
        }
    }

    /// An observer that counts the frames of a connection.
    pub fn observer(self: &Arc<Self>) -> Observer {
        let counts = self.clone();
        Box::new(move |direction, header, payload| counts.add(direction, header, payload))
    }

    fn way(&self, direction: Direction) -> &WayCounts {
        match direction {
            Direction::Received => &self.received,
            Direction::Sent => &self.sent,
        }
    }

    /// Writes all counts.
    pub fn write(&self, text: &mut Exposition) {
        const WAYS: [(&str, &str, Direction); 2] = [
            ("received", "peer", Direction::Received),
            ("sent", "server", Direction::Sent),
        ];
        text.family(
            FamilyKind::Counter,
            "calmd_h2_frames",
            "Frames of HTTP/2, by direction and type.",
        );
        for (direction, _, way) in WAYS {
            for (place, count) in self.way(way).types.iter().enumerate() {
                let kind = FrameType::KNOWN.get(place);
                let name = kind.map_or("other", |(_, name)| name);
                let labels = [("direction", direction), ("type", name)];
                text.add(&labels, count.load(Relaxed));
            }
        }
        text.family(
            FamilyKind::Counter,
            "calmd_h2_resets",
            "Streams that were reset, by the side that did it and its error code.",
        );
        for (_, by, way) in WAYS {
            write_codes(text, by, &self.way(way).resets);
        }
        text.family(
            FamilyKind::Counter,
            "calmd_h2_goaways",
            "Connections whose end was announced, by the side that did it and its error code.",
        );
        for (_, by, way) in WAYS {
            write_codes(text, by, &self.way(way).goaways);
        }
    }
}

fn write_codes(text: &mut Exposition, by: &str, counts: &[AtomicU64]) {
    for (place, count) in counts.iter().enumerate() {
        let code = u32::try_from(place).ok().filter(|_| place < CODES);
        let name = code.and_then(|code| ErrorCode(code).name());
        let labels = [("by", by), ("code", name.unwrap_or("other"))];
        text.add(&labels, count.load(Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::TextFormat;

    #[test]
    fn every_code_has_one_place_and_strangers_share_the_last() {
        assert!((0..CODES as u32).all(|code| ErrorCode(code).name().is_some()));
        assert_eq!(ErrorCode(CODES as u32).name(), None);
        let counts = FrameCounts::default();
        let add = |kind, payload: &[u8]| {
            let header = FrameHeader {
                len: payload.len() as u32,
                kind: FrameType(kind),
                flags: 0,
                stream_id: 1,
            };
            counts.add(Direction::Received, header, payload);
        };
        add(3, &[0, 0, 0, 8]);
        add(3, &[0, 0, 0, 200]);
        add(3, &[]);
        add(7, &[0, 0, 0, 0, 0, 0, 0, 11]);
        add(0xb, &[]);
        add(0xff, &[]);
        add(0xa, &[]);
        let mut text = Exposition::new(TextFormat::Prometheus);
        counts.write(&mut text);
        let text = text.finish();
        for line in [
            r#"calmd_h2_frames_total{direction="received",type="RST_STREAM"} 3"#,
            r#"calmd_h2_frames_total{direction="received",type="other"} 2"#,
            r#"calmd_h2_frames_total{direction="received",type="ALTSVC"} 1"#,
            r#"calmd_h2_frames_total{direction="sent",type="RST_STREAM"} 0"#,
            r#"calmd_h2_resets_total{by="peer",code="CANCEL"} 1"#,
            r#"calmd_h2_resets_total{by="peer",code="other"} 2"#,
            r#"calmd_h2_goaways_total{by="peer",code="ENHANCE_YOUR_CALM"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
