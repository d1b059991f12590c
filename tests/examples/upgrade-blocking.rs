//! A server in the clear that is met with HTTP/1.1 and goes on with HTTP/2, where the client offers
//! `Upgrade: h2c` (RFC 7540 §3.2) or begins with it: `h1` and `h2` of this crate side by side.
//!
//! ```sh
//! cargo run --no-default-features --example upgrade-blocking -- 127.0.0.1:8080
//! curl -v --http2 http://127.0.0.1:8080/        # upgrades
//! curl -v --http1.1 http://127.0.0.1:8080/      # does not
//! nghttp -v --upgrade http://127.0.0.1:8080/
//! ```

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use calmd::h1::{self, BodyLength};
use calmd::h2::frame::PREFACE;
use calmd::h2::{self, Inbox, Outbox, StreamKey};
use calmd::http::{Fields, Scheme};

const CONTENT: &[u8] = b"hello\n";

fn main() -> Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    println!("listening on {}", listener.local_addr()?);
    for socket in listener.incoming() {
        let socket = socket?;
        std::thread::spawn(move || {
            if let Err(error) = serve(socket) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

/// HTTP/1.1, unless the first bytes say otherwise.
fn serve(mut socket: TcpStream) -> Result<()> {
    let now = Instant::now();
    let mut http1 = h1::Connection::new(Arc::default(), Scheme::Http, now);
    http1.report_h2c();
    let (mut received, mut fields) = (Vec::new(), Fields::new());
    loop {
        if !read(&mut socket, &mut received)? {
            return Ok(());
        }
        if received.starts_with(&PREFACE[..received.len().min(PREFACE.len())]) {
            if received.len() < PREFACE.len() {
                continue;
            }
            let http2 = h2::Connection::server(Arc::default(), now);
            return serve_http2(socket, http2, None, received);
        }
        let mut input = &received[..];
        let mut upgraded = None;
        while let Ok(Some(event)) = http1.receive(&mut input, &mut fields, Instant::now()) {
            let h1::Event::Request { upgrade, .. } = event else {
                continue;
            };
            // An offer that is not valid is ignored (RFC 7540 §3.2.1).
            upgraded = upgrade.and_then(|offer| {
                h2::Connection::server_upgraded(Arc::default(), offer.settings, now).ok()
            });
            if upgraded.is_some() {
                http1.switch_protocols();
                break;
            }
            http1.send_head(200, [], BodyLength::Known(CONTENT.len() as u64));
            http1.begin_data(CONTENT.len()).extend_from_slice(CONTENT);
            http1.commit(true, now);
        }
        let rest = input.to_vec();
        socket.write_all(&http1.take_output())?;
        if let Some((http2, stream)) = upgraded {
            return serve_http2(socket, http2, Some(stream), rest);
        }
        if http1.wants_close() {
            return Ok(());
        }
        received = rest;
    }
}

/// HTTP/2. An upgraded connection has its first request already: `first`.
fn serve_http2(
    mut socket: TcpStream,
    mut http2: h2::Connection,
    first: Option<StreamKey>,
    received: Vec<u8>,
) -> Result<()> {
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    inbox.buffer().extend(received);
    let mut requests = Vec::from_iter(first);
    loop {
        while let Ok(Some(event)) = inbox.next_event(&mut http2, Instant::now()) {
            http2.release_event(&event).expect("content that just came");
            if let h2::Event::Request { stream, .. } = event {
                requests.push(stream);
            }
        }
        for stream in requests.drain(..) {
            // The client may have reset it meanwhile.
            let _ = outbox.respond(&mut http2, stream, 200, [], CONTENT);
        }
        outbox.fill(&mut http2, usize::MAX);
        socket.write_all(&http2.take_output())?;
        if http2.is_drained() || !read(&mut socket, inbox.buffer())? {
            return Ok(());
        }
    }
}

/// Appends bytes that have come; false at their end.
fn read(socket: &mut TcpStream, received: &mut Vec<u8>) -> Result<bool> {
    let mut buffer = [0; 16 << 10];
    let len = socket.read(&mut buffer)?;
    received.extend_from_slice(&buffer[..len]);
    Ok(len > 0)
}
