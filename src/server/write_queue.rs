//! Output that the socket did not take yet.
//!
//! Output is written straight from a shared buffer and from the content spliced into it; only what
//! falls short is kept here. An idle connection's queue holds no memory.

use super::splices::{Content, Splices};
use crate::site::Slice;
use crate::world::{Files, World};
use std::io::{self, IoSlice};

/// So many pieces are sent by one call: [`super::splices::MOST_SPLICED`] is sixteen DATA frames with
/// their headers, and a few may be shorter.
const GATHERED: usize = 40;

/// The unsent tail of a connection's output.
pub struct WriteQueue<F: Files>(Option<Box<Tail<F>>>);

/// What waits, in order: bytes, and the slices of content between them.
struct Tail<F: Files> {
    bytes: Vec<u8>,
    sent: usize,
    splices: Splices<F>,
}

impl<F: Files> Default for Tail<F> {
    fn default() -> Self {
        Tail {
            bytes: Vec::new(),
            sent: 0,
            splices: Splices::default(),
        }
    }
}

impl<F: Files> Tail<F> {
    fn is_sent(&self) -> bool {
        self.sent == self.bytes.len() && self.splices.is_empty()
    }

    /// Adds an output of which the first `sent` bytes are sent.
    fn append(&mut self, bytes: &[u8], sent: usize, splices: &mut Splices<F>) {
        self.splices.append(&mut self.bytes, bytes, sent, splices);
    }
}

impl<F: Files> Default for WriteQueue<F> {
    fn default() -> Self {
        WriteQueue(None)
    }
}

impl<F: Files> WriteQueue<F> {
    /// Bytes that wait in memory of this connection's own: those of files and of the cache do not.
    pub fn held(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |tail| tail.bytes.len() - tail.sent)
    }

    /// The memory that they take; the files are read only when they are sent.
    pub fn memory(&self) -> usize {
        let memory =
            |tail: &Tail<F>| size_of_val(tail) + tail.bytes.capacity() + tail.splices.memory();
        self.0.as_deref().map_or(0, memory)
    }

    /// Whether the socket has taken everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Writes what waits, then `bytes`, into which nothing is spliced.
    pub fn write_bytes<W: World<Files = F>>(
        &mut self,
        world: &mut W,
        socket: &mut W::Socket,
        bytes: &[u8],
    ) -> io::Result<usize> {
        Ok(self.write(world, socket, bytes, &mut Splices::default())?)
    }

    /// Writes what waits, then `bytes` with what is spliced into them; keeps what the socket does not
    /// take, and leaves `splices` empty. Returns how many bytes it took.
    pub fn write<W: World<Files = F>>(
        &mut self,
        world: &mut W,
        socket: &mut W::Socket,
        bytes: &[u8],
        splices: &mut Splices<F>,
    ) -> Result<usize, WriteError> {
        let mut taken = 0;
        if let Some(tail) = &mut self.0 {
            taken = write(
                world,
                socket,
                &tail.bytes,
                &mut tail.sent,
                &mut tail.splices,
            )?;
            if !tail.is_sent() {
                tail.append(bytes, 0, splices);
                return Ok(taken);
            }
            self.0 = None;
        }
        let mut sent = 0;
        taken += write(world, socket, bytes, &mut sent, splices)?;
        if sent < bytes.len() || !splices.is_empty() {
            self.0.insert(Box::default()).append(bytes, sent, splices);
        }
        splices.clear();
        Ok(taken)
    }
}

/// Why the rest of an output cannot be sent.
#[derive(Debug)]
pub enum WriteError {
    /// The socket has failed.
    Socket(io::Error),
    /// A range of a file cannot be sent, whose length was promised: nothing else can take the place of
    /// its bytes. The socket may be as good as ever.
    File(io::Error),
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Socket(error) | WriteError::File(error) => error,
        }
    }
}

/// Whether the next attempt may succeed.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Writes from the byte `sent` on until everything is taken or the socket would block. Returns how
/// many bytes were taken, those of the slices included.
fn write<W: World>(
    world: &mut W,
    socket: &mut W::Socket,
    bytes: &[u8],
    sent: &mut usize,
    splices: &mut Splices<W::Files>,
) -> Result<usize, WriteError> {
    let mut taken = 0;
    loop {
        let result = match splices.first() {
            Some((at, Content::Slice(Slice::File(slice)))) if at == *sent => {
                let max = usize::try_from(slice.len()).unwrap_or(usize::MAX);
                match world.send_file(socket, &slice.file().get(), slice.offset(), max) {
                    Ok(0) => return Err(WriteError::File(io::ErrorKind::UnexpectedEof.into())),
                    // Nobody tells which of the two has failed. A socket shows it soon enough.
                    Err(error) if !is_passing(&error) => return Err(WriteError::File(error)),
                    result => result,
                }
            }
            Some((at, Content::Slice(Slice::File(_)))) => {
                world.write_more(socket, &bytes[*sent..at])
            }
            Some(_) => {
                let mut pieces = [IoSlice::new(&[]); GATHERED];
                let gathered = splices.gather(bytes, *sent, &mut pieces);
                world.write_gathered(socket, &pieces[..gathered])
            }
            None if *sent < bytes.len() => world.write(socket, &bytes[*sent..]),
            None => return Ok(taken),
        };
        match result {
            Ok(0) => return Err(WriteError::Socket(io::ErrorKind::WriteZero.into())),
            Ok(len) => {
                splices.advance(sent, len);
                taken += len;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(WriteError::Socket(error)),
        }
    }
}
