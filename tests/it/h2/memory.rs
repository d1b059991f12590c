//! Memory of a connection that has served and is idle, counted by the allocator.

use std::sync::Arc;
use std::time::Instant;

use allocation_counter::measure;
use calmd::h2::{Config, Connection, Event};
use calmd::http::{Field, Fields};

/// The most bytes of struct and heap together: ten thousand idle connections take less than seven megabytes.
const LIMIT: usize = 660;

/// A request of curl. The longer fields of a browser stay in our decoder's table as long as in the
/// browser's own, up to SETTINGS_HEADER_TABLE_SIZE.
const REQUEST: [(&str, &str); 6] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "www.example.org"),
    (":path", "/articles/2026/index.html"),
    ("user-agent", "curl/8.14.1"),
    ("accept", "*/*"),
];

const RESPONSE: [(&str, &str); 6] = [
    (":status", "200"),
    ("content-type", "text/html; charset=utf-8"),
    ("last-modified", "Sat, 21 Nov 2026 03:00:00 GMT"),
    ("etag", "\"5f3-1a2b3c4d5e6f\""),
    ("cache-control", "max-age=0, must-revalidate"),
    ("date", "Sat, 21 Nov 2026 03:00:01 GMT"),
];

fn list<'f>(fields: &'f [(&'f str, &'f str)]) -> impl Iterator<Item = Field<'f>> {
    let field = |&(name, value): &(&'f str, &'f str)| Field::new(name.as_bytes(), value.as_bytes());
    fields.iter().map(field)
}

/// Gives a connection all bytes that the peer has sent.
fn receive(
    connection: &mut Connection,
    mut input: &[u8],
    mut handle: impl FnMut(&mut Connection, Event<'_>),
) {
    let mut fields = Fields::new();
    while let Some(event) = connection
        .receive(&mut input, &mut fields, Instant::now())
        .expect("a good peer")
    {
        handle(connection, event);
    }
    assert!(input.is_empty());
}

/// A server's connection that has answered one request. `exchange` takes its output and returns the
/// client's input.
fn serve(config: Arc<Config>, mut exchange: impl FnMut(Vec<u8>) -> Vec<u8>) -> Connection {
    let mut server = Connection::server(config, Instant::now());
    let request = exchange(server.take_output());
    receive(&mut server, &request, |server, event| {
        if let Event::Request { stream, .. } = event {
            let head = server.send_headers(stream, list(&RESPONSE), false);
            head.expect("a stream that waits for it");
            server.set_ready(stream, Some(1_000));
        }
    });
    while let Some(grant) = server.poll_grant(1 << 16) {
        let output = server.begin_data(&grant);
        output.resize(output.len() + grant.max_len as usize, b'x');
        server.commit(grant, true);
    }
    let acknowledgement = exchange(server.take_output());
    receive(&mut server, &acknowledgement, |_, _| {});
    assert!(server.is_idle() && server.take_output().is_empty());
    server
}

/// The bytes that a client sends for its request, flight by flight.
fn flights(config: &Arc<Config>) -> Vec<Vec<u8>> {
    let mut client = Connection::client(Arc::clone(config), Instant::now());
    let opened = client.open(list(&REQUEST), true, Instant::now());
    opened.expect("a first stream");
    let mut flights = Vec::new();
    serve(Arc::clone(config), |bytes| {
        receive(&mut client, &bytes, |client, event| {
            if let Event::Data { stream, data, .. } = event {
                client.release(stream, data.len() as u32).unwrap();
            }
        });
        flights.push(client.take_output());
        flights.last().expect("one was pushed").clone()
    });
    flights
}

#[test]
fn a_connection_that_has_served_and_is_idle_costs_less_than_660_bytes() {
    let config = Arc::new(Config::default());
    let flights = flights(&config);
    let mut sent = flights.iter();
    let mut server = None;
    let allocated = measure(|| {
        let server = server.insert(serve(config, |_| sent.next().cloned().expect("as before")));
        // The shell calls it after a while without input.
        server.shrink();
    });
    let heap = usize::try_from(allocated.bytes_current).expect("more allocated than freed");
    let total = size_of_val(&server) + heap;
    assert!(
        heap > 0 && total < LIMIT,
        "{total} bytes, {heap} of them on the heap"
    );
}
