//! `calmd get`: an HTTP/2 client on the server's poll, link (socket, TLS and unsent output) and core.
//!
//! ```text
//!   cli ─▶ Options ─▶ Client ──┬─▶ fetch: a URL, its redirects ─┐
//!                              └─▶ load: -n COUNT -m STREAMS ───┤
//!                                                               ▼
//!   socket ◀─▶ connection ◀─▶ h2::Connection ◀─▶ requests ─▶ Responses (a page, a tally)
//!     ▲            │                 │               ▲
//!     dial           link       trace (-v)         upload (-d)
//! ```
//!
//! One connection lives at a time; whatever has the same origin goes over it. Bytes are passed on as
//! they come and read as they can go, so memory does not grow with what is fetched or uploaded.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod connection;
mod dial;
mod error;
mod fetch;
mod load;
mod output;
mod progress;
mod qlog;
mod redirect;
mod request;
mod requests;
mod security;
mod style;
mod trace;
mod upload;
pub mod url;

use crate::h2;
use crate::http::Scheme;
use crate::world::World;
use crate::world::files::Root;
use crate::world::os::OsWorld;
use connection::Connection;
pub use error::Error;
use qlog::TraceFile;
use requests::{Requests, Responses};
use security::ClientTls;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trace::Tracer;
use upload::Upload;
use url::Url;

/// The options of `calmd get`.
#[derive(Clone, Debug)]
pub struct GetOptions {
    /// URLs to fetch, in order.
    pub urls: Vec<Url>,
    /// The method, where it is neither GET, HEAD nor POST by the other options.
    pub method: Option<String>,
    /// HEAD, and show the fields.
    pub head: bool,
    /// Content to send.
    pub data: Option<Data>,
    /// Fields of the request; an empty value takes one of ours away.
    pub fields: Vec<(String, String)>,
    /// Show the fields in front of the content.
    pub include: bool,
    /// The file that content goes to instead of standard output.
    pub output: Option<PathBuf>,
    /// Show every frame.
    pub verbose: bool,
    /// The file of a trace of every frame.
    pub qlog: Option<PathBuf>,
    /// The file that secrets of TLS are appended to.
    pub key_log: Option<PathBuf>,
    /// Neither progress nor trailers on standard error.
    pub silent: bool,
    /// A status of 400 and above is a failure.
    pub fail: bool,
    /// Take pushed responses, and tell about them.
    pub push: bool,
    /// Redirects that are followed for one URL; with 0 none is, and none is an error.
    pub max_redirects: u32,
    /// Repeat the request.
    pub load: Option<Load>,
    /// Do not check certificates.
    pub insecure: bool,
    /// Certificates to trust besides the machine's.
    pub cacert: Option<PathBuf>,
    /// From the first packet to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// For everything.
    pub max_time: Option<Duration>,
}

/// The source of the content to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Standard input, until it ends.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// A request that is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Number of requests.
    pub count: u64,
    /// Most requests at a time.
    pub streams: usize,
}

/// Does what the options ask for.
pub fn run(options: &GetOptions) -> Result<(), Error> {
    let mut world = OsWorld::<Root>::without_signals().map_err(Error::World)?;
    let source = options.data.as_ref().map(Upload::open).transpose()?;
    if let Some(source) = &source {
        source.watch(&mut world)?;
    }
    perform(options, world, source.as_ref(), dial::resolve)
}

/// Does what the options ask for in a world of the caller's, where `resolve` finds the addresses of a
/// URL's host. Uploads must be files, because only [`OsWorld`] can watch a stream.
pub fn run_in<W: World>(options: &GetOptions, world: W, resolve: Resolve) -> Result<(), Error> {
    let source = options.data.as_ref().map(Upload::open).transpose()?;
    perform(options, world, source.as_ref(), resolve)
}

/// Finds the addresses of a URL's host, the one to be tried first first.
pub type Resolve = fn(&Url) -> Result<Vec<SocketAddr>, Error>;

fn perform<W: World>(
    options: &GetOptions,
    world: W,
    source: Option<&Upload>,
    resolve: Resolve,
) -> Result<(), Error> {
    let mut client = Client::new(options, world, resolve)?;
    let done = match options.load {
        Some(load) => load::run(&mut client, load, source),
        None => fetch::run(&mut client, source),
    };
    client.leave();
    let written = client.qlog.as_ref().map_or(Ok(()), TraceFile::finish);
    done.and(written)
}

/// The one connection, and what new ones are made with.
struct Client<'o, W: World> {
    options: &'o GetOptions,
    world: W,
    resolve: Resolve,
    security: Option<ClientTls>,
    config: Arc<h2::Config>,
    connection: Option<Connection<W>>,
    trace: Option<Tracer>,
    qlog: Option<TraceFile>,
    /// The end of `--max-time`.
    deadline: Option<Instant>,
    /// Connections so far: their tokens' serial numbers.
    serial: u32,
}

impl<'o, W: World> Client<'o, W> {
    fn new(options: &'o GetOptions, world: W, resolve: Resolve) -> Result<Self, Error> {
        let start = world.now();
        let create = |path: &PathBuf| TraceFile::create(path, start, world.wall_clock());
        let qlog = options.qlog.as_ref().map(create).transpose()?;
        Ok(Client {
            options,
            world,
            resolve,
            security: None,
            config: Arc::new(config(options)),
            connection: None,
            trace: options.verbose.then(|| Tracer::new(start)),
            qlog,
            deadline: options.max_time.map(|time| start + time),
            serial: 0,
        })
    }

