//! Page 2: content of any length in both directions, under flow control.
//!
//! # Sending: ask first
//!
//! A window says how many bytes the peer still takes, on a stream and on the connection (RFC 9113 §5.2).
//! [`send_data`](crate::h2::Connection::send_data) refuses what is more. A server that has much to send turns it
//! around: it says with [`set_ready`](crate::h2::Connection::set_ready) that a stream has bytes, and asks
//! [`poll_grant`](crate::h2::Connection::poll_grant) which stream may send how many. So nothing is read
//! from a file before it can go, and the most urgent response goes first (RFC 9218).
//!
//! # Receiving: give back what was used up
//!
//! Content counts as held from [`Event::Data`](crate::h2::Event::Data) until
//! [`release`](crate::h2::Connection::release) with its `flow_controlled_len`. A program that cannot pass content
//! on does not release it, and its peer stops by itself; that is the whole of backpressure.
//!
//! # An echo of any size
//!
//! The server of the first page, which now sends the content of a request back. What came is released when it was sent,
//! so it never holds more than a window.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use calmd::h2::{Config, Connection, Error, Event, StreamKey};
//! use calmd::http::{Field, Fields};
//!
//! #[derive(Default)]
//! struct Echo {
//!     bytes: Vec<u8>,
//!     has_ended: bool,
//! }
//!
//! struct Server {
//!     connection: Connection,
//!     received: Vec<u8>,
//!     echoes: HashMap<StreamKey, Echo>,
//! }
//!
//! impl Server {
//!     fn new() -> Server {
//!         let config = Arc::new(Config::server());
//!         let connection = Connection::server(config, Instant::now());
//!         Server { connection, received: Vec::new(), echoes: HashMap::new() }
//!     }
//!
//!     fn exchange(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
//!         self.received.extend_from_slice(bytes);
//!         let (mut input, mut fields) = (&self.received[..], Fields::new());
//!         let connection = &mut self.connection;
//!         while let Some(event) = connection.receive(&mut input, &mut fields, Instant::now())? {
//!             match event {
//!                 Event::Request { stream, end_stream, .. } => {
//!                     let head = [Field::new(b":status", b"200")];
//!                     connection.send_headers(stream, head, end_stream)?;
//!                     if !end_stream {
//!                         self.echoes.insert(stream, Echo::default());
//!                     }
//!                 }
//!                 Event::Data { stream, data, flow_controlled_len, end_stream } => {
//!                     // Padding is used up at once, the content when it was sent.
//!                     connection.release(stream, flow_controlled_len - data.len() as u32)?;
//!                     if let Some(echo) = self.echoes.get_mut(&stream) {
//!                         echo.bytes.extend_from_slice(data);
//!                         echo.has_ended = end_stream;
//!                         connection.set_ready(stream, None);
//!                     }
//!                 }
//!                 // The client has lost interest: its key finds nothing any more.
//!                 Event::StreamReset { stream, .. } => drop(self.echoes.remove(&stream)),
//!                 _ => {}
//!             }
//!         }
//!         let consumed = self.received.len() - input.len();
//!         self.received.drain(..consumed);
//!         self.send()?;
//!         Ok(self.connection.take_output())
//!     }
//!
//!     fn send(&mut self) -> Result<(), Error> {
//!         while let Some(grant) = self.connection.poll_grant(64 << 10) {
//!             let stream = grant.stream;
//!             let echo = self.echoes.get_mut(&stream).expect("only echoes were ready");
//!             let len = echo.bytes.len().min(grant.max_len as usize);
//!             self.connection.begin_data(&grant).extend(echo.bytes.drain(..len));
//!             let is_end = echo.has_ended && echo.bytes.is_empty();
//!             // Without bytes and without the end, the stream rests until it is ready again.
//!             self.connection.commit(grant, is_end);
//!             self.connection.release(stream, len as u32)?;
//!             if is_end {
//!                 self.echoes.remove(&stream);
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! // A million bytes through windows of 64 KiB.
//! let now = Instant::now();
//! let config = Config { initial_window_size: 65_535, ..Config::client() };
//! let mut client = Connection::client(Arc::new(config), now);
//! let request = [
//!     Field::new(b":method", b"POST"),
//!     Field::new(b":scheme", b"http"),
//!     Field::new(b":authority", b"localhost"),
//!     Field::new(b":path", b"/"),
//! ];
//! let stream = client.open(request, false, now)?;
//! let (mut left, mut heard, mut input) = (1_000_000, 0, Vec::new());
//! client.set_ready(stream, Some(left as u64));
//! let mut server = Server::new();
//! while client.contains(stream) {
//!     while let Some(grant) = client.poll_grant(64 << 10) {
//!         let len = left.min(grant.max_len as usize);
//!         left -= len;
//!         let out = client.begin_data(&grant);
//!         out.resize(out.len() + len, b'x');
//!         client.commit(grant, left == 0);
//!     }
//!     input.extend(server.exchange(&client.take_output())?);
//!     let (mut rest, mut fields) = (&input[..], Fields::new());
//!     while let Some(event) = client.receive(&mut rest, &mut fields, now)? {
//!         if let Event::Data { stream, data, flow_controlled_len, .. } = event {
//!             heard += data.len();
//!             client.release(stream, flow_controlled_len)?;
//!         }
//!     }
//!     input.drain(..input.len() - rest.len());
//! }
//! assert_eq!(heard, 1_000_000);
//! # Ok::<_, Error>(())
//! ```
//!
//! # Less of it by hand
//!
//! An [`Inbox`](crate::h2::Inbox) keeps `received`, and an [`Outbox`](crate::h2::Outbox) the bytes that wait for their
//! windows, with trailers and ends behind them. With both, the echo above is `while let` twice: `next_event`, which pushes
//! content into the outbox, and `send_frame`, whose bytes are released. A
//! [`RequestCollector`](crate::h2::RequestCollector) gives requests when they are whole, and
//! [`end_with_source`](crate::h2::Outbox::end_with_source) reads from a file when a window is open for it. The programs in
//! `tests/examples` are written so.
//!
//! # Output has a bound as well
//!
//! A client that reads nothing makes the output grow, by answers to its PINGs and by heads. A server therefore asks
//! for grants only while little output waits, and reads nothing while much does; it says so with
//! [`pause_input`](crate::h2::Connection::pause_input), so that no deadline counts against the client meanwhile.
//! The [last page](super::leaving) has deadlines, errors and the end.
