//! The reasons for which an exchange ends without a response, or behind a part of it.

use std::fmt;

use crate::content::BodyError;

/// The end of a response whose content could not be had, as the access log says it.
const CUT_SHORT: &str = "the rest could not be read";

/// An answer that cannot be given, or not to its end.
///
/// Before the head it is answered with the page of a status. Behind it the response is cut off, never
/// padded: HTTP/1.1 closes the connection, HTTP/2 resets the stream with INTERNAL_ERROR. The reason
/// stands in the access log.
#[derive(Debug)]
pub struct Failure {
    status: u16,
    reason: &'static str,
    cause: FailureCause,
}

/// The part of the program that a failure is due to.
#[derive(Debug)]
enum FailureCause {
    Handler,
    Content(BodyError),
    #[cfg(feature = "proxy")]
    Upstream,
    Time,
}

impl Failure {
    /// A failure that is answered with this status, 400 to 599, where no head was sent.
    pub fn new(status: u16, reason: &'static str) -> Self {
        Failure {
            status: if (400..600).contains(&status) {
                status
            } else {
                500
            },
            reason,
            cause: FailureCause::Handler,
        }
    }

    /// A handler that has let its time pass.
    pub(crate) fn late() -> Self {
        Failure {
            status: 504,
            reason: "the handler took too long",
            cause: FailureCause::Time,
        }
    }

    /// An upstream that gives no response, or not the rest of it.
    #[cfg(feature = "proxy")]
    pub(crate) fn upstream(status: u16, reason: &'static str) -> Self {
        Failure {
            status,
            reason,
            cause: FailureCause::Upstream,
        }
    }

    /// A handler whose steps make no response.
    pub(super) fn misuse(reason: &'static str) -> Self {
        Failure::new(500, reason)
    }

    /// The status, where no head was sent.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason for the access log.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// True if a deadline was met.
    pub(crate) fn is_late(&self) -> bool {
        matches!(self.cause, FailureCause::Time)
    }

    /// True if an upstream is the reason.
    pub(crate) fn is_of_upstream(&self) -> bool {
        match self.cause {
            #[cfg(feature = "proxy")]
            FailureCause::Upstream => true,
            _ => false,
        }
    }

    /// True if the memory of content was needed for others, while its reader took none of it.
    pub(crate) fn is_displaced(&self) -> bool {
        matches!(self.cause, FailureCause::Content(BodyError::Displaced))
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Failure {
            status: 500,
            reason: CUT_SHORT,
            cause: FailureCause::Content(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            FailureCause::Content(error) => error.fmt(f),
            _ => f.write_str(self.reason),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            FailureCause::Content(error) => Some(error),
            _ => None,
        }
    }
}
