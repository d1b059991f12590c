//! Page 3: errors, time, and an end that loses nothing.
//!
//! # Errors
//!
//! | type | cause | consequence |
//! |---|---|---|
//! | [`ConnectionError`](crate::h2::ConnectionError) | the peer broke a rule of the connection | GOAWAY is in the output; write it, close |
//! | [`StreamError`](crate::h2::StreamError) | the peer broke a rule of one stream | RST_STREAM is in the output; an event tells it |
//! | [`Misuse`](crate::h2::Misuse) | the program asked for what is not allowed | nothing was sent |
//!
//! Some misuses are chance rather than faults: a client may reset its request while the response is made, which makes
//! the next command [`Misuse::StreamClosed`](crate::h2::Misuse::StreamClosed). A program that does not care
//! drops the result. [`Error`](crate::h2::Error) is any of the three, for `?`.
//!
//! # Time
//!
//! A connection has one deadline: [`next_deadline`](crate::h2::Connection::next_deadline). When it has passed,
//! [`handle_timeout`](crate::h2::Connection::handle_timeout) does what is due: it ends a connection that sent
//! no preface, and resets streams that do not progress, which the next `receive` tells. A server without it is held
//! for ever by clients that say nothing. `poll`, `select` and timers all take the deadline as it is.
//!
//! # The end
//!
//! [`shutdown`](crate::h2::Connection::shutdown) leaves gracefully: GOAWAY says that nothing new is taken, what is
//! under way is finished, and then [`is_drained`](crate::h2::Connection::is_drained).
//! [`close`](crate::h2::Connection::close) ends all at once.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//!
//! use calmd::h2::{Cause, Config, Connection, ErrorCode, Event, Misuse};
//! use calmd::http::{Field, Fields};
//!
//! /// Gives the bytes of one side to the other, and the texts of its events back.
//! fn carry(from: &mut Connection, to: &mut Connection, now: Instant) -> Vec<String> {
//!     let bytes = from.take_output();
//!     let (mut input, mut fields, mut events) = (&bytes[..], Fields::new(), Vec::new());
//!     while let Some(event) = to.receive(&mut input, &mut fields, now).unwrap() {
//!         events.push(match event {
//!             Event::StreamReset { stream, code, by, .. } => {
//!                 format!("{} was reset with {code}: {by:?}", stream.id())
//!             }
//!             Event::GoAway { last_stream_id, code, .. } => {
//!                 format!("GOAWAY {code}, streams up to {last_stream_id}")
//!             }
//!             event => format!("{event:?}").split(' ').next().unwrap().to_owned(),
//!         });
//!     }
//!     events
//! }
//!
//! let mut now = Instant::now();
//! let mut client = Connection::client(Arc::new(Config::client()), now);
//! let mut server = Connection::server(Arc::new(Config::server()), now);
//! let request = [
//!     Field::new(b":method", b"GET"),
//!     Field::new(b":scheme", b"http"),
//!     Field::new(b":authority", b"localhost"),
//!     Field::new(b":path", b"/"),
//! ];
//! let first = client.open(request, true, now)?;
//! let second = client.open(request, true, now)?;
//! carry(&mut client, &mut server, now);
//! carry(&mut server, &mut client, now);
//!
//! // One request is given up by its client: a command for it is a misuse, and harmless.
//! client.reset(second, ErrorCode::CANCEL);
//! let heard = carry(&mut client, &mut server, now);
//! assert_eq!(heard.last().unwrap(), "3 was reset with CANCEL: Peer");
//! let head = [Field::new(b":status", b"200")];
//! assert!(server.stream(3).is_none());
//!
//! // The server leaves. Its first GOAWAY allows for what is on its way, the second one counts.
//! server.shutdown(now);
//! let heard = carry(&mut server, &mut client, now);
//! assert_eq!(heard, ["GOAWAY NO_ERROR, streams up to 2147483647", "Ping"]);
//! assert_eq!(client.open(request, true, now), Err(Misuse::GoingAway));
//! // The client has answered the PING between them.
//! carry(&mut client, &mut server, now);
//! let heard = carry(&mut server, &mut client, now);
//! assert_eq!(heard, ["GOAWAY NO_ERROR, streams up to 3"]);
//! assert!(!server.is_drained(), "a request is still under way");
//! let stream = server.stream(first.id()).unwrap();
//! server.send_headers(stream, head, true)?;
//! assert!(server.is_drained(), "write the output, then close the transport");
//!
//! // A client that says nothing at all is let go.
//! let mut silent = Connection::server(Arc::new(Config::server()), now);
//! now = silent.next_deadline().unwrap();
//! assert!(silent.handle_timeout(now).is_err() && silent.is_drained());
//! # let _ = (Duration::ZERO, Cause::Peer);
//! # Ok::<_, calmd::h2::Error>(())
//! ```
//!
//! # What is left
//!
//! - TLS: the transport's business. ALPN is `h2`, and a browser takes nothing but TLS.
//! - Floods: budgets of [`Config`](crate::h2::Config) end connections that cause work without use, and are
//!   wide enough for every client that is known.
//! - A look inside: [`snapshot`](crate::h2::Connection::snapshot), and
//!   [`set_observer`](crate::h2::Connection::set_observer) for each frame.
