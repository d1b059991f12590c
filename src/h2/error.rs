//! Errors, in three types that are never mixed up (RFC 9113 §5.4).
//!
//! A [`ConnectionError`] ends the connection with GOAWAY, a [`StreamError`] ends one stream with
//! RST_STREAM; both are the peer's doing (or its timeouts). A [`Misuse`] is the caller's: the command
//! has no effect and nothing of it reaches the wire. [`Error`] is any of them, for a program that handles all
//! alike.

use std::fmt;

use super::field_section::Malformed;
use super::frame::FrameHeader;

/// An error code of RST_STREAM and GOAWAY (RFC 9113 §7). Codes that nobody has registered are kept
/// as they came: they trigger no special behaviour.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Not an error: graceful shutdown, or a stream that is no longer needed.
    pub const NO_ERROR: ErrorCode = ErrorCode(0x0);
    /// A protocol error that no other code describes.
    pub const PROTOCOL_ERROR: ErrorCode = ErrorCode(0x1);
    /// The endpoint failed, not its peer.
    pub const INTERNAL_ERROR: ErrorCode = ErrorCode(0x2);
    /// More bytes than a window allowed, or a window beyond its maximum.
    pub const FLOW_CONTROL_ERROR: ErrorCode = ErrorCode(0x3);
    /// A SETTINGS frame was not acknowledged in time.
    pub const SETTINGS_TIMEOUT: ErrorCode = ErrorCode(0x4);
    /// A frame on a half-closed stream.
    pub const STREAM_CLOSED: ErrorCode = ErrorCode(0x5);
    /// A frame of an invalid size.
    pub const FRAME_SIZE_ERROR: ErrorCode = ErrorCode(0x6);
    /// Refused before any processing: the request can be tried again.
    pub const REFUSED_STREAM: ErrorCode = ErrorCode(0x7);
    /// The stream is no longer needed.
    pub const CANCEL: ErrorCode = ErrorCode(0x8);
    /// The compression context cannot be maintained.
    pub const COMPRESSION_ERROR: ErrorCode = ErrorCode(0x9);
    /// The connection of a CONNECT request failed.
    pub const CONNECT_ERROR: ErrorCode = ErrorCode(0xa);
    /// The peer causes excessive load.
    pub const ENHANCE_YOUR_CALM: ErrorCode = ErrorCode(0xb);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: ErrorCode = ErrorCode(0xc);
    /// HTTP/1.1 has to be used instead.
    pub const HTTP_1_1_REQUIRED: ErrorCode = ErrorCode(0xd);

    /// The registered name of the code.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            ErrorCode::NO_ERROR => "NO_ERROR",
            ErrorCode::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            ErrorCode::INTERNAL_ERROR => "INTERNAL_ERROR",
            ErrorCode::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            ErrorCode::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
            ErrorCode::STREAM_CLOSED => "STREAM_CLOSED",
            ErrorCode::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            ErrorCode::REFUSED_STREAM => "REFUSED_STREAM",
            ErrorCode::CANCEL => "CANCEL",
            ErrorCode::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            ErrorCode::CONNECT_ERROR => "CONNECT_ERROR",
            ErrorCode::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            ErrorCode::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
            ErrorCode::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
            _ => return None,
        })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The connection is over (RFC 9113 §5.4.1). GOAWAY with this code, and the reason as its debug
/// data, is already in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// The code of the GOAWAY frame.
    pub code: ErrorCode,
    /// The peer's deed, for logs and for those who debug the peer.
    pub reason: &'static str,
    /// The frame that it was done with: its stream, type, flags and length. `None` where no frame was, as
    /// with a timeout, or with a preface that is none.
    pub frame: Option<FrameHeader>,
}

impl ConnectionError {
    /// A preface (RFC 9113 §3.4) whose beginning has come, but not its end.
    pub const LATE_PREFACE: ConnectionError =
        ConnectionError::new(ErrorCode::SETTINGS_TIMEOUT, "preface not completed in time");

