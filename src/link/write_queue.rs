//! Output that the socket did not take yet.
//!
//! Output is written straight from a shared buffer and from the content spliced into it; only what
//! falls short is kept here. An idle connection's queue holds no memory.

use super::splices::{SpliceContent, Splices};
use super::stall::Stall;
use crate::content::{BodyError, Slice, is_descriptor_limit};
use crate::world::{Files, World};
use std::io::{self, IoSlice};
use std::time::Instant;

/// Number of pieces that one call sends: [`super::splices::MOST_SPLICED`] is sixteen DATA frames with
/// their headers, and a few may be shorter.
const GATHERED: usize = 40;

/// The unsent tail of a connection's output.
pub struct WriteQueue<F: Files>(Option<Box<Tail<F>>>);

/// Unsent output in order: bytes, and the slices of content between them.
struct Tail<F: Files> {
    bytes: Vec<u8>,
    sent: usize,
    splices: Splices<F>,
    lacks: Lacks,
    stall: Option<Stall>,
}

/// The event behind an output on its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequel {
    /// None, as far as is known.
    Open,
    /// The end of our direction follows at once: it travels with the last bytes.
    End,
}

/// The reason for which output waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lacks {
    /// The socket has no room.
    #[default]
    Room,
    /// There is no descriptor for the file that comes next, and nothing will tell when there is.
    Descriptor,
    /// There is no descriptor, and another try is appointed.
    Retry,
}

impl Lacks {
    /// The lack of output after another try.
    fn after(self, lacks: Lacks) -> Lacks {
        match (self, lacks) {
            (Lacks::Retry, Lacks::Descriptor) => Lacks::Retry,
            (_, lacks) => lacks,
        }
    }
}

