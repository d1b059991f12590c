//! The last lines of the logs.

use std::rc::Rc;

use serde::Serialize;

use crate::telemetry::recent_lines::{LaterLines, RecentReader, RecentRequests};
use crate::telemetry::standard_error;

/// The most bytes of lines of one log in one answer or event.
const MOST_BYTES: usize = 32 << 10;

/// Lines of both logs.
#[derive(Debug, Serialize)]
pub(super) struct LogText {
    /// Requests.
    access: Vec<String>,
    /// Messages of the server.
    server: Vec<String>,
    /// Lines that were left out because there were too many.
    lost: u64,
}

/// A reader that is told of new lines.
#[derive(Debug)]
pub(super) struct LogFollower {
    requests: Rc<RecentRequests>,
    /// The next line of each log.
    next: (u64, u64),
    /// Has lines of requests kept, even where no access log is written.
    _reader: RecentReader,
}

/// The last lines of both logs, from these on, and the numbers of the next.
fn since(requests: &RecentRequests, (access, server): (u64, u64)) -> (LogText, (u64, u64)) {
    let access = requests.lines.borrow_mut().since(access, MOST_BYTES);
    let nothing = LaterLines {
        lines: Vec::new(),
        lost: 0,
        next: server,
    };
    let server = standard_error::recent(|lines| lines.since(server, MOST_BYTES));
    let server = server.unwrap_or(nothing);
    let next = (access.next, server.next);
    let text = LogText {
        access: access.lines,
        server: server.lines,
        lost: access.lost + server.lost,
    };
    (text, next)
}

/// The last lines of both logs.
pub(super) fn last_lines(requests: &RecentRequests) -> LogText {
    let (mut text, _) = since(requests, (0, 0));
    // For a reader that has just come, lines before the last ones do not count as lost.
    text.lost = 0;
    text
}

impl LogFollower {
    /// A follower from the last lines on.
    pub(super) fn new(requests: &Rc<RecentRequests>) -> Self {
        LogFollower {
            requests: requests.clone(),
            next: (0, 0),
            _reader: requests.reader(),
        }
    }

    /// Lines that came since the last call, if any did.
    pub(super) fn later(&mut self) -> Option<LogText> {
        let is_first = self.next == (0, 0);
        let (mut text, next) = since(&self.requests, self.next);
        self.next = next;
        if is_first {
            text.lost = 0;
        }
        (!text.access.is_empty() || !text.server.is_empty()).then_some(text)
    }
}
