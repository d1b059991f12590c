//! The streams that live: slots that are used again, and where to find a stream by its identifier.
//!
//! A [`StreamKey`] names slot and identifier, so that a key of a stream that has ended finds nothing
//! even when its slot has another stream by now. Identifiers are kept sorted: streams arrive in
//! rising order, so finding is a binary search over pairs of integers, and adding is a push.

use slab::Slab;

use super::stream::Stream;
use super::turn::StreamSlot;

/// The most streams that live at a time: their slots fit 16 bits, and one value means none.
pub const MAX_STREAMS: usize = u16::MAX as usize;

/// A handle of one stream of one connection. It stays valid, and finds nothing, after the stream has
/// ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    index: u32,
    id: u32,
}

impl StreamKey {
    /// The stream identifier.
    pub fn id(self) -> u32 {
        self.id
    }

    /// A small number that is free again only when the stream has ended: an index for a user that keeps
    /// something beside each stream.
    pub fn index(self) -> usize {
        self.index as usize
    }

    pub(super) fn slot(self) -> StreamSlot {
        StreamSlot(self.index as u16)
    }
}

/// All streams of a connection.
#[derive(Default)]
pub struct Store {
    streams: Slab<Stream>,
    /// Identifier and slot, rising.
    ids: Vec<(u32, StreamSlot)>,
}

impl Store {
    /// Adds a stream, or says that there are [`MAX_STREAMS`] already.
    pub fn insert(&mut self, stream: Stream) -> Option<StreamKey> {
        if self.streams.len() >= MAX_STREAMS {
            return None;
        }
        let id = stream.id;
        // A slab hands out the lowest slots that were ever needed, so this fits.
        let slot = StreamSlot(self.streams.insert(stream) as u16);
        match self.ids.last() {
            Some(&(last, _)) if last > id => {
                let position = self.ids.partition_point(|&(other, _)| other < id);
                self.ids.insert(position, (id, slot));
            }
            _ => self.ids.push((id, slot)),
        }
        Some(self.key(slot, id))
    }

    /// Removes a stream that lives.
    pub fn remove(&mut self, slot: StreamSlot) -> Stream {
        let stream = self.streams.remove(slot.0.into());
        if let Ok(position) = self.position(stream.id) {
            self.ids.remove(position);
        }
        stream
    }

    /// The stream of this identifier, if it lives.
    pub fn find(&self, id: u32) -> Option<StreamSlot> {
        let position = self.position(id).ok()?;
        self.ids.get(position).map(|&(_, slot)| slot)
    }

    /// The stream of a key, if it still lives.
    pub fn slot(&self, key: StreamKey) -> Option<StreamSlot> {
        let stream = self.streams.get(key.index())?;
        (stream.id == key.id).then_some(key.slot())
    }

    /// The key of a stream that lives.
    pub fn key_of(&self, slot: StreamSlot) -> StreamKey {
        self.key(slot, self[slot].id)
    }

    /// The number of streams.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Says that there is none.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The slots of all streams, identifiers rising.
    pub fn slots(&self) -> impl Iterator<Item = StreamSlot> {
        self.ids.iter().map(|&(_, slot)| slot)
    }

    /// All streams, in no order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.streams.iter_mut().map(|(_, stream)| stream)
    }

    /// The last stream of an identifier above `id` with this parity.
    pub fn last_above(&self, id: u32, parity: u32) -> Option<StreamSlot> {
        let mut above = self.ids.iter().rev().take_while(|&&(other, _)| other > id);
        above
            .find(|&&(other, _)| other % 2 == parity)
            .map(|&(_, slot)| slot)
    }

    /// Gives back the memory of streams that have ended.
    pub fn shrink(&mut self) {
        if self.streams.is_empty() {
            // A new slab: an emptied one keeps its capacity's free list.
            self.streams = Slab::new();
        } else {
            self.streams.shrink_to_fit();
        }
        self.ids.shrink_to_fit();
    }

    /// The bytes that are allocated.
    pub fn heap(&self) -> usize {
        // A slab's entry is a stream and what tells a free slot.
        self.streams.capacity() * (size_of::<Stream>() + 8)
            + self.ids.capacity() * size_of::<(u32, StreamSlot)>()
    }

    fn key(&self, slot: StreamSlot, id: u32) -> StreamKey {
        StreamKey {
            index: slot.0.into(),
            id,
        }
    }

    fn position(&self, id: u32) -> Result<usize, usize> {
        self.ids.binary_search_by_key(&id, |&(other, _)| other)
    }
}

/// A slot was found by a key or an identifier, and is not kept beyond its stream.
#[expect(clippy::indexing_slicing, reason = "as said above")]
impl std::ops::Index<StreamSlot> for Store {
    type Output = Stream;

    fn index(&self, slot: StreamSlot) -> &Stream {
        &self.streams[slot.0.into()]
    }
}

#[expect(clippy::indexing_slicing, reason = "as for `Index`")]
impl std::ops::IndexMut<StreamSlot> for Store {
    fn index_mut(&mut self, slot: StreamSlot) -> &mut Stream {
        &mut self.streams[slot.0.into()]
    }
}
