//! Page 1: bytes come in, events come out, a response goes back.
//!
//! # A connection does no I/O
//!
//! A [`Connection`](crate::h2::Connection) is a value. It has no socket, so the program reads and writes, in
//! whatever way it likes. There are three things to do, in a loop:
//!
//! 1. Read bytes from the transport, and give them to
//!    [`receive`](crate::h2::Connection::receive). It tells one event at a time; `None` says that it needs
//!    more bytes, and what is left of the input has to be offered again in front of them.
//! 2. Act on the events by commands: [`send_headers`](crate::h2::Connection::send_headers),
//!    [`send_data`](crate::h2::Connection::send_data), [`reset`](crate::h2::Connection::reset) …
//! 3. Write what [`take_output`](crate::h2::Connection::take_output) gives to the transport. Commands and
//!    events both leave bytes there: acknowledgements of SETTINGS and PING go by themselves.
//!
//! # The smallest server
//!
//! It answers every request with the same words. The function takes what was read, and gives what is to be
//! written, so it serves on a thread with a blocking socket as well as in a task.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use calmd::h2::{Config, Connection, ConnectionError, Event};
//! use calmd::http::{Field, Fields};
//!
//! struct Server {
//!     connection: Connection,
//!     /// Bytes that came and were not taken: the beginning of a frame.
//!     received: Vec<u8>,
//! }
//!
//! impl Server {
//!     fn new() -> Server {
//!         let config = Arc::new(Config::server());
//!         let connection = Connection::server(config, Instant::now());
//!         Server { connection, received: Vec::new() }
//!     }
//!
//!     /// Takes bytes that were read, and gives those that are to be written.
//!     fn exchange(&mut self, bytes: &[u8]) -> Result<Vec<u8>, ConnectionError> {
//!         self.received.extend_from_slice(bytes);
//!         let (mut input, mut fields) = (&self.received[..], Fields::new());
//!         while let Some(event) =
//!             self.connection.receive(&mut input, &mut fields, Instant::now())?
//!         {
//!             if let Event::Request { stream, .. } = event {
//!                 let head = [
//!                     Field::new(b":status", b"200"),
//!                     Field::new(b"content-type", b"text/plain"),
//!                 ];
//!                 self.connection.send_headers(stream, head, false).unwrap();
//!                 self.connection.send_data(stream, b"hello\n", true).unwrap();
//!             }
//!         }
//!         let consumed = self.received.len() - input.len();
//!         self.received.drain(..consumed);
//!         Ok(self.connection.take_output())
//!     }
//! }
//!
//! // A client of this crate, and no network at all.
//! let now = Instant::now();
//! let mut client = Connection::client(Arc::new(Config::client()), now);
//! let request = [
//!     Field::new(b":method", b"GET"),
//!     Field::new(b":scheme", b"http"),
//!     Field::new(b":authority", b"localhost"),
//!     Field::new(b":path", b"/"),
//! ];
//! client.open(request, true, now)?;
//! let mut server = Server::new();
//! // The bytes come one by one: it makes no difference.
//! let mut answer = Vec::new();
//! for byte in client.take_output() {
//!     answer.extend(server.exchange(&[byte])?);
//! }
//! let (mut input, mut fields, mut heard) = (&answer[..], Fields::new(), Vec::new());
//! while let Some(event) = client.receive(&mut input, &mut fields, now)? {
//!     match event {
//!         Event::Response { fields, .. } => assert_eq!(fields.status(), Some(200)),
//!         Event::Data { data, .. } => heard.extend_from_slice(data),
//!         _ => {}
//!     }
//! }
//! assert_eq!(heard, b"hello\n");
//! # Ok::<_, calmd::h2::Error>(())
//! ```
//!
//! # Fields
//!
//! A field section is a list of [`Field`](crate::http::Field)s: bytes, in order, names in lowercase, with
//! pseudo-header fields in front (RFC 9113 §8.3). What is received is in the caller's
//! [`Fields`](crate::http::Fields), which is used again for each event, so it is copied by a program that needs it
//! longer. What is sent can be any iterator. [`Config::server`](crate::h2::Config::server) brings fields into
//! HTTP/2's form and checks them; requests that come are checked as well, and the program never sees a malformed one
//! as [`Event::Request`](crate::h2::Event::Request).
//!
//! The server above has two faults: it panics where a client closes its window or resets its request at once, and it
//! leaves content of requests where it is, so that the window of an upload closes for ever. The
//! [next page](super::content) mends both.