    /// A field block (RFC 9113 §4.3) whose beginning has come, but not its end.
    pub const LATE_FIELD_BLOCK: ConnectionError =
        ConnectionError::calm("field block not completed in time");

    pub(super) const fn new(code: ErrorCode, reason: &'static str) -> Self {
        ConnectionError {
            code,
            reason,
            frame: None,
        }
    }

    /// The error with the frame that caused it.
    pub(super) const fn of_frame(self, frame: FrameHeader) -> Self {
        ConnectionError {
            frame: Some(frame),
            ..self
        }
    }

    pub(super) const fn protocol(reason: &'static str) -> Self {
        Self::new(ErrorCode::PROTOCOL_ERROR, reason)
    }

    pub(super) const fn frame_size(reason: &'static str) -> Self {
        Self::new(ErrorCode::FRAME_SIZE_ERROR, reason)
    }

    pub(super) const fn flow_control(reason: &'static str) -> Self {
        Self::new(ErrorCode::FLOW_CONTROL_ERROR, reason)
    }

    pub(super) const fn calm(reason: &'static str) -> Self {
        Self::new(ErrorCode::ENHANCE_YOUR_CALM, reason)
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

impl std::error::Error for ConnectionError {}

/// One stream is over (RFC 9113 §5.4.2); the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// The code of the RST_STREAM frame.
    pub code: ErrorCode,
    /// The peer's deed.
    pub reason: &'static str,
}

impl StreamError {
    /// A request beyond SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §5.1.2). It can be tried again.
    pub const TOO_MANY: StreamError =
        StreamError::new(ErrorCode::REFUSED_STREAM, "too many streams");

    /// A request behind the last stream that a GOAWAY of ours names (RFC 9113 §6.8). It can be tried
    /// again on another connection.
    pub const LEAVING: StreamError =
        StreamError::new(ErrorCode::REFUSED_STREAM, "sent after GOAWAY");

    pub(super) const fn new(code: ErrorCode, reason: &'static str) -> Self {
        StreamError { code, reason }
    }

    pub(super) const fn protocol(reason: &'static str) -> Self {
        Self::new(ErrorCode::PROTOCOL_ERROR, reason)
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

impl std::error::Error for StreamError {}

/// The caller asked for something that the protocol does not allow. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The stream has ended, or its sending half has, or it never was.
    StreamClosed,
    /// The stream's state does not allow this frame: a body before its head, a head twice, trailers
    /// that do not end the stream.
    OutOfOrder,
    /// A client's command on a server's connection, or the reverse.
    WrongRole,
    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS is reached (RFC 9113 §5.1.2).
    TooManyStreams {
        /// The limit, or 65,535 streams where the peer has a higher one: no connection keeps more.
        limit: u32,
    },
    /// No stream identifier is left (RFC 9113 §5.1.1): a new connection is needed.
    StreamIdsExhausted,
    /// GOAWAY was sent or received, or the connection has failed: nothing new can begin.
    GoingAway,
    /// More than the stream's or the connection's window allows.
    WindowExceeded {
        /// Bytes that were to be sent, padding and its length included.
        len: u64,
        /// Bytes that may be sent.
        window: u32,
    },
    /// More than the peer's SETTINGS_MAX_FRAME_SIZE allows.
    FrameTooLarge {
        /// Bytes of the frame's payload.
        len: u64,
        /// The most that the peer takes.
        max: u32,
    },
    /// More was to be released than is held: the amounts are those of
    /// [`Event::Data`](super::Event::Data), each once.
    ReleasedTooMuch {
        /// Bytes that were to be released.
        len: u32,
        /// Bytes that the stream holds.
        held: u32,
    },
    /// A field section that RFC 9113 §8.2 or §8.3 forbids, and the reason.
    MalformedFields(Malformed),
    /// A value that its setting or its frame cannot have.
    InvalidValue,
    /// The peer disabled push (RFC 9113 §8.4).
    PushDisabled,
    /// Our SETTINGS say that no priorities of RFC 7540 are sent (RFC 9218 §2.1), because
    /// [`Config::rfc7540_priorities`](super::Config::rfc7540_priorities) is off.
    Rfc7540Disabled,
    /// The frame type belongs to RFC 9113; frames of those are made by their own commands.
    ReservedFrameType,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Misuse::StreamClosed => "the stream is closed for sending",
            Misuse::OutOfOrder => "the stream's state does not allow this frame",
            Misuse::WrongRole => "the other role's command",
            Misuse::TooManyStreams { limit } => {
                return write!(
                    f,
                    "the peer's limit of {limit} concurrent streams is reached"
                );
            }
            Misuse::StreamIdsExhausted => "no stream identifier is left",
            Misuse::GoingAway => "the connection is going away",
            Misuse::WindowExceeded { len, window } => {
                return write!(f, "{len} bytes are more than the window of {window}");
            }
            Misuse::FrameTooLarge { len, max } => {
                return write!(
                    f,
                    "{len} bytes are more than the peer's largest frame of {max}"
                );
            }
            Misuse::ReleasedTooMuch { len, held } => {
                return write!(f, "{len} bytes were to be released, and {held} are held");
            }
            Misuse::MalformedFields(Malformed(reason)) => {
                return write!(f, "a field section that HTTP/2 forbids: {reason}");
            }
            Misuse::InvalidValue => "a value out of range",
            Misuse::PushDisabled => "the peer disabled push",
            Misuse::Rfc7540Disabled => "our SETTINGS say that no priorities of RFC 7540 are sent",
            Misuse::ReservedFrameType => "a frame type of RFC 9113",
        })
    }
}

