//! A reverse proxy: HTTP/2 in front, HTTP/2 behind, with trailers, resets and flow control from end to end. Each
//! client's connection has one of its own to the server behind.
//!
//! ```sh
//! cargo run --no-default-features --example proxy-tokio -- 127.0.0.1:8080 127.0.0.1:9000
//! ```

use std::collections::HashMap;
use std::io::Result;
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Cause, Config, Connection, ErrorCode, Event, StreamKey};
use calmd::http::Fields;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Content on its way to one side, which waits for its windows. It is released on the side that it came from
/// when it has gone, so one side's windows are the other's.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    has_ended: bool,
    trailers: Option<Fields>,
}

/// The connection to the client, or to the server behind.
struct Side {
    socket: TcpStream,
    connection: Connection,
    received: Vec<u8>,
    /// Each stream's counterpart on the other side.
    others: HashMap<StreamKey, StreamKey>,
    waiting: HashMap<StreamKey, Waiting>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(behind)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: proxy-tokio ADDRESS SERVER");
        std::process::exit(2);
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let behind = behind.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(socket, behind).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn serve(socket: TcpStream, behind: String) -> Result<()> {
    let now = Instant::now();
    let mut client = Side::new(socket, Connection::server(Arc::new(Config::server()), now));
    let socket = TcpStream::connect(behind).await?;
    let mut server = Side::new(socket, Connection::client(Arc::new(Config::client()), now));
    loop {
        send(&mut client, &mut server);
        send(&mut server, &mut client);
        client.flush().await?;
        server.flush().await?;
        if client.connection.is_drained() {
            return Ok(());
        }
        let len = tokio::select! {
            len = client.socket.read_buf(&mut client.received) => len?,
            len = server.socket.read_buf(&mut server.received) => len?,
        };
        receive(&mut client, &mut server);
        receive(&mut server, &mut client);
        if len == 0 || server.connection.is_drained() {
            client.connection.close(ErrorCode::NO_ERROR, None, b"");
            return client.flush().await;
        }
    }
}

impl Side {
    fn new(socket: TcpStream, connection: Connection) -> Side {
        Side {
            socket,
            connection,
            received: Vec::new(),
            others: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.connection.take_output()).await
    }

    fn reset(&mut self, stream: StreamKey, code: ErrorCode) {
        self.connection.reset(stream, code);
        self.others.remove(&stream);
        self.waiting.remove(&stream);
    }
}

/// Gives everything that one side has said to the other.
fn receive(from: &mut Side, to: &mut Side) {
    let received = std::mem::take(&mut from.received);
    let (mut input, mut fields) = (&received[..], Fields::new());
    while let Ok(Some(event)) = from
        .connection
        .receive(&mut input, &mut fields, Instant::now())
    {
        let (stream, passed) = match event {
            Event::Request {
                stream,
                fields,
                end_stream,
                ..
            } => {
                let opened = to
                    .connection
                    .open(fields.iter(), end_stream, Instant::now());
                if let Ok(other) = opened {
                    from.others.insert(stream, other);
                    to.others.insert(other, stream);
                }
                (stream, opened.map(drop))
            }
            Event::Response {
                stream,
                fields,
                end_stream,
            } => {
                let other = from.others[&stream];
                (
                    stream,
                    to.connection.send_headers(other, fields.iter(), end_stream),
                )
            }
            Event::Informational { stream, fields } => {
                let other = from.others[&stream];
                (
                    stream,
                    to.connection.send_headers(other, fields.iter(), false),
                )
            }
            Event::Data {
                stream,
                data,
                flow_controlled_len,
                end_stream,
            } => {
                let padding = flow_controlled_len - data.len() as u32;
                from.connection
                    .release(stream, padding)
                    .expect("padding that came");
                let other = from.others[&stream];
                let waiting = to.waiting.entry(other).or_default();
                waiting.bytes.extend_from_slice(data);
                waiting.has_ended = end_stream;
                to.connection.set_ready(other, None);
                (stream, Ok(()))
            }
            Event::Trailers { stream, fields } => {
                let other = from.others[&stream];
                to.waiting.entry(other).or_default().trailers = Some(fields.clone());
                to.connection.set_ready(other, None);
                (stream, Ok(()))
            }
            Event::StreamReset {
                stream, code, by, ..
            } => {
                let code = if by == Cause::Peer {
                    code
                } else {
                    ErrorCode::INTERNAL_ERROR
                };
                if let Some(other) = from.others.remove(&stream) {
                    to.reset(other, code);
                }
                from.waiting.remove(&stream);
                continue;
            }
            _ => continue,
        };
        // One stream too many, or one that is over on the other side.
        if passed.is_err() {
            from.reset(stream, ErrorCode::REFUSED_STREAM);
        }
    }
    from.received = input.to_vec();
}

/// Sends to one side what waits for it, and gives the other its window back.
fn send(to: &mut Side, from: &mut Side) {
    while let Some(grant) = to.connection.poll_grant(64 << 10) {
        let stream = grant.stream;
        let waiting = to.waiting.entry(stream).or_default();
        let len = waiting.bytes.len().min(grant.max_len as usize);
        to.connection
            .begin_data(&grant)
            .extend(waiting.bytes.drain(..len));
        let is_last = waiting.bytes.is_empty();
        to.connection.commit(grant, is_last && waiting.has_ended);
        if let Some(trailers) = waiting.trailers.take_if(|_| is_last) {
            // A stream that was reset meanwhile has no use for them.
            let _ = to.connection.send_headers(stream, trailers.iter(), true);
        }
        if let Some(&other) = to.others.get(&stream) {
            from.connection
                .release(other, len as u32)
                .expect("content that came");
        }
    }
}
