//! A server of a directory's files on a mio poll loop: nothing is read from a file before its window is open, and
//! nothing from a socket while much waits to be sent.
//!
//! ```sh
//! cargo run --example files-mio -- 127.0.0.1:8080 DIRECTORY
//! nghttp -v http://127.0.0.1:8080/index.html
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Result, Take, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, ErrorCode, Event, Inbox, StreamKey};
use calmd::http::Fields;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// More waiting output pauses the input, in bytes.
const MOST_OUTPUT: usize = 256 << 10;

struct Client {
    socket: TcpStream,
    connection: Connection,
    inbox: Inbox,
    /// The rest of each that is still to be sent.
    files: HashMap<StreamKey, Take<File>>,
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
                inbox: Inbox::default(),
                files: HashMap::new(),
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
            self.fill();
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
                Ok(len) => self.inbox.buffer().extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.receive(root, now);
        }
    }

    fn receive(&mut self, root: &Path, now: Instant) {
        let connection = &mut self.connection;
        while let Ok(Some(event)) = self.inbox.next_event(connection, now) {
            match event {
                Event::Request { stream, fields, .. } => {
                    let file = open(root, fields);
                    let status = if file.is_some() { 200 } else { 404 };
                    let sent = connection.send_response(stream, status, [], file.is_none());
                    sent.expect("a new stream");
                    if let Some(file) = file {
                        connection.set_ready(stream, Some(file.limit()));
                        self.files.insert(stream, file);
                    }
                }
                Event::StreamReset { stream, .. } => drop(self.files.remove(&stream)),
                Event::Data {
                    stream,
                    flow_controlled_len,
                    ..
                } => {
                    let released = connection.release(stream, flow_controlled_len);
                    released.expect("bytes that came");
                }
                _ => {}
            }
        }
    }

    /// Makes DATA, as far as windows are open and the output has room.
    fn fill(&mut self) {
        let connection = &mut self.connection;
        while let Some(room) = MOST_OUTPUT.checked_sub(connection.output().len())
            && let Some(grant) = connection.poll_grant(room)
        {
            let stream = grant.stream;
            let file = self.files.get_mut(&stream).expect("only files were ready");
            let mut part = file.take(grant.max_len.into());
            let read = part.read_to_end(connection.begin_data(&grant));
            let is_end = file.limit() == 0;
            match read {
                Ok(len) if len > 0 || is_end => connection.commit(grant, is_end),
                // The file has become shorter, or is not read any more.
                _ => {
                    connection.abort(grant);
                    connection.reset(stream, ErrorCode::INTERNAL_ERROR);
                }
            }
            if !connection.contains(stream) || is_end {
                self.files.remove(&stream);
            }
        }
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
fn open(root: &Path, fields: &Fields) -> Option<Take<File>> {
    let path = std::str::from_utf8(fields.path()?).ok()?;
    let path = Path::new(path.split('?').next()?.strip_prefix('/')?);
    let mut parts = path.components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = File::open(root.join(path)).ok()?;
    let data = file.metadata().ok().filter(|data| data.is_file())?;
    Some(file.take(data.len()))
}
