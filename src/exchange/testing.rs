//! An exchange as its protocol drives it, for tests of handlers.

use std::time::{Duration, Instant};

use super::*;
use crate::content::Progress;
use crate::http::Fields;
use crate::world::Token;
use crate::world::memory_files::MemoryFiles;

/// An exchange, its means, and the content that it has made since the last look.
pub(crate) struct Driver {
    active: ActiveRequest<MemoryFiles>,
    pub(crate) means: Means,
    files: MemoryFiles,
    out: Vec<u8>,
    size: Option<Size>,
}

/// Means at the beginning of time.
pub(crate) fn means() -> Means {
    let now = Instant::now();
    Means {
        wakes: Wakes::new(),
        #[cfg(feature = "proxy")]
        calls: Calls::new(),
        now,
        world_now: now,
        handler_timeout: Duration::from_secs(60),
        effort: Default::default(),
    }
}

/// Means of which a handler is lent a desk by itself.
pub(crate) struct Desks(Means);

impl Desks {
    pub(crate) fn new() -> Self {
        Desks(means())
    }

    /// Lends a desk for one call.
    pub(crate) fn lend<R>(&mut self, call: impl FnOnce(&mut Desk<'_>) -> R) -> R {
        call(&mut Desk::new(&self.0, place(), &mut AlarmOwner::default()))
    }
}

/// The only request of the only connection.
fn place() -> RequestPlace {
    let connection = Token {
        index: 0,
        serial: 1,
    };
    RequestPlace {
        connection,
        request: RequestKey(1),
    }
}

impl Driver {
    /// The exchange that a handler begins; `None` if it answers otherwise.
    pub(crate) fn new(
        handler: &mut dyn Handler<MemoryFiles>,
        request: &Request<'_>,
    ) -> Option<Self> {
        let place = place();
        let (means, mut alarm) = (means(), AlarmOwner::default());
        let mut desk = Desk::new(&means, place, &mut alarm);
        let Answer::Exchange(exchange) = handler.accept(request, &mut desk) else {
            return None;
        };
        Some(Driver {
            active: ActiveRequest::exchange(
                exchange,
                request,
                ContentHold::Nothing,
                (place, alarm),
                ContentBounds {
                    most: u64::MAX,
                    hold: usize::MAX,
                },
                means.now,
                None,
            ),
            means,
            files: MemoryFiles::new(),
            out: Vec::new(),
            size: None,
        })
    }

    /// Gives it a part of its request.
    pub(crate) fn receive(&mut self, part: Part<'_>) {
        match part {
            Part::Data(data) => {
                let taken = self.active.receive(data, u64::MAX, &self.means);
                assert!(taken.is_ok(), "there is no limit");
            }
            Part::Trailers(fields) => self.active.receive_trailers(fields, &self.means),
            Part::End => self.active.finish_request(&self.means),
            Part::Gone => self.active.abandon(&mut None, None, &self.means),
        }
    }

    /// Its head, if it has one now.
    pub(crate) fn head(&mut self) -> Option<Head> {
        match self.active.open(&mut self.files, &self.means).unwrap() {
            Opening::Head(head, size) => {
                self.size = Some(size);
                Some(head)
            }
            _ => None,
        }
    }

    /// True if nothing follows the head.
    pub(crate) fn is_complete(&self) -> bool {
        self.size == Some(Size::None)
    }

    /// Bytes that it holds of the request.
    pub(crate) fn held(&self) -> usize {
        self.active.held()
    }

    /// Has it make up to `max` bytes of content.
    pub(crate) fn read(&mut self, max: usize) -> Progress {
        let read = self
            .active
            .read(&mut self.files, &mut self.out, max, &self.means);
        read.unwrap()
    }

    /// The fields behind its content.
    pub(crate) fn trailers(&mut self) -> Option<Fields> {
        self.active.take_trailers()
    }

    /// The content that it made since the last look.
    pub(crate) fn content(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// All content, made in small pieces.
    pub(crate) fn read_all(&mut self) -> String {
        while self.read(7) != Progress::End {}
        String::from_utf8(self.content()).unwrap()
    }
}