impl std::error::Error for Misuse {}

/// Any error of this room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The peer's, and the connection is over.
    Connection(ConnectionError),
    /// The peer's, and one stream is over.
    Stream(StreamError),
    /// The caller's, and nothing happened.
    Misuse(Misuse),
}

impl Error {
    /// The code that the peer is told; `None` for a [`Misuse`], of which it is told nothing.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Connection(error) => Some(error.code),
            Error::Stream(error) => Some(error.code),
            Error::Misuse(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connection(error) => error.fmt(f),
            Error::Stream(error) => error.fmt(f),
            Error::Misuse(misuse) => misuse.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Error::Connection(error)
    }
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Self {
        Error::Stream(error)
    }
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Error::Misuse(misuse)
    }
}

/// The faults with which processing one frame can fail; never leaves the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameFault {
    Connection(ConnectionError),
    Stream {
        id: u32,
        error: StreamError,
    },
    /// A field section of a stream that lives, or of a promise; the caller has it.
    Section {
        id: u32,
        error: StreamError,
    },
    /// A new request, which does not become a stream.
    Request {
        id: u32,
        error: StreamError,
    },
}

impl FrameFault {
    pub(super) const fn stream(id: u32, error: StreamError) -> Self {
        FrameFault::Stream { id, error }
    }

    /// The fault with the frame that caused it.
    #[cold]
    pub(super) fn of_frame(self, frame: FrameHeader) -> Self {
        match self {
            FrameFault::Connection(error) => FrameFault::Connection(error.of_frame(frame)),
            fault => fault,
        }
    }

    /// The fault of a field section that came whole.
    pub(super) const fn of_section(self) -> Self {
        match self {
            FrameFault::Stream { id, error } => FrameFault::Section { id, error },
            fault => fault,
        }
    }

    /// The fault of a stream that nobody was told of.
    pub(super) const fn of_request(self) -> Self {
        match self {
            FrameFault::Stream { id, error } => FrameFault::Request { id, error },
            fault => fault,
        }
    }
}

impl From<ConnectionError> for FrameFault {
    fn from(error: ConnectionError) -> Self {
        FrameFault::Connection(error)
    }
}
