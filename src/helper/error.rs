//! Errors of starting the helper process.

use std::fmt;
use std::io;

/// Reason why there is no helper. Displayed, it is one line that says how to mend it.
#[derive(Debug)]
pub enum HelperError {
    /// The process could not be started, or its socket could not be made.
    Start(io::Error),
    /// The process ended, or did not tell in time that it takes tasks.
    NotReady,
    /// This process was started by the helper's name, but not by a server.
    NoServer,
}

impl std::error::Error for HelperError {}

impl fmt::Display for HelperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mend = "--helper off serves without";
        match self {
            HelperError::Start(error) => write!(
                f,
                "cannot start the helper process from /proc/self/exe: {error}; let the user that it is for \
                 run the program, or {mend}"
            ),
            HelperError::NotReady => write!(
                f,
                "the helper process does not get ready, and says above why if it can; {mend}"
            ),
            HelperError::NoServer => f.write_str(
                "this is the helper of a server, which starts it by itself (--helper on); start the \
                 server by another name",
            ),
        }
    }
}
