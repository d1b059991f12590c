//! A server of a directory's files on a mio poll loop: nothing is read from a file before its window is open, and
//! nothing from a socket while much waits to be sent.
//!
//! ```sh
//! cargo run --example files-mio -- 127.0.0.1:8080 DIRECTORY
//! nghttp -v http://127.0.0.1:8080/index.html
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Result, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, ErrorCode, Event, StreamKey};
use calmd::http::{Field, Fields};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// More waiting output pauses the input, in bytes.
const MOST_OUTPUT: usize = 256 << 10;

struct Client {
    socket: TcpStream,
    connection: Connection,
    files: HashMap<StreamKey, File>,
    received: Vec<u8>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:0".into());
    let root = PathBuf::from(arguments.next().unwrap_or(".".into()));
    let mut listener = TcpListener::bind(address.parse().map_err(std::io::Error::other)?)?;
    println!("listening on {}", listener.local_addr()?);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(256));
    let config = Arc::new(Config::server());
    let (mut clients, mut next) = (HashMap::new(), 1);
    poll.registry()
        .register(&mut listener, Token(0), Interest::READABLE)?;
    loop {
        let now = Instant::now();
        let deadlines = clients
            .values()
            .filter_map(|client: &Client| client.connection.next_deadline());
        let timeout = deadlines.min().map(|at| at.saturating_duration_since(now));
        poll.poll(&mut events, timeout)?;
        while let Ok((mut socket, _)) = listener.accept() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut socket, Token(next), interest)?;
            let connection = Connection::server(Arc::clone(&config), Instant::now());
            let client = Client {
                socket,
                connection,
                files: HashMap::new(),
                received: Vec::new(),
            };
            clients.insert(Token(next), client);
            next += 1;
        }
        // Few clients: each has a turn in each round. Many would have theirs by token and deadline.
        clients.retain(|_, client| matches!(client.turn(&root), Ok(true)));
    }
}

impl Client {
    /// Reads and writes until the socket would block; false when the connection is over.
    fn turn(&mut self, root: &Path) -> Result<bool> {
        let now = Instant::now();
        if self.connection.next_deadline().is_some_and(|at| at <= now) {
            // An error has put GOAWAY into the output.
            let _ = self.connection.handle_timeout(now);
        }
        loop {
            self.fill()?;
            let is_flushed = self.flush()?;
            if self.connection.is_drained() && is_flushed {
                return Ok(false);
            }
            if self.connection.output().len() > MOST_OUTPUT {
                self.connection.pause_input(now);
                return Ok(true);
            }
            let mut buffer = [0; 16 << 10];
            match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(len) => self.receive(&buffer[..len], root, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn receive(&mut self, bytes: &[u8], root: &Path, now: Instant) {
        self.received.extend_from_slice(bytes);
        let (mut input, mut fields) = (&self.received[..], Fields::new());
        while let Ok(Some(event)) = self.connection.receive(&mut input, &mut fields, now) {
            match event {
                Event::Request { stream, fields, .. } => {
                    let file = path(root, fields).and_then(|path| File::open(path).ok());
                    let file = file.filter(|file| file.metadata().is_ok_and(|data| data.is_file()));
                    let status: &[u8] = if file.is_some() { b"200" } else { b"404" };
                    let head = [Field::new(b":status", status)];
                    if self
                        .connection
                        .send_headers(stream, head, file.is_none())
                        .is_err()
                    {
                        continue;
                    }
                    if let Some(file) = file {
                        let len = file.metadata().map_or(0, |data| data.len());
                        self.connection.set_ready(stream, Some(len));
                        self.files.insert(stream, file);
                    }
                }
                Event::StreamReset { stream, .. } => drop(self.files.remove(&stream)),
                Event::Data {
                    stream,
                    flow_controlled_len,
                    ..
                } => {
                    self.connection
                        .release(stream, flow_controlled_len)
                        .expect("bytes that came");
                }
                _ => {}
            }
        }
        let consumed = self.received.len() - input.len();
        self.received.drain(..consumed);
    }

    /// Makes DATA, as far as windows are open and the output has room.
    fn fill(&mut self) -> Result<()> {
        while let Some(room) = MOST_OUTPUT.checked_sub(self.connection.output().len()) {
            let Some(grant) = self.connection.poll_grant(room) else {
                break;
            };
            let stream = grant.stream;
            let Some(file) = self.files.get_mut(&stream) else {
                self.connection.rest(grant);
                continue;
            };
            let mut part = (&*file).take(grant.max_len.into());
            let read = part.read_to_end(self.connection.begin_data(&grant));
            let is_end = {
                use std::io::Seek;
                file.stream_position()? >= file.metadata()?.len()
            };
            match read {
                Ok(_) => self.connection.commit(grant, is_end),
                Err(_) => {
                    self.connection.abort(grant);
                    self.connection.reset(stream, ErrorCode::INTERNAL_ERROR);
                }
            }
            if is_end {
                self.files.remove(&stream);
            }
        }
        Ok(())
    }

    /// Writes what the socket takes; true if that was all.
    fn flush(&mut self) -> Result<bool> {
        while !self.connection.output().is_empty() {
            match self.socket.write(self.connection.output()) {
                Ok(len) => drop(self.connection.output().drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The file of a request, below the root; `None` for a path that would leave it.
fn path(root: &Path, fields: &Fields) -> Option<PathBuf> {
    let path = std::str::from_utf8(fields.path()?).ok()?;
    let path = Path::new(path.split('?').next()?.strip_prefix('/')?);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| root.join(path))
}
