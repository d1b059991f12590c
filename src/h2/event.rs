//! The events that a connection tells its user.

use super::error::{ErrorCode, StreamError};
use super::frame::FrameHeader;
use super::frame::decode::{self, Rfc7540Priority};
use super::frame::extension;
use super::priority::Priority;
use super::settings::Settings;
use super::store::StreamKey;
use crate::http::{Expected, Fields};

/// Something happened. What one frame causes together is told together.
#[derive(Debug)]
pub enum Event<'e> {
    /// Server: a request began; without `end_stream` its content follows.
    Request {
        /// The new stream.
        stream: StreamKey,
        /// The request, valid as RFC 9113 §8.3.1 has it: `:authority` and `host` are valid and agree
        /// where they are there, but both may be missing.
        fields: &'e Fields,
        /// There is no content.
        end_stream: bool,
        /// Its `expect` field: with [`Expected::Continue`] the client keeps its content back until
        /// it hears 100 (`Connection::send_informational`) or a final status.
        expected: Expected,
        /// The priority of RFC 7540 §5.3 that its HEADERS had; a `priority` field wins over it. Most
        /// clients say nothing.
        rfc7540: Option<Rfc7540Priority>,
    },
    /// Server: a request whose field section is beyond the limits. The stream is as after
    /// [`Event::Request`]; the answer is 431.
    HeadersTooLarge {
        /// The new stream.
        stream: StreamKey,
        /// The fields up to the limit, unchecked, for logs.
        fields: &'e Fields,
        /// There is no content.
        end_stream: bool,
    },
    /// Client: the final response began.
    Response {
        /// The request's stream.
        stream: StreamKey,
        /// The response.
        fields: &'e Fields,
        /// There is no content.
        end_stream: bool,
    },
    /// Client: an informational (1xx) response; the final one is still to come.
    Informational {
        /// The request's stream.
        stream: StreamKey,
        /// The response.
        fields: &'e Fields,
    },
    /// The peer's message ended with trailers.
    Trailers {
        /// The stream, whose receiving half has ended.
        stream: StreamKey,
        /// The trailer fields.
        fields: &'e Fields,
    },
    /// Content came. `flow_controlled_len` bytes count against the windows until they are released
    /// (`Connection::release`).
    Data {
        /// The stream.
        stream: StreamKey,
        /// The content, without padding.
        data: &'e [u8],
        /// Bytes that the frame took from the windows, and that are to be released: the content, its padding
        /// and the padding's length.
        flow_controlled_len: u32,
        /// This was the last of it.
        end_stream: bool,
    },
    /// A stream is over before its end. Its key finds nothing any more.
    StreamReset {
        /// The stream.
        stream: StreamKey,
        /// The code of the RST_STREAM frame, received or sent.
        code: ErrorCode,
        /// The side that caused the reset.
        by: Cause,
        /// The field section that broke a rule, where one did: a malformed response, a response or
        /// trailers beyond the limits, trailers in the middle. As it came, for logs: nothing about it is
        /// certain, and one that is too large is cut off.
        section: Option<&'e Fields>,
    },
    /// Server: a request that never became a stream, because it is malformed (RFC 9113 §8.1.1), is
    /// one more than there may be ([`StreamError::TOO_MANY`], §5.1.2), or came behind the last stream
    /// that our GOAWAY names ([`StreamError::LEAVING`], §6.8). RST_STREAM with the error's code is in
    /// the output, and nothing else is told of it.
    RequestRejected {
        /// The identifier of the stream.
        stream_id: u32,
        /// The fields as they came, for logs: nothing about them is certain.
        fields: &'e Fields,
        /// The code of the RST_STREAM frame, and the reason.
        error: StreamError,
    },
    /// The peer broke a rule on a stream that is over or was never told of (§5.4.2). RST_STREAM with
    /// the error's code is in the output. Errors on streams that live are [`Event::StreamReset`].
    StreamError {
        /// The identifier of the stream.
        stream_id: u32,
        /// The code of the RST_STREAM frame, and the reason.
        error: StreamError,
        /// The field section that broke a rule, where one did: a promise that is refused, or HEADERS behind
        /// the peer's own RST_STREAM.
        section: Option<&'e Fields>,
    },
    /// The peer widened a window.
    WindowUpdated {
        /// The stream, or `None` for the connection.
        stream: Option<StreamKey>,
        /// By how much.
        increment: u32,
    },
    /// The peer sent SETTINGS, which are in force and acknowledged.
    SettingsChanged {
        /// The entries of the frame, with the values that held before it
        /// ([`SettingsEntries::changes`]).
        entries: SettingsEntries<'e>,
    },
    /// The peer acknowledged SETTINGS of ours.
    SettingsAcknowledged {
        /// Our settings that are in force now.
        settings: Settings,
        /// Our settings that were in force before.
        before: Settings,
    },
    /// The peer sent PING, which is answered.
    Ping {
        /// Its payload.
        payload: [u8; 8],
    },
    /// The peer answered a PING of ours.
    PingAcknowledged {
        /// Its payload.
        payload: [u8; 8],
        /// The time since it was queued.
        round_trip: std::time::Duration,
    },
    /// Client: the server promised the response to a request that it made up. To refuse, reset it.
    PushPromise {
        /// The stream of the request that led to it.
        stream: StreamKey,
        /// The stream that the response will come on.
        promised: StreamKey,
        /// The promised request.
        fields: &'e Fields,
    },
    /// Server: the client gave a response another priority (RFC 9218 §7.1), which is in force.
    PriorityUpdated {
        /// The identifier of the stream, which may be one that is still to come.
        stream_id: u32,
        /// Its priority now.
        priority: Priority,
    },
    /// A PRIORITY frame, of which weights that are Chromium's are obeyed; only told if
    /// `report_extensions` is set.
    Rfc7540Priority {
        /// The identifier of the stream, in any state.
        stream_id: u32,
        /// The priority that the frame gave.
        priority: Rfc7540Priority,
    },
    /// The peer sent GOAWAY: it takes nothing new. A client's streams above `last_stream_id` follow
    /// as [`Event::StreamReset`].
    GoAway {
        /// The last stream that the peer acted on or may yet act on.
        last_stream_id: u32,
        /// Why.
        code: ErrorCode,
        /// Opaque; for logs.
        debug: &'e [u8],
    },
    /// Client: ALTSVC (RFC 7838 §4).
    AlternativeService {
        /// The stream whose origin is meant, or 0 where `origin` says it.
        stream_id: u32,
        /// The origin, empty on a stream.
        origin: &'e [u8],
        /// The `Alt-Svc` field value.
        value: &'e [u8],
    },
    /// Client: ORIGIN (RFC 8336 §2): what the connection may be used for.
    Origin {
        /// The origins.
        origins: Origins<'e>,
    },
    /// A frame of a type that we do not know; only told if `report_extensions` is set.
    UnknownFrame {
        /// Its header.
        header: FrameHeader,
        /// Its payload.
        payload: &'e [u8],
    },
}

