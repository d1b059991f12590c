//! HTTP/2 without I/O (RFC 9113), client and server role.
//!
//! A [`Connection`] is fed bytes and the time, and tells [`Event`]s; it is given commands and leaves
//! bytes to send in its output. It knows no socket, no thread and no clock, so it runs on any
//! transport, blocking or not, and a test can drive it byte by byte.
//!
//! # A server in fifty lines
//!
//! On a blocking socket of the standard library, one thread a connection:
//!
//! ```
//! use std::collections::HashMap;
//! use std::io::{Read, Result, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use calmd::h2::{Config, Connection, Event};
//! use calmd::http::{Field, Fields};
//!
//! fn serve(mut socket: TcpStream) -> Result<()> {
//!     let mut connection = Connection::server(Arc::new(Config::server()), Instant::now());
//!     let mut bodies: HashMap<_, &[u8]> = HashMap::new();
//!     let mut fields = Fields::new();
//!     let mut received = Vec::new();
//!     let mut failed = false;
//!     loop {
//!         // DATA is made only where both windows have room for it.
//!         while let Some(grant) = connection.poll_grant(64 << 10) {
//!             let body = bodies.get_mut(&grant.stream).unwrap();
//!             let (part, rest) = body.split_at(body.len().min(grant.max_len as usize));
//!             *body = rest;
//!             connection.begin_data(&grant).extend_from_slice(part);
//!             connection.commit(grant, rest.is_empty());
//!         }
//!         socket.write_all(&connection.take_output())?;
//!         if failed || connection.is_drained() {
//!             return Ok(());
//!         }
//!         // What is left of the input is an incomplete frame; more bytes go behind it.
//!         let mut buffer = [0; 16 << 10];
//!         match socket.read(&mut buffer)? {
//!             0 => return Ok(()),
//!             len => received.extend_from_slice(&buffer[..len]),
//!         }
//!         let mut input = &received[..];
//!         loop {
//!             match connection.receive(&mut input, &mut fields, Instant::now()) {
//!                 Ok(Some(Event::Request { stream, fields, .. })) => {
//!                     println!("{:?} {:?}", fields.method(), fields.path());
//!                     let head = [Field::new(b":status", b"200")];
//!                     connection.send_headers(stream, head, false).unwrap();
//!                     connection.set_ready(stream, Some(7));
//!                     bodies.insert(stream, b"Hello!\n");
//!                 }
//!                 Ok(Some(Event::Data { stream, flow_controlled_len, .. })) => {
//!                     // Used up at once, so its window is given back at once.
//!                     connection.release(stream, flow_controlled_len).unwrap();
//!                 }
//!                 Ok(Some(Event::StreamReset { stream, .. })) => drop(bodies.remove(&stream)),
//!                 Ok(Some(_)) => {}
//!                 Ok(None) => break,
//!                 // GOAWAY is in the output already.
//!                 Err(_) => {
//!                     failed = true;
//!                     break;
//!                 }
//!             }
//!         }
//!         let consumed = received.len() - input.len();
//!         received.drain(..consumed);
//!     }
//! }
//! # fn main() -> Result<()> {
//! #     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! #     let mut client = TcpStream::connect(listener.local_addr()?)?;
//! #     let server = std::thread::spawn(move || serve(listener.accept()?.0));
//! #     let mut connection = Connection::client(Arc::new(Config::client()), Instant::now());
//! #     let request = [
//! #         Field::new(b":method", b"GET"),
//! #         Field::new(b":scheme", b"http"),
//! #         Field::new(b":authority", b"localhost"),
//! #         Field::new(b":path", b"/"),
//! #     ];
//! #     connection.open(request, true, Instant::now()).unwrap();
//! #     client.write_all(&connection.take_output())?;
//! #     let (mut received, mut buffer, mut body) = (Vec::new(), [0; 1024], Vec::new());
//! #     while !connection.is_idle() {
//! #         let len = client.read(&mut buffer)?;
//! #         received.extend_from_slice(&buffer[..len]);
//! #         let (mut input, mut fields) = (&received[..], Fields::new());
//! #         while let Some(event) =
//! #             connection.receive(&mut input, &mut fields, Instant::now()).unwrap()
//! #         {
//! #             if let Event::Data { data, .. } = event {
//! #                 body.extend_from_slice(data);
//! #             }
//! #         }
//! #         received.drain(..received.len() - input.len());
//! #     }
//! #     assert_eq!(body, b"Hello!\n");
//! #     drop(client);
//! #     server.join().unwrap()
//! # }
//! ```
//!
//! [`Inbox`] keeps what is left of the input, and [`Outbox`] the content that waits for its windows, for programs that have
//! no reason to do either themselves: the programs in `tests/examples` use them.
//!
//! A server that cannot wait in `read` adds three things: it calls
//! [`handle_timeout`](Connection::handle_timeout) when [`next_deadline`](Connection::next_deadline) has
//! passed, it reads nothing while much output waits and says so with
//! [`pause_input`](Connection::pause_input), and it lends one buffer to all its connections with
//! [`lend_output`](Connection::lend_output).
//!
//! # A client
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use calmd::h2::{Config, Connection, Event};
//! use calmd::http::{Field, Fields};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut server = Connection::server(Arc::default(), Instant::now());
//! # let mut exchange = |sent: Vec<u8>| {
//! #     let (mut input, mut fields) = (&sent[..], Fields::new());
//! #     while let Some(event) = server.receive(&mut input, &mut fields, Instant::now())? {
//! #         if let Event::Data { stream, end_stream: true, .. } = event {
//! #             let head = [Field::new(b":status", b"200")];
//! #             server.send_headers(stream, head, false).unwrap();
//! #             server.send_data(stream, b"welcome", true).unwrap();
//! #         }
//! #     }
//! #     Ok::<_, calmd::h2::ConnectionError>(server.take_output())
//! # };
//! let mut connection = Connection::client(Arc::new(Config::client()), Instant::now());
//! let request = [
//!     Field::new(b":method", b"POST"),
//!     Field::new(b":scheme", b"https"),
//!     Field::new(b":authority", b"example.org"),
//!     Field::new(b":path", b"/greeting"),
//! ];
//! let stream = connection.open(request, false, Instant::now())?;
//! connection.send_data(stream, b"hello", true)?;
//!
//! let received = exchange(connection.take_output())?;
//! let (mut input, mut fields) = (&received[..], Fields::new());
//! let mut body = Vec::new();
//! while let Some(event) = connection.receive(&mut input, &mut fields, Instant::now())? {
//!     match event {
//!         Event::Response { fields, .. } => assert_eq!(fields.status(), Some(200)),
//!         Event::Data { stream, data, flow_controlled_len, .. } => {
//!             body.extend_from_slice(data);
//!             connection.release(stream, flow_controlled_len)?;
//!         }
//!         _ => {}
//!     }
//! }
//! assert_eq!(body, b"welcome");
//! # Ok(())
//! # }
//! ```
//!
//! # Flow control
//!
//! Every stream has a window in each direction, and the connection one for all of them (RFC 9113
//! §5.2). Only DATA counts.
//!
//! *Sending*, a user says with [`set_ready`](Connection::set_ready) that a stream has bytes, and asks
//! [`poll_grant`](Connection::poll_grant) which stream may send how many now. The answer respects both
//! windows, the peer's largest frame and the priorities of RFC 9218, so nothing is read from a file
//! before it can go. [`send_data`](Connection::send_data) sends at once instead, and refuses what is
//! too much.
//!
//! *Receiving*, bytes count as held from their [`Event::Data`] until the user calls
//! [`release`](Connection::release). A user that passes them on slowly releases them slowly, and its
//! peer stops by itself. WINDOW_UPDATE frames are sent when half a window is owed, never for each
//! frame; what nobody gets (frames of padding alone, streams that are over) is given back without being asked.
//!
//! # Errors
//!
//! [`ConnectionError`] and [`StreamError`] are the peer's doing, and the answer is on its way when they
//! are told. [`Misuse`] is the caller's: nothing was sent. No event that came before an error is lost.
//! [`Error`] is any of the three. A stream error comes as [`Event::StreamReset`] of a stream that lives, as
//! [`Event::RequestRejected`] of a new request, and as [`Event::StreamError`] of what is over; each
//! tells the stream, the code, the reason, and the field section where that was broken. A connection error
//! tells the header of its frame.
//!
//! # Fields that are sent
//!
//! [`Config::server`] and [`Config::client`] bring field sections into HTTP/2's form and check them, so that a
//! caller can pass on what it has from elsewhere; a section that stays wrong is a
//! [`Misuse::MalformedFields`]. A caller that makes its fields once and valid saves a copy of each section with
//! [`validate_outbound`](Config::validate_outbound) and
//! [`normalize_outbound`](Config::normalize_outbound) off, as this crate's own server does.
//!
//! # Looking into a connection
//!
//! [`snapshot`](Connection::snapshot) copies the state at one moment, for a panel, a log or a test:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use calmd::h2::{BlockedBy, Connection};
//! use calmd::http::Field;
//!
//! let now = Instant::now();
//! let mut connection = Connection::client(Arc::default(), now);
//! let request = [
//!     Field::new(b":method", b"POST"),
//!     Field::new(b":scheme", b"https"),
//!     Field::new(b":authority", b"example.org"),
//!     Field::new(b":path", b"/upload"),
//! ];
//! let stream = connection.open(request, false, now)?;
//! connection.set_ready(stream, Some(1 << 20));
//! let grant = connection.poll_grant(100_000).expect("a window of 64 KiB");
//! connection.begin_data(&grant).resize(grant.max_len as usize, 0);
//! connection.rest(grant);
//!
//! let snapshot = connection.snapshot();
//! assert_eq!(snapshot.send_window, 65_535);
//! let [stream] = &snapshot.streams[..] else { panic!("one stream") };
//! assert_eq!((stream.id, stream.queued), (1, Some(1 << 20)));
//! assert_eq!(stream.blocked_by, BlockedBy::User);
//! # Ok::<_, calmd::h2::Misuse>(())
//! ```
//!
//! # More
//!
//! [`guide`] builds a server on three pages, and has a table for those who know python-hyper. Beyond what a
//! library of HTTP/2 has to have there are RFC 9218 priorities, ORIGIN, extended CONNECT, budgets against floods
//! ([`Budgets`]), deadlines on progress, and frames of one's own type.
//!
//! # Inside
//!
//! - [`connection`]: the state machine; what is received, what is sent, what is due
//! - [`frame`]: bytes to frames and back, without any state
//! - [`field_section`]: which requests, responses and trailers are well-formed (§8)
//! - [`guide`]: no code, but pages to read
//! - [`settings`], [`priority`], [`error`], [`event`]: the nouns
//! - `stream`: the states of §5.1, in one transition function; `store`: streams in slots; `ids`: what is
//!   remembered of those that are over
//! - [`Inbox`], [`Outbox`], [`RequestCollector`]: bytes on either side of a connection, and requests that are put
//!   together, for users that want none of it
//! - `flow`: windows, and all arithmetic on them
//! - `scheduler`: whose turn it is (RFC 9218)
//! - `budget`: how much nuisance a peer may cause; `clock`: time in four bytes

