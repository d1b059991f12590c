//! Errors of a fetch: one line each, which names the URL, the option, and the mend.

use super::url::Url;
use crate::h2::{Cause, ConnectionError, ErrorCode, Misuse};
use crate::http::status;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Informational responses before the final one. Beyond any use: Go's client takes five, and a server
/// that shows its patience by a 102 every 20 s has half an hour.
pub const MOST_INFORMATIONAL: u32 = 100;

/// The reason for which a fetch failed.
#[derive(Debug)]
pub enum Error {
    /// The machine refuses to poll.
    World(io::Error),
    /// The host has no address.
    Resolve(String, io::Error),
    /// No address of the host could be connected to; the last one's reason.
    Connect(String, io::Error),
    /// Connecting took too long; the caller knows which limit it was.
    TimedOut(String),
    /// Connecting took longer than `--connect-timeout`.
    ConnectTimeout(String, Duration),
    /// It all took longer than `--max-time`.
    MaxTime(Duration),
    /// The host's name cannot be in a certificate.
    ServerName(String),
    /// The server's certificate is not to be trusted.
    Certificate(String, rustls::CertificateError),
    /// TLS failed in another way.
    Tls(String, rustls::Error),
    /// The server speaks TLS on this port.
    SpeaksTls(String),
    /// The machine has no certificate authorities.
    NoRoots,
    /// The file of `--cacert`.
    CaCert(PathBuf, String),
    /// The server speaks something else.
    NoHttp2(String),
    /// Reading from or writing to the server failed.
    Socket(String, io::Error),
    /// The server closed the connection before it had answered.
    Closed(String),
    /// The server ended the connection and said why.
    GoneAway(String, ErrorCode, String),
    /// The server broke the protocol.
    Protocol(String, ConnectionError),
    /// The server gave up on the request.
    Reset(Url, ErrorCode, Cause),
    /// Two connections in a row took the request and did nothing with it.
    Refused(String),
    /// The request cannot be said in HTTP/2.
    Request(Url, Misuse),
    /// `location` leads nowhere.
    Location(Url, String),
    /// More redirects than `--max-redirects`.
    Redirects(Url, u32),
    /// `--fail`, and the status.
    Status(Url, u16),
    /// `--fail` with `-n`: responses of this URL with a status of 400 and above, of all.
    Statuses(Url, u64, u64),
    /// More informational responses than the client takes for one request.
    Informational(Url),
    /// The content to send cannot be read.
    Input(String, io::Error),
    /// The content would have to be sent again, and is gone.
    SpentInput(Url),
    /// The content cannot be written to this file, or to standard output.
    Output(Option<PathBuf>, io::Error),
    /// Some of the repeated requests got no answer.
    Incomplete(u64, Box<Error>),
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::World(reason) => write!(f, "the poll failed: {reason}"),
            Error::Resolve(host, reason) => write!(
                f,
                "no address is known for the host '{host}' ({}); see how it is spelt",
                said(reason)
            ),
            Error::Connect(authority, reason) => write!(
                f,
                "cannot connect to {authority}: {}; see that a server listens there",
                said(reason)
            ),
            Error::TimedOut(authority) => write!(f, "{authority} took too long"),
            Error::ConnectTimeout(authority, limit) => write!(
                f,
                "{authority} did not let us in within {limit:?}; --connect-timeout waits longer"
            ),
            Error::MaxTime(limit) => {
                write!(f, "not done within {limit:?}; --max-time waits longer")
            }
            Error::SpeaksTls(authority) => {
                write!(f, "{authority} speaks TLS on this port; write https://")
            }
            Error::NoHttp2(authority) => write!(
                f,
                "{authority} speaks no HTTP/2, and calmd get speaks nothing else; try curl"
            ),
            Error::Socket(authority, reason) => {
                write!(f, "the connection to {authority} broke: {}", said(reason))
            }
            Error::Closed(authority) => {
                write!(f, "{authority} closed the connection without an answer")
            }
            Error::GoneAway(authority, code, debug) => {
                write!(f, "{authority} ended the connection: {code}")?;
                if !debug.is_empty() {
                    write!(f, " ({debug})")?;
                }
                Ok(())
            }
            Error::Protocol(authority, error) => {
                write!(f, "{authority} broke the rules of HTTP/2: {error}")
            }
            Error::Refused(authority) => write!(
                f,
                "{authority} refused the request on two connections; try again later"
            ),
            Error::Incomplete(failed, last) => {
                write!(f, "{failed} requests failed; the last: {last}")
            }
            _ => self.fmt_request(f),
        }
    }
}

