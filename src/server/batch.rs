//! Requests of HTTP/2 that came together: they are read together, and then answered together.
//!
//! The code that reads a request and the code that answers one do not fit into a processor's instruction cache (32
//! KiB) at the same time. Where each request is answered before the next is read, both are fetched from the next
//! cache again and again. By simulation that is 180 cache lines for each request of 1 KB, and 64 for each in a batch:
//! a tenth of the time.
//! This is one of the [tricks that must not be undone](crate#performance-tricks-that-must-not-be-undone).

use crate::h2::StreamKey;
use crate::http::{Expected, Fields};

/// Requests that are read before the first of them is answered, at most.
const MOST: usize = 8;

/// Number of fields of a head that nearly all crowds keep to.
pub const FIELDS: usize = 256;
/// The bytes of these.
pub const FIELD_BYTES: usize = 32 << 10;

/// Requests that wait to be answered, in their order, and room for more.
#[derive(Default)]
pub struct Batch {
    /// Field sections: those of `heads`, and behind them free ones. They have all of their room from the first use.
    sections: Vec<Fields>,
    heads: Vec<BatchedHead>,
}

/// A request in a batch, beside its fields.
#[derive(Clone, Copy)]
pub struct BatchedHead {
    /// Its stream.
    pub stream: StreamKey,
    /// True if nothing comes behind its fields.
    pub end_stream: bool,
    /// The word that its client waits for.
    pub expected: Expected,
    /// True if an equal request is behind it in the input.
    pub is_followed: bool,
}

impl Batch {
    /// The requests with their fields, and room for the fields of another one; None where there is no room.
    pub fn split(&mut self) -> Option<(Batched<'_>, &mut Fields)> {
        if self.sections.is_empty() {
            let section = || Fields::with_capacity(FIELDS, FIELD_BYTES);
            self.sections = std::iter::repeat_with(section).take(MOST).collect();
        }
        let (sections, free) = self.sections.split_at_mut_checked(self.heads.len())?;
        let heads = &mut self.heads;
        Some((Batched { heads, sections }, free.first_mut()?))
    }

    /// The requests with their fields.
    pub fn all(&mut self) -> Batched<'_> {
        Batched {
            heads: &mut self.heads,
            sections: &self.sections,
        }
    }

    /// The fields of the request that has this place, or had it in the batch that was answered last.
    pub fn section(&self, place: usize) -> Option<&Fields> {
        self.sections.get(place)
    }

    /// The fields that came first since [`Batch::clear`], of a request or of anything else.
    #[cfg(feature = "panel")]
    pub fn first(&self) -> &Fields {
        const NONE: &Fields = &Fields::new();
        self.sections.first().unwrap_or(NONE)
    }

    /// Forgets the fields that came first.
    #[cfg(feature = "panel")]
    pub fn clear(&mut self) {
        if let Some(first) = self.sections.first_mut() {
            first.clear();
        }
    }
}

/// Requests of a batch.
pub struct Batched<'b> {
    heads: &'b mut Vec<BatchedHead>,
    sections: &'b [Fields],
}

impl<'b> Batched<'b> {
    /// The number of requests.
    pub fn count(&self) -> usize {
        self.heads.len()
    }

    /// Adds a request, whose fields are in the room that [`Batch::split`] gave. True if it is to be answered with
    /// those before it, of which there may be `most`.
    pub fn push(self, head: BatchedHead, most: usize) -> bool {
        self.heads.push(head);
        self.heads.len() >= most.min(MOST)
    }

    /// Takes the requests out, in their order.
    pub fn take(self) -> impl Iterator<Item = (BatchedHead, &'b Fields)> {
        self.heads.drain(..).zip(self.sections)
    }
}
