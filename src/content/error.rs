//! The reasons for which content cannot be completed.

use std::fmt;
use std::io;

/// Reason why a body cannot be completed. The response must be cut off, never padded.
#[derive(Debug)]
pub enum BodyError {
    /// The file has become shorter than the length that was promised.
    Truncated,
    /// The file has changed since its first bytes were sent.
    Changed,
    /// The file can no longer be read.
    Io(io::Error),
    /// The content's memory was needed elsewhere while its reader stalled.
    Displaced,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Truncated => f.write_str("the file was cut short while it was sent"),
            BodyError::Changed => f.write_str("the file was changed while it was sent"),
            BodyError::Io(error) => write!(f, "the file cannot be read: {error}"),
            BodyError::Displaced => f.write_str("it was not read while others needed its memory"),
        }
    }
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => BodyError::Truncated,
            _ => BodyError::Io(error),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Truncated | BodyError::Changed | BodyError::Displaced => None,
            BodyError::Io(error) => Some(error),
        }
    }
}