impl<F: Files> Default for Tail<F> {
    fn default() -> Self {
        Tail {
            bytes: Vec::new(),
            sent: 0,
            splices: Splices::default(),
            lacks: Lacks::Room,
            stall: None,
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

    /// Memory of the unsent output in bytes; files are read only when they are sent.
    pub fn memory(&self) -> usize {
        let memory =
            |tail: &Tail<F>| size_of_val(tail) + tail.bytes.capacity() + tail.splices.memory();
        self.0.as_deref().map_or(0, memory)
    }

    /// True if the socket has taken everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// True, once, if the rest is to be tried again without an edge: a descriptor is lacking.
    pub fn take_lack(&mut self) -> bool {
        let Some(tail) = self.0.as_deref_mut() else {
            return false;
        };
        let lacks = tail.lacks == Lacks::Descriptor;
        if lacks {
            tail.lacks = Lacks::Retry;
        }
        lacks
    }

    /// True if the rest waits for a descriptor, and not for room in the socket.
    pub fn lacks_descriptor(&self) -> bool {
        let tail = self.0.as_deref();
        tail.is_some_and(|tail| tail.lacks != Lacks::Room)
    }

    /// Notes that the time for another try has come.
    pub fn wake(&mut self) {
        if let Some(tail) = self.0.as_deref_mut()
            && tail.lacks == Lacks::Retry
        {
            tail.lacks = Lacks::Room;
        }
    }

    /// The watch over the output, if it is watched and some waits.
    pub fn stall(&mut self) -> Option<&mut Stall> {
        self.0.as_deref_mut()?.stall.as_mut()
    }

    /// The end of the period in which the socket has to take enough, if some output waits and is watched.
    pub fn stall_deadline(&self) -> Option<Instant> {
        Some(self.0.as_deref()?.stall.as_ref()?.deadline())
    }

    /// Counts bytes that the socket took while output waited, or begins to watch.
    pub fn watch(&mut self, taken: usize, begun: Stall) {
        let Some(tail) = self.0.as_deref_mut() else {
            return;
        };
        match &mut tail.stall {
            Some(stall) => stall.count(taken),
            None => tail.stall = Some(begun),
        }
    }

    /// Writes the unsent output, then `bytes`, into which nothing is spliced.
    #[cfg(any(feature = "client", feature = "proxy"))]
    pub fn write_bytes<W: World<Files = F> + ?Sized>(
        &mut self,
        world: &mut W,
        socket: &mut W::Socket,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let splices = &mut Splices::default();
        Ok(self.push(world, None, socket, (bytes, splices), Sequel::Open)?)
    }

    /// Writes the unsent output, then `bytes` with the splices in their places; keeps what the socket does
    /// not take, and leaves `splices` empty. Returns how many bytes it took.
    pub(super) fn write<W: World<Files = F> + ?Sized>(
        &mut self,
        world: &mut W,
        reads: &mut F::Reads,
        socket: &mut W::Socket,
        output: (&[u8], &mut Splices<F>),
        sequel: Sequel,
    ) -> Result<usize, WriteError> {
        self.push(world, Some(reads), socket, output, sequel)
    }

    fn push<W: World<Files = F> + ?Sized>(
        &mut self,
        world: &mut W,
        mut reads: Option<&mut F::Reads>,
        socket: &mut W::Socket,
        (bytes, splices): (&[u8], &mut Splices<F>),
        sequel: Sequel,
    ) -> Result<usize, WriteError> {
        if self.0.is_none() && splices.is_empty() {
            splices.clear();
            return self.push_bytes(world, socket, bytes, sequel);
        }
        let (mut taken, mut stall) = (0, None);
        if let Some(tail) = &mut self.0 {
            tail.splices.hold();
            let (sent, waiting) = (&mut tail.sent, &mut tail.splices);
            let reads = reads.as_deref_mut();
            let lacks;
            let output = (tail.bytes.as_slice(), waiting);
            let written = write(world, reads, socket, output, sent, Sequel::Open);
            (taken, lacks) = written.map_err(|error| error.before(bytes.len() + splices.len()))?;
            tail.lacks = tail.lacks.after(lacks);
            if !tail.is_sent() {
                tail.splices.release();
                tail.append(bytes, 0, splices);
                return Ok(taken);
            }
            // Output that takes its place goes on waiting.
            stall = tail.stall;
            self.0 = None;
        }
        let mut sent = 0;
        let output = (bytes, &mut *splices);
        let (len, lacks) = write(world, reads, socket, output, &mut sent, sequel)?;
        if sent < bytes.len() || !splices.is_empty() {
            let tail = self.0.insert(Box::default());
            tail.lacks = lacks;
            tail.stall = stall;
            tail.append(bytes, sent, splices);
        }
        splices.clear();
        Ok(taken + len)
    }

    /// As [`WriteQueue::push`], where nothing waits and nothing is spliced: most outputs are like that.
    fn push_bytes<W: World<Files = F> + ?Sized>(
        &mut self,
        world: &mut W,
        socket: &mut W::Socket,
        bytes: &[u8],
        sequel: Sequel,
    ) -> Result<usize, WriteError> {
        let mut rest = bytes;
        while !rest.is_empty()
            && let Some(len) = taken_of(write_once(world, socket, rest, sequel))?
        {
            rest = rest.get(len..).unwrap_or_default();
        }
        if !rest.is_empty() {
            let tail = self.0.insert(Box::default());
            tail.bytes.extend_from_slice(rest);
        }
        Ok(bytes.len() - rest.len())
    }
}

/// The failure for which the rest of an output cannot be sent.
#[derive(Debug)]
pub enum WriteError {
    /// The socket has failed.
    Socket(io::Error),
    /// A range of a file cannot be sent, whose length was promised: nothing else can take the place of
    /// its bytes, and `lost` bytes of output from there on are not sent. The socket may be as good as ever.
    File {
        /// The reason.
        error: BodyError,
        /// Bytes of output that are not sent.
        lost: usize,
    },
}

impl WriteError {
    /// The failure of an output before `more` bytes, which are lost as well.
    fn before(self, more: usize) -> Self {
        match self {
            WriteError::File { error, lost } => WriteError::File {
                error,
                lost: lost.saturating_add(more),
            },
            WriteError::Socket(_) => self,
        }
    }
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Socket(error) => error,
            WriteError::File { error, .. } => io::Error::other(error),
        }
    }
}

