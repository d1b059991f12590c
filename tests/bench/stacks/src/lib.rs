//! The two roles of a connection, in functions that callgrind finds by their names, and the work that all stacks
//! are given.

/// Requests of a round, all under way at once.
pub const AT_ONCE: usize = 32;

/// Bytes of a small response.
pub const SMALL: usize = 1 << 10;

/// Windows of the client, of a stream and of the connection, in bytes.
pub const WINDOW: u32 = 1 << 20;

/// Content that a client takes before it gives its windows back, in bytes; less at the end of a response. nghttp2
/// does that by itself, at half a window.
pub const TAKEN: usize = 64 << 10;

/// Fields of a request, those of h2load, behind its pseudo-header fields.
pub const USER_AGENT: &str = "h2load nghttp2/1.52.0";

/// Fields of a small response behind its status.
const RESPONSE: [(&str, &str); 5] = [
    ("content-type", "text/css"),
    ("content-length", "1024"),
    ("etag", "\"6f0c2d0a9f0c2d0a\""),
    ("cache-control", "max-age=3600"),
    ("server", "stack"),
];

/// The fields of a response of this size; the length of a large one is not told.
pub fn response(size: usize) -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_told = move |field: &(&str, &str)| field.0 != "content-length" || size == SMALL;
    RESPONSE.into_iter().filter(is_told)
}

/// Number of rounds of small responses, or of MiB of one large response.
#[derive(Clone, Copy)]
pub enum Work {
    /// Rounds of `AT_ONCE` GETs.
    Requests(usize),
    /// One GET of so many MiB.
    Bytes(usize),
}

/// The work that the command line asks for.
pub fn work() -> Work {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next();
    let count = arguments.next().and_then(|text| text.parse().ok());
    match (kind.as_deref(), count) {
        (Some("requests"), Some(count)) => Work::Requests(count),
        (Some("bytes"), Some(count)) => Work::Bytes(count),
        _ => {
            eprintln!("usage: PROGRAM requests|bytes COUNT");
            std::process::exit(2);
        }
    }
}

/// Runs what the server does.
#[inline(never)]
pub fn server_part(part: &mut dyn FnMut()) {
    part();
}

/// Runs what the client does.
#[inline(never)]
pub fn client_part(part: &mut dyn FnMut()) {
    part();
}
