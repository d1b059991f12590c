//! calmd: a single-threaded HTTP/2 and HTTP/1.1 server for static sites, and the protocol cores that
//! it is made of.
//!
//! # Rooms
//!
//! A room is a directory of `src`. It imports rooms of lower floors only, which `tests/it/imports.rs`
//! checks. Begin to read at any room and go down.
//!
//! ```text
//! 9  main       the process: log, App::open, sandbox, App::run
//! 8  app        opens what the configuration names      cli       the command line and the environment
//! 7  config     the table of settings; composes the rooms' own configurations
//! 6  server     the event loop, its tables, connections, the services that frame answers
//! 5  routes     hosts by name, handlers by path
//!    upload     requests → files of one directory    panel    a page for the operator, and its JSON
//! 4  site       files → responses    rules    logins, redirects …    client    `calmd get`
//!    proxy      requests that are forwarded to upstreams   inspect  looks into connections, as JSON
//! 3  exchange   a request being answered: handlers, exchanges, wakes
//!    h2         HTTP/2    link    a socket, its TLS and its unsent output    sandbox    rights that are given up
//!    helper     processes of its own for what would make the loop wait: disks, passwords, uploads
//! 2  h1  HTTP/1.1   hpack  field compression   tls  certificates, records   content  bytes of responses
//!    telemetry  lines for the operator: access log, messages
//! 1  world      sockets, files, clock, as traits   http   the nouns of RFC 9110   hosts  names of hosts   allocator   panics
//! ```
//!
//! `h1`, `h2`, `hpack` and `http` are **cores**: bytes, commands and the time go in; events, bytes and one
//! deadline come out. They know no socket, file, thread or clock, so they can be used alone, on any
//! transport. `server` is the **shell** around them: it owns sockets, buffers and deadlines. It is generic
//! over `world`, so the tests run the real loop over a simulated network, disk and clock.
//!
//! # The life of a connection
//!
//! ```text
//!          accept: a place, a descriptor and memory must be free; else accepting pauses
//!             │
//!             ▼             preface, request or ALPN            error, end, drained
//!         Opening ─────────────────────────────────▶ Serving ─────────────────────▶ Flushing
//!             │ handshake, preface                      │ idle, stall, header timeouts    │ all sent
//!             │ timeout                                 │ or closed to free memory        ▼
//!             └──────────────────▶ Closed ◀─────────────┘ ◀────────────── Lingering ◀── Ending
//! ```
//!
//! 1. `server::event_loop` accepts a socket and gives it a slot. A [`Token`](world::Token) names the slot
//!    and its user, so an event for a connection that is gone reaches no other.
//! 2. **Opening**: TLS does its handshake. ALPN, or the first bytes in the clear, decide the protocol.
//! 3. **Serving**: the connection has a turn whenever its socket is readable or writable, a deadline
//!    passes, or a wake is due. A turn reads once, serves, and writes a few pieces of output. It has
//!    budgets of bytes, requests and work on files. A connection that used one up is queued behind the
//!    others.
//! 4. An idle connection holds no buffer: buffers are lent for the length of a turn. Bytes stay with a
//!    connection only while a frame, a head or a record is incomplete, or while its socket is full.
//! 5. **Flushing**, **Ending** (TLS says close_notify) and **Lingering** close it so that no reset
//!    overtakes bytes that the peer has not read yet (RFC 9112 §9.6). A reset is the end, and close_notify is not said,
//!    where a client of HTTP/1.0 would take the end for that of content which was cut short.
//!
//! # The life of a request
//!
//! Over HTTP/2 in the clear, for a file:
//!
//! ```text
//!  socket ─link─▶ server::connection ─▶ server::h2_service: h2::Connection::receive ─▶ Event::Request
//!                                                                                            │
//!   HEADERS ◀─ exchange::ActiveRequest ◀─ Response, or Exchange ◀─ handler ◀─ routes ◀─ server::answering
//!                      │
//!        ┌────────── scheduler: a grant for a stream, bounded by both windows, the frame size, the output
//!        ▼
//!  content: preadv(2) into place behind a 9-byte header ─▶ commit(grant) ─▶ output ─writev─▶ socket
//! ```
//!
//! `server::answering` refuses what is for another host (421) or too large (413) and begins the line of the
//! access log; `routes` finds the host and the handler of the path, which is the site where no other is mounted; and
//! `exchange::active` keeps the rules that both protocols share: HEAD, limits, `100 Continue`, the log.
//!
//! Requests of HTTP/2 that came together are read, up to eight, before the first is answered (`server::batch`): the
//! code of both does not fit into the processor's instruction cache. One that repeats the request before it in the same
//! read, byte for byte, gets the answer of that one without a stream of its own, where a site alone answers
//! (`server::h2_service::repeating`, `h2::connection::again`).
//!
//! Nothing is read from a file or a handler before a window and room in the output exist for it.
//!
//! Over HTTP/1.1 there is one response at a time, without a scheduler. A head that is equal to the last one is compared
//! instead of parsed (`h1::known`), and its request gets the answer of that one, where a site alone answers and trusts its
//! files still (`server::h1_service::repeating`). Lines of fields that responses share are made once
//! (`server::head_lines`). A large file is not read at all:
//!
//! ```text
//!  socket ─read─▶ h1::Connection::receive ─▶ Event::Request ─▶ answering … ─▶ head ─▶ output
//!                                                        └─▶ splice of the file ─sendfile(2)─▶ socket
//! ```
//!
//! TLS is a layer around both. Records are opened in the buffer that they were read into, and sealed
//! straight into the buffer that is written from, so a session keeps bytes of incomplete records only:
//!
//! ```text
//!  socket ─read─▶ records ─open in place─▶ protocol ─▶ output, piece ─seal─▶ wire ─write─▶ socket
//! ```
//!
//! A deadline is one number for each connection: the earliest of its phase, its protocol and its stalls.
//!
//! ```text
//!  Connection::next_deadline ──set──▶ wheel of 1,024 slots of 64 ms ──expire──▶ handle_deadline
//!         ▲                                                                     │
//!         └────────────── after each turn, O(1) ◀───────────────────────────────┘ 408, GOAWAY …
//! ```
//!
//! A wake lets a response go on without an event of its socket: the disk has brought bytes, a descriptor
//! is free, or a handler has called the [`Waker`](exchange::Waker) of a request that waits for it.
//!
//! ```text
//!  content has no bytes now ─▶ Progress::Cold ─▶ queue of wakes ─after 4 ms─▶ a turn of the connection
//!          ▲                                                                     │
//!          └───────── nothing came: waits again, until its stall timeout ◀───────┘
//!
//!  the helper process, where there is one, brings the bytes: its answer is the wake, instead of the 4 ms
//!
//!  a name is not in memory ─▶ the helper opens the file, and passes it back with its answer, which is the wake
//!          ─▶ the request is asked for again
//!
//!  a listing is made in parts ─▶ Progress::Unfinished ─▶ queue of wakes ─next turn of the loop─▶ the next part
//!
//!  Exchange::poll ─▶ Step::Wait(Until::Woken) ─ Waker::wake ─▶ queue of wakes ─▶ a turn, and poll again
//!                          └─ handler timeout ─▶ 504, or behind the head the end of the response
//! ```
//!
//! # Where a change begins
//!
//! | A new … | Begin in |
//! |---|---|
//! | setting | `config::settings`, "To add a setting" |
//! | limit or timeout | `server::config`, `h2::config`, `h1::server::config`; its line for the operator: `server::limit_log` |
//! | field of every response | `site::common_fields` |
//! | field of a file's response | `site::representation` |
//! | rule of a host | `rules`, "The order"; its key in the settings file: `config::file::rules` |
//! | handler | `exchange`, "A handler of one's own" |
//! | frame of HTTP/2 | `h2::frame::extension`, its first lines |
//! | setting of HTTP/2 | `h2::settings` |
//! | system call | `world`, and the sandbox's list in `sandbox::system_calls` |
//! | work that blocks | a task in `helper::message`, and its slices for a server without a helper |
//! | attack | a row in `tests/it/hostile/rows` |
//!
//! # The invariant of edge triggering
//!
//! The poll reports that a socket **becomes** readable or writable, once. An edge that is forgotten never
//! comes again, and its connection would hang until its deadline. Therefore:
//!
//! > At the end of a turn, each direction of a socket either has met `WouldBlock` (or a short read, which
//! > means the same) since its last edge, or the connection remembers that there is more to do.
//!
//! `link::ReadSide` remembers the readable side: `Drained` means that an edge will come,
//! `Readable` that bytes may be left, `Closing` that the end is to be read, which no edge announces again.
//! A write queue that is not empty is the memory of the writable side. An accepted socket is registered for reading
//! alone until a write falls short, because a new one has room and would be told of for that
//! ([`World::await_room`](world::World::await_room)). A connection that has bytes left
//! asks for another turn instead of waiting. Debug builds assert at the end of each turn that it has moved
//! something, or that the connection waits for something that will wake it (`server::connection::progress`).
//! The poll itself has room for 256 events: the rest come with
//! the next poll, before later ones ([`Extent`](world::Extent)).
//!
//! # Performance tricks that must not be undone
//!
//! Each was measured, and each looks as if something simpler would do.
//!
//! - **No cache in the allocator, tables of full size from the start.** Memory that a crowd needed lies
//!   below memory that is allocated later, and glibc gives its heap back from the top only. So nothing
//!   that stays may be allocated or grown in a crowd ([`allocator`], `server::event_loop::MOST_ROOM`), and what is
//!   remembered of files and heads is forgotten as a crowd goes (`server::event_loop`, `tidy`).
//! - **Queues of two rings.** The permanent ring serves 256; the second is dropped when it is empty. One
//!   ring that grows and shrinks would lie above the crowd's memory (`exchange::queue`).
//! - **Packed tables.** An idle HTTP/2 connection keeps each of its two HPACK tables as the block that makes
//!   it: a quarter of the memory, and the next blocks are as short as ever (`hpack::packed`).
//! - **Keys at rest.** An idle TLS connection keeps the keys of its records, and not what a cipher expands
//!   them to, which is a quarter of its memory. Its next record expands them again (`tls::resting_keys`).
//! - **Aligned pieces.** File content is read behind its frame header at the offset within a cache line
//!   that it has in the kernel's page: the copy is 5 % faster (`link::piece`).
//! - **65,160 bytes.** A piece of output, with what its records add, and a quarter of the most that is
//!   spliced stay below the most that a kernel hands down in one go (GSO), and so does what is read of an upstream's
//!   content. A little more would be a tiny segment of its own behind each ([`server::Limits::output_bytes`],
//!   `link::splices`, `server::reply_buffers`).
//! - **Lent, initialised buffers.** One read buffer, one output and one wire buffer serve all connections
//!   in turn. They stay initialised, so that reading and sealing clear nothing ([`tls::records::WireBuffer`]).
//! - **Requests in batches.** Up to eight requests of HTTP/2 are read before the first is answered, because the code of
//!   both does not fit into the processor's instruction cache: a tenth of the time (`server::batch`).
//! - **What repeats is compared.** A request or a head that is equal to the last one is not parsed, nor answered, anew:
//!   a repeated request takes a quarter of the instructions (`h2::connection::again`, `h1::known`). Lines of fields that
//!   responses of HTTP/1.1 share are made once (`server::head_lines`), and so is the head that a forwarded one becomes
//!   (`exchange::call::made`).
//! - **A static response is a value.** No box, no dynamic call, no allocation for a hot file: head and
//!   content are shared with the cache ([`site`], `tests/bench/count --hot`).
//!
//! # Glossary
//!
//! | Word | Meaning |
//! |---|---|
//! | account | what a connection holds and its rank, in the ledger; decides which connection is closed first |
//! | attacker | a peer that wants to make the server hold, wait or work for nothing |
//! | backlog | connections that the kernel has accepted and the server has not |
//! | backpressure | not reading from one side because the other side does not take |
//! | batch | requests of one HTTP/2 connection that came together and are read before the first is answered |
//! | budget | what a peer may cause in a time or in a connection's life, before ENHANCE_YOUR_CALM |
//! | call | a request that is forwarded to an upstream |
//! | cold | bytes of a file that only the disk has; the response waits for a wake |
//! | core | a protocol without I/O |
//! | crowd | many connections at once; when they have gone their memory must go too |
//! | deadline | the time at which a wait ends |
//! | dispensable | said of a connection that is idle or stalled beyond its grace |
//! | edge-triggered | readiness that is reported when it begins, once |
//! | effort | work in the unit of bytes through a socket: 2 KiB are some 1.5 µs |
//! | exchange | a handler's answer that is made while it is sent |
//! | fault | the end of a protocol by an error of the peer |
//! | grant | the scheduler's permission for one stream to send up to a number of bytes |
//! | grace | time for which a connection is spared while memory or places are short |
//! | handler | answers the requests for a path |
//! | helper | a second process that waits for disks: it opens files, reads ahead and hashes, if the operator wants one |
//! | hot | said of a file whose head, and content if it is short, are in memory |
//! | layer | TLS or none, between a socket and its protocol |
//! | lent | said of a buffer that one connection after another uses, each for the length of its turn |
//! | linger | to read and drop input after the last byte was sent, until the peer closes |
//! | mark | seven eighths of the memory limit; above it no connection is accepted |
//! | operator | the person who runs the server and reads its messages |
//! | output | bytes of a turn that go to the socket; what it does not take waits in the write queue |
//! | patience | short while a resource is short, else ample: chooses between two stall timeouts |
//! | piece | frames of file content, made in the place that the content is read to |
//! | progress | content moved in either direction; what keeps a connection from being a stalled one |
//! | rapid reset | a flood of requests that are cancelled at once (CVE-2023-44487) |
//! | shed | to close connections because memory, places or descriptors are short |
//! | sidecar | a compressed file beside a file: `.br`, `.zst`, `.gz` |
//! | splice | content that the socket takes from where it is: sendfile(2), or writev(2) of shared memory |
//! | stall | a peer that takes or sends too little for its stall timeout |
//! | trust | not to look at a file, or at its absence, again: for 20 ms after the last look |
//! | turn | what a connection does between two looks at the others; or a round of the event loop |
//! | upstream | servers that requests are forwarded to |
//! | wake | an appointment of a response with the event loop |
//! | window | bytes that HTTP/2 flow control still lets one side send |
//! | zero-copy | said of content that is not copied in user space: a splice |
//!
//! # Features
//!
//! `server` (with `aws-lc` or `ring` for the cryptography) is the program as a server, `client` adds `calmd get`,
//! `proxy` the reverse proxy, `upload` directories that take files, `panel` the page for the operator.
//! Without any feature the crate is the cores alone, and depends on three small crates. [`h2::guide`] is the
//! tutorial for that.

// The rooms that these pages link to are not all there in the library alone.
#![cfg_attr(not(feature = "server"), allow(rustdoc::broken_intra_doc_links))]
// They panic where the reader of a pipe has gone or a disk is full, and wait where it is slow:
// `telemetry` does neither.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

#[cfg(feature = "server")]
pub mod allocator;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod content;
#[cfg(feature = "server")]
pub mod exchange;
pub mod h1;
pub mod h2;
#[cfg(feature = "server")]
pub mod helper;
#[cfg(feature = "server")]
pub mod hosts;
pub mod hpack;
pub mod http;
#[cfg(feature = "panel")]
pub mod inspect;
#[cfg(feature = "server")]
pub mod link;
#[cfg(feature = "panel")]
pub mod panel;
#[cfg(feature = "server")]
pub mod panics;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "server")]
pub mod routes;
#[cfg(feature = "server")]
pub mod rules;
#[cfg(feature = "server")]
pub mod sandbox;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod site;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod tls;
#[cfg(feature = "upload")]
pub mod upload;
#[cfg(feature = "server")]
pub mod world;