/// True for an error of sendfile(2) that only a socket has; all others are told as the file's.
fn is_of_socket(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::TimedOut
    )
}

/// True if the next attempt may succeed.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Writes bytes once, behind which the sequel comes.
fn write_once<W: World + ?Sized>(
    world: &mut W,
    socket: &mut W::Socket,
    bytes: &[u8],
    sequel: Sequel,
) -> io::Result<usize> {
    match sequel {
        Sequel::Open => world.write(socket, bytes),
        Sequel::End => world.write_more(socket, bytes),
    }
}

/// Number of bytes that an attempt to write has brought to the socket; none at all if it has no room.
fn taken_of(result: io::Result<usize>) -> Result<Option<usize>, WriteError> {
    match result {
        Ok(0) => Err(WriteError::Socket(io::ErrorKind::WriteZero.into())),
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(0)),
        Err(error) => Err(WriteError::Socket(error)),
    }
}

/// Writes from the byte `sent` on until everything is taken or the socket would block. Returns how
/// many bytes were taken, those of the slices included, and why that was not all.
#[expect(
    clippy::indexing_slicing,
    reason = "what was sent is part of the bytes, what was gathered of the room"
)]
fn write<W: World + ?Sized>(
    world: &mut W,
    mut reads: Option<&mut <W::Files as Files>::Reads>,
    socket: &mut W::Socket,
    (bytes, splices): (&[u8], &mut Splices<W::Files>),
    sent: &mut usize,
    sequel: Sequel,
) -> Result<(usize, Lacks), WriteError> {
    let mut taken = 0;
    loop {
        let lost = (bytes.len() - *sent).saturating_add(splices.len());
        let of_file = |error| WriteError::File { error, lost };
        let result = match splices.first() {
            Some((at, SpliceContent::Slice(Slice::File(slice)))) if at == *sent => {
                if let Some(reads) = reads.as_deref_mut() {
                    match slice.confirm(reads) {
                        Ok(()) => {}
                        Err(BodyError::Io(error)) if is_descriptor_limit(&error) => {
                            return Ok((taken, Lacks::Descriptor));
                        }
                        Err(error) => return Err(of_file(error)),
                    }
                }
                let max = usize::try_from(slice.len()).unwrap_or(usize::MAX);
                let file = match slice.file().get() {
                    Ok(file) => file,
                    Err(error) if is_descriptor_limit(&error) => {
                        return Ok((taken, Lacks::Descriptor));
                    }
                    Err(error) => return Err(of_file(error.into())),
                };
                match world.send_file(socket, &file, slice.offset(), max) {
                    Ok(0) => return Err(of_file(BodyError::Truncated)),
                    Err(error) if is_of_socket(&error) => return Err(WriteError::Socket(error)),
                    Err(error) if !is_passing(&error) => return Err(of_file(error.into())),
                    result => result,
                }
            }
            Some((at, SpliceContent::Slice(Slice::File(_)))) => {
                world.write_more(socket, &bytes[*sent..at])
            }
            Some(_) => {
                let mut pieces = [IoSlice::new(&[]); GATHERED];
                let gathered = splices.gather(bytes, *sent, &mut pieces);
                world.write_gathered(socket, &pieces[..gathered])
            }
            None if *sent < bytes.len() => write_once(world, socket, &bytes[*sent..], sequel),
            None => return Ok((taken, Lacks::Room)),
        };
        let Some(len) = taken_of(result)? else {
            return Ok((taken, Lacks::Room));
        };
        splices.advance(sent, len);
        taken += len;
    }
}
