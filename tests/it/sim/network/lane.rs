//! One direction of a connection: bytes on their way, then waiting to be read.

use std::collections::VecDeque;
use std::time::Duration;

/// One direction of a link.
pub struct Lane {
    /// Bytes that the reader can read.
    pub arrived: VecDeque<u8>,
    in_flight: VecDeque<Flight>,
    /// Number of bytes in flight.
    flying: usize,
    /// Number of bytes that the buffers on both sides hold together.
    pub capacity: usize,
    pub writer: Writer,
    pub reader: Reader,
}

struct Flight {
    at: Duration,
    cargo: Cargo,
}

/// Content of a flight.
pub enum Cargo {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// State of the writer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    Open,
    Ended,
}

/// State of the reader, behind the bytes that have arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Open,
    Ended,
    Reset,
}

impl Lane {
    pub fn new(capacity: usize) -> Self {
        Lane {
            arrived: VecDeque::new(),
            in_flight: VecDeque::new(),
            flying: 0,
            capacity,
            writer: Writer::Open,
            reader: Reader::Open,
        }
    }

    /// Number of bytes that can still be written.
    pub fn room(&self) -> usize {
        self.capacity
            .saturating_sub(self.arrived.len() + self.flying)
    }

    /// Sends cargo. It arrives behind all earlier cargo.
    pub fn fly(&mut self, at: Duration, cargo: Cargo) {
        if let Cargo::Bytes(bytes) = &cargo {
            self.flying += bytes.len();
        }
        let at = self.in_flight.back().map_or(at, |last| last.at.max(at));
        self.in_flight.push_back(Flight { at, cargo });
    }

    /// Drops all bytes in flight and all unread bytes. The reader gets a reset.
    pub fn reset(&mut self) {
        self.drop_flights();
        self.arrived.clear();
        self.reader = Reader::Reset;
        self.writer = Writer::Ended;
    }

    /// True if bytes are in flight.
    pub fn is_flying(&self) -> bool {
        self.flying > 0
    }

    /// Drops all cargo in flight.
    pub fn drop_flights(&mut self) {
        self.in_flight.clear();
        self.flying = 0;
    }

    /// Moves up to `max` bytes that have arrived to the end of `out`.
    pub fn take(&mut self, out: &mut Vec<u8>, max: usize) -> usize {
        let len = max.min(self.arrived.len());
        let (front, back) = self.arrived.as_slices();
        let split = len.min(front.len());
        out.extend_from_slice(&front[..split]);
        out.extend_from_slice(&back[..len - split]);
        self.arrived.drain(..len);
        len
    }

    /// Time at which the next flight arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.in_flight.front().map(|flight| flight.at)
    }

    /// The next flight that has arrived by now.
    pub fn land(&mut self, now: Duration) -> Option<Cargo> {
        if self.next_arrival()? > now {
            return None;
        }
        let cargo = self.in_flight.pop_front()?.cargo;
        if let Cargo::Bytes(bytes) = &cargo {
            self.flying -= bytes.len();
        }
        Some(cargo)
    }

    /// Gives landed cargo to the reader.
    pub fn unload(&mut self, cargo: Cargo) {
        match cargo {
            Cargo::Bytes(bytes) => self.arrived.extend(bytes),
            Cargo::End => self.reader = Reader::Ended,
            Cargo::Reset => self.reset(),
        }
    }
}