impl Event<'_> {
    /// The stream that the event is about, if there is a key for it: that of a request, of a part of its answer, or of
    /// its end. A promise is about the request that led to it.
    pub fn stream(&self) -> Option<StreamKey> {
        match *self {
            Event::Request { stream, .. }
            | Event::HeadersTooLarge { stream, .. }
            | Event::Response { stream, .. }
            | Event::Informational { stream, .. }
            | Event::Trailers { stream, .. }
            | Event::Data { stream, .. }
            | Event::StreamReset { stream, .. }
            | Event::PushPromise { stream, .. } => Some(stream),
            Event::WindowUpdated { stream, .. } => stream,
            _ => None,
        }
    }

    /// True if the peer's message is complete with this event: END_STREAM came (RFC 9113 §8.1). A reset is no such end.
    pub fn ends_stream(&self) -> bool {
        match *self {
            Event::Request { end_stream, .. }
            | Event::HeadersTooLarge { end_stream, .. }
            | Event::Response { end_stream, .. }
            | Event::Data { end_stream, .. } => end_stream,
            Event::Trailers { .. } => true,
            _ => false,
        }
    }
}

/// Reason for the reset of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sent RST_STREAM.
    Peer,
    /// The peer broke a rule on the stream (RFC 9113 §5.4.2); the reason is for logs.
    Error(&'static str),
    /// The peer neither took nor sent enough in time.
    Stalled,
    /// The peer's GOAWAY says that it will never act on the stream: it can be tried elsewhere.
    GoAway,
}

/// The entries of a SETTINGS frame, in order.
#[derive(Clone, Copy)]
pub struct SettingsEntries<'e> {
    pub(super) entries: &'e [[u8; 6]],
    pub(super) before: Settings,
}

/// An entry of a SETTINGS frame, and the value that held before the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// The setting's identifier (see [`super::settings::id`]).
    pub id: u16,
    /// The value before; `None` for a setting that means nothing to us.
    pub before: Option<u32>,
    /// The value now.
    pub now: u32,
}

impl SettingsEntries<'_> {
    /// Identifiers (see [`super::settings::id`]) and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u16, u32)> + Clone {
        self.entries.iter().copied().map(decode::setting)
    }

    /// The entries beside the values that held before the frame.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = SettingChange> + Clone {
        let before = self.before;
        self.iter().map(move |(id, now)| SettingChange {
            id,
            before: before.value(id),
            now,
        })
    }
}

impl std::fmt::Debug for SettingsEntries<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The origins of an ORIGIN frame, in order.
#[derive(Clone, Copy)]
pub struct Origins<'e>(pub(super) &'e [u8]);

impl<'e> Origins<'e> {
    /// ASCII serialisations of origins, as they came.
    pub fn iter(&self) -> impl Iterator<Item = &'e [u8]> + Clone + use<'e> {
        extension::origins(self.0)
    }
}

impl std::fmt::Debug for Origins<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let origins = self.iter().map(|origin| origin.escape_ascii().to_string());
        f.debug_list().entries(origins).finish()
    }
}
