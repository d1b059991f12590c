//! A request being answered: the room between the protocols and all that answers.
//!
//! A [`Handler`] is mounted at a path. It sees the head of a request, and answers it with a complete
//! [`Response`], or begins an [`Exchange`], or passes the request on. An exchange is given the parts of
//! its request as they come ([`Part`]) and is polled for the steps of its response ([`Step`]) as there is
//! room for them. Neither side ever collects a whole message: content that an exchange still holds keeps
//! its part of the flow-control window, so a slow reader of the response slows the sender of the request.
//!
//! ```text
//!             accept               receive: Data, Trailers, End, Gone
//!  request ──────────▶ Handler ──▶ Exchange ◀───────────────── protocol
//!                        │            │  ▲
//!                        │            │  └── poll, again after a wake, a time, a part, room
//!                        ▼            ▼
//!                     Response     Informational* Head (Content | Written)* End
//! ```
//!
//! An exchange that has nothing to say waits ([`Step::Wait`]): for a part of its request, for a disk, for
//! a time, or for a [`Waker`] that it has left with somebody else, such as another request's exchange.
//! Every wait has an end: where the head takes longer than `server::Timeouts::handler`, the answer is
//! 504; behind the head the response is cut off when no content was made, and no part of the request has
//! come, for [`Exchange::idle_timeout`].
//!
//! The rules that both protocols share stand in `active` and `running`: no content behind the head of a
//! response to HEAD, 413 for too much content, `100 Continue` before an exchange that waits for
//! content, no more and no less content than was promised, the line of the access log. The protocols
//! only put steps into frames.
//!
//! # A handler of one's own
//!
//! A program whose `/bell` answers nobody until somebody posts to it; `tests/it/server/handlers.rs` runs
//! its server:
//!
//! ```no_run
//! use calmd::server::{Config, EventLoop, Services};
//! use calmd::world::{Files, ListenAddress, files::Root, os::OsWorld};
//! use calmd::{exchange::*, http::Method, http::Scheme, routes::Routes, site, site::Site};
//! use std::{cell::Cell, error::Error, rc::Rc};
//! #[derive(Default)]
//! struct Bell(Rc<Cell<u32>>, Vec<Waker>);
//! struct Visit(Rc<Cell<u32>>, u32);
//! impl<F: Files> Handler<F> for Bell {
//!     fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
//!         let visit = Visit(self.0.clone(), self.0.get());
//!         self.1.retain(|waker| !waker.is_over()); // Forgets visits that have ended.
//!         self.1.push(desk.waker());
//!         if request.method == Method::Post {
//!             self.0.set(self.0.get() + 1);
//!             self.1.drain(..).for_each(|waker| waker.wake());
//!         }
//!         Answer::Exchange(Box::new(visit))
//!     }
//! }
//! impl<F: Files> Exchange<F> for Visit {
//!     fn poll(&mut self, _: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
//!         let head = (self.0.get() > self.1).then(|| Step::Head(Head::empty(204)));
//!         Ok(head.unwrap_or(Step::Wait(Until::Woken)))
//!     }
//! }
//! type Server = (EventLoop<OsWorld<Root>>, ListenAddress);
//! pub fn server(site: &site::Config) -> Result<Server, Box<dyn Error>> {
//!     let mut routes = Routes::from(Site::new(Root::open(&site.root)?, site)?);
//!     routes.mount("/bell", Box::new(Bell::default()));
//!     let (mut world, config) = (OsWorld::new()?, Config::default());
//!     let address = world.listen(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into()), 1 << 18)?;
//!     let services = Services::new(&world, routes, None, &config);
//!     Ok((EventLoop::new(world, services, &[Scheme::Http]), address))
//! }
//! fn main() -> Result<(), Box<dyn Error>> {
//!     let (mut event_loop, address) = server(&site::Config::default())?;
//!     println!("{address}");
//!     Ok(event_loop.run()?)
//! }
//! ```
//!
//! A wake that comes before the wait is not lost: the exchange is polled once more.
//!
//! # Answers from elsewhere
//!
//! The event loop is one thread and never waits. A handler whose answers come from another process, or a thread,
//! has a socket to it: `OsWorld::watch_helper` watches that, `Routes::tend` names the function that reads it, and the
//! function wakes the requests whose answers have come. `tests/examples/bridge.rs` has a Python function of WSGI's
//! shape behind HTTP/2 so; `tests/it/server/programs.rs` runs it.
//!
//! A handler that needs the whole content of its requests, such as JSON, is a function: [`WholeContent`] declares
//! the types and the length that it takes ([`ContentTerms`]), and answers 405, 415, 413 and 400 for it.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod active;
#[cfg(feature = "proxy")]
mod call;
mod changes;
mod desk;
mod dialogue;
mod failure;
mod handler;
mod host_key;
mod json;
mod kept;
mod problem;
mod queue;
mod response;
mod running;
mod sendable;
#[cfg(test)]
pub(crate) mod testing;
mod trusted;
mod wakes;
mod whole;

pub(crate) use active::{ActiveRequest, Replaced, TimerState, Waits};
#[cfg(feature = "proxy")]
pub(crate) use call::{Call, CallEnd, CallHead, CallPlace, Caller, Calls, HeadMaker, Repeats};
pub use changes::{FieldChange, FieldChanges};
pub(crate) use desk::Means;
pub use desk::{Desk, Room};
pub use dialogue::{Exchange, LoginOutcome, Part, Step, Until};
pub use failure::Failure;
pub use handler::{Answer, Handler, Request};
pub(crate) use host_key::HostKey;
pub use json::{JsonCheck, JsonMistake, parse_form, parse_json};
pub(crate) use kept::{ContentHold, KeptRequest, Reception};
pub use problem::Problem;
pub(crate) use queue::Queue;
pub use response::{Head, Response};
pub(crate) use running::{ContentBounds, LONGEST_WAIT, Opening, Size};
pub use trusted::{ClientClaim, TrustedProxies};
pub use wakes::Waker;
pub(crate) use wakes::{AlarmOwner, RequestKey, RequestPlace, Wake, WakeCause, Wakes};
pub(crate) use whole::PreparedAnswer;
pub use whole::{ContentTerms, WholeAnswer, WholeContent, WholeRequest, is_of_type};
