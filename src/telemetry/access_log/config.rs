//! The configuration of the access log.

use std::path::PathBuf;

/// The place and the form of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// The file; `None` is standard output.
    pub file: Option<PathBuf>,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of an access log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Apache's combined format.
    #[default]
    Combined,
    /// The combined format, and behind it host, TLS version, bytes of the request's content, time to the
    /// first byte and to the last, in seconds.
    Extended,
    /// One JSON object a line.
    Json,
}