// What a peer sends must not panic: an index that cannot be wrong says why at its place. Tests may.
// Files that compute with numbers off the wire are linted against overflow as well.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod budget;
mod clock;
mod collector;
mod config;
pub mod connection;
pub mod error;
pub mod event;
pub mod field_section;
mod flow;
pub mod frame;
pub mod guide;
mod ids;
mod inbox;
mod outbox;
pub mod priority;
pub mod qlog;
mod scheduler;
pub mod settings;
mod store;
mod stream;
mod turn;

pub use budget::BudgetsLeft;
pub use collector::{CollectedRequest, RequestCollector};
pub use config::{Budgets, Config};
pub use connection::{
    BlockedBy, Connection, Direction, Grant, Observer, Snapshot, StreamSnapshot, TableSnapshot,
};
pub use error::{ConnectionError, Error, ErrorCode, Misuse, StreamError};
pub use event::{Cause, Event, Origins, SettingChange, SettingsEntries};
pub use field_section::Malformed;
pub use frame::decode::Rfc7540Priority;
pub use frame::{FrameHeader, FrameType};
pub use inbox::Inbox;
pub use outbox::Outbox;
pub use priority::Priority;
pub use settings::{Role, Settings};
pub use store::StreamKey;
pub use stream::{Half, StreamState};

#[cfg(test)]
mod tests;