    /// Sends requests to the URL's origin until all are answered, on as many connections as it
    /// takes. Every one of them has to get something done.
    fn perform<R: Responses>(
        &mut self,
        url: &Url,
        requests: &mut Requests<'_, R>,
    ) -> Result<(), Error> {
        let mut fruitless = None;
        while !requests.is_done() {
            let mut connection = match self.take_connection(url) {
                Some(connection) => connection,
                None => self.connect(url)?,
            };
            requests.begin();
            let finished = requests.finished();
            let driven = self.drive(&mut connection, requests);
            if requests.is_done() && driven.is_ok() {
                self.connection = Some(connection);
                return Ok(());
            }
            connection.leave(&mut self.world);
            if let Err(error) = driven
                && !(connection.is_stale() && error.is_loss() && requests.take_back())
            {
                return Err(error);
            }
            if requests.finished() == finished
                && let Some(reason) = fruitless.replace(requests.refusal(url))
            {
                return Err(reason);
            }
        }
        Ok(())
    }

    /// The connection that there is, if it leads to the URL's origin and still takes requests.
    fn take_connection(&mut self, url: &Url) -> Option<Connection<W>> {
        let mut connection = self.connection.take()?;
        if connection.url().has_same_origin(url) && connection.is_reusable(&mut self.world) {
            return Some(connection);
        }
        connection.leave(&mut self.world);
        None
    }

    fn connect(&mut self, url: &Url) -> Result<Connection<W>, Error> {
        let limit = self.world.now() + self.options.connect_timeout;
        let limit = self.deadline.map_or(limit, |deadline| deadline.min(limit));
        let tls = if url.scheme() == Scheme::Https {
            if self.security.is_none() {
                self.security = Some(ClientTls::new(self.options)?);
            }
            let security = self.security.as_ref();
            security.map(|security| security.session(url)).transpose()?
        } else {
            None
        };
        let result = dial::connect(
            &mut self.world,
            self.resolve,
            url,
            &mut self.serial,
            limit,
            self.trace.as_ref(),
        )
        .and_then(|(socket, token)| {
            let mut connection = Connection::new(url.clone(), socket, token, tls);
            connection.shake_hands(&mut self.world, limit, self.trace.as_ref())?;
            let witnesses = (self.trace.clone(), self.qlog.clone());
            connection.begin(self.config.clone(), self.world.now(), witnesses);
            Ok(connection)
        });
        result.map_err(|error| match error {
            Error::TimedOut(_) if self.is_over(self.world.now()) => self.out_of_time(),
            Error::TimedOut(authority) => {
                Error::ConnectTimeout(authority, self.options.connect_timeout)
            }
            error => error,
        })
    }

    /// Moves bytes both ways until all requests are answered, or the connection takes no more.
    fn drive<R: Responses>(
        &mut self,
        connection: &mut Connection<W>,
        requests: &mut Requests<'_, R>,
    ) -> Result<(), Error> {
        let mut ready = Vec::new();
        connection.catch_up(&mut self.world, requests)?;
        loop {
            let now = self.world.now();
            if self.is_over(now) {
                return Err(self.out_of_time());
            }
            connection.tell_time(now);
            requests.open(connection.core(), now)?;
            // First what waits: room that this makes is not reported by any poll.
            connection.flush(&mut self.world)?;
            let more = connection.has_room() && requests.upload(connection.core(), now)?;
            connection.flush(&mut self.world)?;
            if requests.is_done() || requests.is_stuck(connection.core()) {
                return Ok(());
            }
            if connection.is_over() {
                return Err(requests.loss(connection.url()));
            }
            let busy = connection.has_input() || more && connection.has_room();
            let timeout = if busy {
                Some(Duration::ZERO)
            } else {
                requests.responses().pause()?;
                let next = connection.core().next_deadline();
                let next = next.into_iter().chain(self.deadline).min();
                next.map(|next| next.saturating_duration_since(now))
            };
            ready.clear();
            self.world.poll(&mut ready, timeout).map_err(Error::World)?;
            for ready in &ready {
                connection.note(ready);
                requests.note(ready, connection.core());
            }
            connection.receive(&mut self.world, requests)?;
            connection.handle_timeout(self.world.now())?;
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn out_of_time(&self) -> Error {
        Error::MaxTime(self.options.max_time.unwrap_or_default())
    }

    /// Ends the connection to the server.
    fn leave(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.leave(&mut self.world);
        }
    }
}

/// The core's settings for a client. What comes is passed on at once, so wide windows cost nothing
/// and fast, distant servers need them: 4 MiB is 300 Mbit/s over 100 ms.
fn config(options: &GetOptions) -> h2::Config {
    const WINDOW: u32 = 4 << 20;
    // Some servers send cookies and policies of many kilobytes, and we have but one connection.
    const SECTION: u32 = 256 << 10;
    h2::Config {
        initial_window_size: WINDOW,
        connection_window_size: 2 * WINDOW,
        max_header_list_size: SECTION,
        // Of ours, the limit is for pushes.
        max_concurrent_streams: if options.push { 100 } else { u32::MAX },
        push: options.push,
        // A person waits here, who has --max-time and Ctrl-C.
        stall_timeout: Duration::MAX,
        budgets: h2::Budgets {
            header_block_bytes: SECTION as usize,
            header_fields: 1_000,
            continuations: 32,
            ..h2::Budgets::default()
        },
        // A field that a person asked for is refused rather than changed.
        normalize_outbound: false,
        ..h2::Config::client()
    }
}