impl Error {
    /// True if the reader of standard output has gone, as behind `| head`: no failure to speak of.
    pub fn is_unread(&self) -> bool {
        matches!(self, Error::Output(None, reason) if reason.kind() == io::ErrorKind::BrokenPipe)
    }

    /// True if only the connection was lost.
    pub fn is_loss(&self) -> bool {
        matches!(self, Error::Closed(_) | Error::Socket(..))
    }

    /// Writes an error of one request rather than of the connection.
    fn fmt_request(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Reset(url, code, Cause::Error(reason)) => {
                write!(f, "the answer to {url} is malformed: {reason} ({code})")
            }
            Error::Reset(url, _, Cause::GoAway) => write!(
                f,
                "the server ended the connection in the middle of its answer to {url}"
            ),
            Error::Reset(url, code, _) => write!(f, "the server gave up on {url}: {code}"),
            Error::Request(url, Misuse::MalformedFields(_)) => write!(
                f,
                "the request for {url} has a field that HTTP/2 forbids; see -H and -X"
            ),
            Error::Request(url, misuse) => write!(f, "cannot ask for {url}: {misuse}"),
            Error::Location(url, reason) => {
                write!(f, "{url} redirects to where we cannot follow: {reason}")
            }
            Error::Redirects(url, limit) => write!(
                f,
                "{url} redirects once more after {limit} times; --max-redirects follows further"
            ),
            Error::Status(url, code) => {
                let reason = status::reason(*code);
                write!(f, "{url} answered {code} {reason} (--fail)")
            }
            Error::Statuses(url, count, all) => write!(
                f,
                "{url} answered {count} of {all} requests with 400 or above (--fail)"
            ),
            Error::Informational(url) => write!(
                f,
                "{url} sent {MOST_INFORMATIONAL} informational responses and no answer"
            ),
            Error::Input(name, reason) => write!(f, "cannot read {name} (-d): {}", said(reason)),
            Error::SpentInput(url) => write!(
                f,
                "the upload to {url} has to be sent again, which only a file can be; \
                 name one with -d FILE"
            ),
            Error::Output(Some(path), reason) => write!(
                f,
                "cannot write '{}' (-o): {}",
                path.display(),
                said(reason)
            ),
            Error::Output(None, reason) => {
                write!(f, "cannot write standard output: {}", said(reason))
            }
            _ => self.fmt_tls(f),
        }
    }

    fn fmt_tls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use rustls::CertificateError::{
            BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
            UnknownIssuer,
        };
        match self {
            Error::ServerName(host) => write!(f, "'{host}' cannot be in a certificate"),
            Error::NoRoots => f.write_str(
                "this machine has no certificate authorities; install ca-certificates, or name \
                 one with --cacert FILE",
            ),
            Error::CaCert(path, reason) => {
                let path = path.display();
                write!(
                    f,
                    "cannot use '{path}' (--cacert): {reason}; it must be PEM"
                )
            }
            // A signature is bad where an authority that we trust has only the same name.
            Error::Certificate(authority, UnknownIssuer | BadSignature) => write!(
                f,
                "nobody we trust vouches for the certificate of {authority}; name its authority \
                 with --cacert FILE, or go without the check by --insecure"
            ),
            Error::Certificate(authority, NotValidForName | NotValidForNameContext { .. }) => {
                write!(
                    f,
                    "the certificate of {authority} is for other names; see the URL, or go without \
                     the check by --insecure"
                )
            }
            Error::Certificate(authority, Expired | ExpiredContext { .. }) => write!(
                f,
                "the certificate of {authority} has expired; go without the check by --insecure"
            ),
            Error::Certificate(authority, reason) => write!(
                f,
                "the certificate of {authority} is not to be trusted: {reason:?}; --cacert FILE \
                 names its authority, --insecure goes without the check"
            ),
            Error::Tls(authority, rustls::Error::InvalidMessage(_)) => {
                write!(f, "{authority} speaks no TLS on this port; write http://")
            }
            Error::Tls(authority, reason) => write!(f, "TLS with {authority} failed: {reason}"),
            _ => Ok(()),
        }
    }
}

/// The system's words, without the number that says them again.
fn said(reason: &io::Error) -> String {
    let text = reason.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}
