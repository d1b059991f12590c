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

use calmd::h2::{Cause, Config, Connection, ErrorCode, Event, Inbox, Outbox, StreamKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The connection to the client, or to the server behind.
struct Side {
    socket: TcpStream,
    connection: Connection,
    inbox: Inbox,
    /// Content for this side. It is released on the side that it came from when it has gone, so one side's windows
    /// are the other's.
    outbox: Outbox,
    /// Each stream's counterpart on the other side.
    others: HashMap<StreamKey, StreamKey>,
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
            len = client.socket.read_buf(client.inbox.buffer()) => len?,
            len = server.socket.read_buf(server.inbox.buffer()) => len?,
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
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            others: HashMap::new(),
        }
    }

    async fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.connection.take_output()).await
    }

    fn reset(&mut self, stream: StreamKey, code: ErrorCode) {
        self.connection.reset(stream, code);
        self.others.remove(&stream);
        self.outbox.remove(stream);
    }
}

/// Gives everything that one side has said to the other.
fn receive(from: &mut Side, to: &mut Side) {
    while let Ok(Some(event)) = from.inbox.next_event(&mut from.connection, Instant::now()) {
        let Some(stream) = event.stream() else {
            continue;
        };
        let (other, is_end) = (from.others.get(&stream).copied(), event.ends_stream());
        let connection = &mut to.connection;
        let passed = match (&event, other) {
            (Event::Request { fields, .. }, _) => {
                let opened = connection.open(fields.iter(), is_end, Instant::now());
                opened.map(|other| {
                    from.others.insert(stream, other);
                    to.others.insert(other, stream);
                })
            }
            (Event::Response { fields, .. } | Event::Informational { fields, .. }, Some(other)) => {
                connection.send_headers(other, fields.iter(), is_end)
            }
            (Event::Data { .. } | Event::Trailers { .. }, Some(other)) => {
                // Padding goes no further, nor does content that nobody waits for any more.
                if to.outbox.pass_on(connection, other, &event) {
                    from.connection.release_padding(&event)
                } else {
                    from.connection.release_event(&event)
                }
            }
            (Event::StreamReset { code, by, .. }, Some(other)) => {
                let code = match by {
                    // The other side has broken no rule.
                    Cause::Error(_) => ErrorCode::INTERNAL_ERROR,
                    Cause::Peer | Cause::Stalled | Cause::GoAway => *code,
                };
                from.reset(stream, code);
                to.reset(other, code);
                Ok(())
            }
            _ => Ok(()),
        };
        // One stream too many, or one that is over on the other side.
        if passed.is_err() {
            from.reset(stream, ErrorCode::REFUSED_STREAM);
        }
    }
}

/// Sends to one side what waits for it, and gives the other its window back.
fn send(to: &mut Side, from: &mut Side) {
    while let Some((stream, len)) = to.outbox.send_frame(&mut to.connection, 64 << 10) {
        if let Some(&other) = to.others.get(&stream) {
            from.connection.release(other, len).expect("it came");
        }
    }
}
