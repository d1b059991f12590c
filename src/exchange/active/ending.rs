//! The end of a request that is being answered: whole, lost, given up, or replaced by another response; and its
//! line of the access log.

use std::rc::Rc;

use super::{ActiveRequest, Source};
use crate::exchange::changes::FieldChanges;
use crate::exchange::desk::Means;
use crate::exchange::dialogue::Part;
use crate::exchange::kept::KeptRequest;
use crate::http::Method;
use crate::telemetry::access_log::{AccessLog, Ended, Entry, LostOutput};
use crate::world::Files;

/// The rest of a request whose exchange was given up for another response.
pub(crate) struct Replaced {
    /// The method: no content may follow where that is so for the exchange's response.
    pub method: Method,
    /// The line of the log.
    pub entry: Option<Box<Entry>>,
    /// Changes of the fields of the response.
    pub changes: Option<Rc<FieldChanges>>,
}

impl<F: Files> ActiveRequest<F> {
    /// Notes that the end of the connection's output is lost. Returns the reason if the end of this request's content
    /// was in it.
    pub(crate) fn lose(&mut self, lost: &mut LostOutput) -> Option<&'static str> {
        lost.take_from(&mut self.sent)
    }

    /// The response is another than that of the source: of this status, with so many bytes.
    pub(crate) fn refuse(&mut self, status: u16, content_bytes: u64) {
        self.status = status;
        self.sent = content_bytes;
    }

    /// The request that is asked for again, and its line of the log.
    pub(crate) fn into_kept(mut self) -> Option<(Box<KeptRequest>, Option<Box<Entry>>)> {
        let Source::Exchange(running) = &mut self.source else {
            return None;
        };
        Some((running.take_kept()?, self.entry.take()))
    }

    /// Gives up the exchange for a response that takes the place of its own. Its line of the log has the
    /// reason.
    pub(crate) fn replace(mut self, reason: Option<&'static str>, means: &Means) -> Replaced {
        let (method, changes) = match &self.source {
            Source::Exchange(running) => (running.method(), running.changes()),
            Source::Content(_) => (Method::Get, None),
        };
        self.pass(Part::Gone, means);
        let mut entry = self.entry.take();
        if let Some(entry) = &mut entry {
            entry.add_received(self.received);
            if let Some(reason) = reason {
                entry.blame(reason);
            }
        }
        Replaced {
            method,
            entry,
            changes,
        }
    }

    /// The request is over before its response is complete: its exchange is told, and its line of the
    /// log can be written, with the reason if there is one.
    pub(crate) fn abandon(
        &mut self,
        log: &mut Option<AccessLog>,
        reason: Option<&'static str>,
        means: &Means,
    ) {
        self.pass(Part::Gone, means);
        self.conclude(log, reason);
    }

    /// The request is over: its line of the log can be written, with the reason if there is one.
    pub(crate) fn conclude(&mut self, log: &mut Option<AccessLog>, reason: Option<&'static str>) {
        match (log, self.entry.take()) {
            (Some(log), Some(mut entry)) => {
                entry.add_received(self.received);
                log.end(Ended {
                    entry,
                    status: self.status,
                    body_bytes: self.sent,
                    reason,
                });
            }
            (Some(log), None) => log.count_untold(self.status),
            (None, _) => {}
        }
    }
}
