//! A server of a directory's files on a mio poll loop: nothing is read from a file before its window is open, and
//! nothing from a socket while much waits to be sent.
//!
//! ```sh
//! cargo run --example files-mio -- 127.0.0.1:8080 DIRECTORY
//! nghttp -v http://127.0.0.1:8080/index.html
//! ```

use std::fs::File;
use std::io::{ErrorKind, Read, Result, Write};
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, Event, Inbox, Outbox};
use mio::{Events, Interest, Poll, Token, net::TcpListener, net::TcpStream};

/// More waiting output pauses the input, in bytes.
const MOST_OUTPUT: usize = 256 << 10;

struct Client {
    socket: TcpStream,
    connection: Connection,
    inbox: Inbox,
    outbox: Outbox,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:0".into());
    let root = arguments.next().unwrap_or(".".into());
    let mut listener = TcpListener::bind(address.parse().map_err(std::io::Error::other)?)?;
    println!("listening on {}", listener.local_addr()?);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(256));
    let (config, mut clients) = (Arc::new(Config::server()), Vec::new());
    let (registry, interest) = (poll.registry().try_clone()?, Interest::READABLE);
    registry.register(&mut listener, Token(0), interest)?;
    loop {
        let timeout = |client: &Client| client.connection.timeout(Instant::now());
        poll.poll(&mut events, clients.iter().filter_map(timeout).min())?;
        while let Ok((mut socket, _)) = listener.accept() {
            registry.register(&mut socket, Token(1), interest | Interest::WRITABLE)?;
            clients.push(Client {
                socket,
                connection: Connection::server(Arc::clone(&config), Instant::now()),
                inbox: Inbox::default(),
                outbox: Outbox::default(),
            });
        }
        // Few clients: each has a turn in each round. Many would have theirs by token and deadline.
        clients.retain_mut(|client| matches!(client.turn(root.as_ref()), Ok(true)));
    }
}

impl Client {
    /// Reads and writes until the socket would block; false when the connection is over.
    fn turn(&mut self, root: &Path) -> Result<bool> {
        let now = Instant::now();
        // An error has put GOAWAY into the output, and the connection is drained.
        let _ = self.connection.handle_timeout(now);
        loop {
            self.outbox.fill(&mut self.connection, MOST_OUTPUT);
            match self.socket.write(self.connection.output()) {
                Ok(0) if self.connection.is_drained() => return Ok(false),
                Ok(len) if len > 0 => {
                    self.connection.output().drain(..len);
                    continue;
                }
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
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
                Err(error) => return Err(error),
            }
            self.receive(root, now);
        }
    }

    fn receive(&mut self, root: &Path, now: Instant) {
        let (connection, outbox) = (&mut self.connection, &mut self.outbox);
        while let Ok(Some(event)) = self.inbox.next_event(connection, now) {
            connection.release_event(&event).expect("it just came");
            match event {
                Event::Request { stream, fields, .. } => {
                    let sent = match open(root, fields.path().unwrap_or_default()) {
                        Some((mut file, len)) => {
                            let read = move |buffer: &mut [u8]| file.read(buffer).ok();
                            outbox.respond_with_source(connection, stream, 200, [], len, read)
                        }
                        None => outbox.respond(connection, stream, 404, [], b"no such file\n"),
                    };
                    sent.expect("a new stream");
                }
                Event::StreamReset { stream, .. } => drop(outbox.remove(stream)),
                _ => {}
            }
        }
    }
}

/// The file of a request's path below the root, and its length; `None` for a path that would leave it.
fn open(root: &Path, path: &[u8]) -> Option<(File, u64)> {
    let path = String::from_utf8_lossy(path);
    let path = Path::new(path.split('?').next()?.strip_prefix('/')?);
    let mut parts = path.components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = File::open(root.join(path)).ok()?;
    let data = file.metadata().ok()?;
    data.is_file().then_some((file, data.len()))
}
