//! The site as a handler, and files whose names only a disk has. Opening one would keep all connections waiting, so
//! the helper process, where there is one, opens the file and passes its descriptor back, or the error that it met.
//! Then the request is asked for again, and takes the file from there.
//!
//! ```text
//!  respond ─▶ all names are in memory ─────────────────────────────▶ Response
//!     ▲  └──▶ one is not ─▶ NameGate ─▶ the helper opens it ────┐
//!     └──────────────────── asked again ◀──── answer, or none ──┘
//! ```

use std::rc::Rc;
use std::time::Instant;

use super::Site;
use crate::content::{ColdNames, FileTable};
use crate::exchange::{
    Answer, Desk, Exchange, Failure, Handler, LoginOutcome, Request, Room, Step, Until,
};
use crate::world::{FileReads, Files};

impl<F: Files> Handler<F> for Site<F> {
    fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        // Files have changed while the event loop was absent.
        let now = desk.world_now();
        let is_helped = self.reads.is_helped();
        if is_helped || self.open_files.has_awaited(now) {
            return self.respond_or_wait(request, now, is_helped);
        }
        Answer::Response(self.respond(request, now))
    }
}

impl<F: Files> Site<F> {
    /// Answers a request, if all names for that are in memory, or open, or no helper takes a task.
    fn respond_or_wait(
        &mut self,
        request: &Request<'_>,
        now: Instant,
        is_helped: bool,
    ) -> Answer<F> {
        self.open_files.shun_waits(now, is_helped);
        let response = self.respond(request, now);
        match self.open_files.bear_waits() {
            None => Answer::Response(response),
            Some(names) => Answer::Exchange(Box::new(NameGate {
                files: self.open_files.clone(),
                names,
            })),
        }
    }
}

/// A request that waits for a name.
struct NameGate<F: Files> {
    files: Rc<FileTable<F>>,
    names: ColdNames<F::Opening>,
}

impl<F: Files> Exchange<F> for NameGate<F> {
    /// As much as the connection's window lets come: the answer behind the gate has a limit of its own.
    fn content_limit(&self) -> Option<u64> {
        Some(u64::MAX)
    }

    fn asks_again(&self) -> bool {
        true
    }

    /// The first time, the helper is asked; the second time, it has answered, or is given up.
    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if self.names.is_wanting() {
            self.names.begin(&mut *self.files.tree(), room.reads());
            return Ok(Step::Wait(Until::Disk));
        }
        let names = std::mem::take(&mut self.names);
        self.files.note_awaited(desk.world_now(), names);
        Ok(Step::AskAgain(LoginOutcome::Granted))
    }
}
