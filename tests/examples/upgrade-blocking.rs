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
use calmd::h2::{self, StreamKey};
use calmd::http::{Field, Fields, Scheme};

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
        let mut buffer = [0; 16 << 10];
        let len = socket.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        received.extend_from_slice(&buffer[..len]);
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
            let offer = upgrade.and_then(|offer| {
                h2::Connection::server_upgraded(Arc::default(), offer.settings, now).ok()
            });
            if offer.is_some() {
                http1.switch_protocols();
                upgraded = offer;
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
    mut received: Vec<u8>,
) -> Result<()> {
    let mut fields = Fields::new();
    if let Some(stream) = first {
        answer(&mut http2, stream);
    }
    loop {
        let mut input = &received[..];
        while let Ok(Some(event)) = http2.receive(&mut input, &mut fields, Instant::now()) {
            match event {
                h2::Event::Request { stream, .. } => answer(&mut http2, stream),
                h2::Event::Data {
                    stream,
                    flow_controlled_len,
                    ..
                } => http2.release(stream, flow_controlled_len).unwrap(),
                _ => {}
            }
        }
        let consumed = received.len() - input.len();
        received.drain(..consumed);
        while let Some(grant) = http2.poll_grant(64 << 10) {
            http2.begin_data(&grant).extend_from_slice(CONTENT);
            http2.commit(grant, true);
        }
        socket.write_all(&http2.take_output())?;
        if http2.is_drained() {
            return Ok(());
        }
        let mut buffer = [0; 16 << 10];
        let len = socket.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        received.extend_from_slice(&buffer[..len]);
    }
}

fn answer(http2: &mut h2::Connection, stream: StreamKey) {
    let head = [Field::new(b":status", b"200")];
    if http2.send_headers(stream, head, false).is_ok() {
        // Six bytes are one frame: a window that is smaller makes it wait.
        http2.set_ready(stream, Some(CONTENT.len() as u64));
    }
}
