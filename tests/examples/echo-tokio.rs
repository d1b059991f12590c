//! A server on tokio, one task a connection: the content of each request comes back, as fast as its client
//! takes it.
//!
//! ```sh
//! cargo run --no-default-features --example echo-tokio -- 127.0.0.1:8080
//! curl --http2-prior-knowledge --data-binary @FILE http://127.0.0.1:8080/
//! ```

use std::collections::HashMap;
use std::io::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calmd::h2::{Config, Connection, Event, StreamKey};
use calmd::http::{Expected, Field, Fields};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Content that came and was not sent back. Its bytes are released when they are, so a client that takes
/// nothing cannot send more than its window either.
#[derive(Default)]
struct Echo {
    bytes: Vec<u8>,
    has_ended: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    println!("listening on {}", listener.local_addr()?);
    let config = Arc::new(Config::server());
    loop {
        let (socket, _) = listener.accept().await?;
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            if let Err(error) = serve(socket, config).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn serve(mut socket: TcpStream, config: Arc<Config>) -> Result<()> {
    let mut connection = Connection::server(config, Instant::now());
    let mut echoes = HashMap::new();
    let mut received = Vec::new();
    loop {
        send(&mut connection, &mut echoes);
        socket.write_all(&connection.take_output()).await?;
        if connection.is_drained() {
            return Ok(());
        }
        let now = Instant::now();
        let wait = connection
            .next_deadline()
            .map_or(Duration::MAX, |at| at.saturating_duration_since(now));
        match tokio::time::timeout(wait, socket.read_buf(&mut received)).await {
            // GOAWAY is in the output, and the connection is drained.
            Err(_) => drop(connection.handle_timeout(Instant::now())),
            Ok(Ok(0)) => return Ok(()),
            Ok(len) => {
                len?;
                receive(&mut connection, &mut received, &mut echoes);
            }
        }
    }
}

fn receive(
    connection: &mut Connection,
    received: &mut Vec<u8>,
    echoes: &mut HashMap<StreamKey, Echo>,
) {
    let (mut input, mut fields) = (&received[..], Fields::new());
    while let Ok(Some(event)) = connection.receive(&mut input, &mut fields, Instant::now()) {
        match event {
            Event::Request {
                stream,
                end_stream,
                expected,
                ..
            } => {
                if expected == Expected::Continue {
                    // The client keeps its content back until then, and some for ever.
                    let sent = connection.send_informational(stream, 100, []);
                    sent.expect("a new stream");
                }
                let head = [Field::new(b":status", b"200")];
                if connection.send_headers(stream, head, end_stream).is_ok() && !end_stream {
                    echoes.insert(stream, Echo::default());
                }
            }
            Event::Data {
                stream,
                data,
                flow_controlled_len,
                end_stream,
            } => {
                let padding = flow_controlled_len - data.len() as u32;
                connection
                    .release(stream, padding)
                    .expect("padding that came");
                if let Some(echo) = echoes.get_mut(&stream) {
                    echo.bytes.extend_from_slice(data);
                    echo.has_ended = end_stream;
                    connection.set_ready(stream, None);
                }
            }
            Event::Trailers { stream, .. } => {
                if let Some(echo) = echoes.get_mut(&stream) {
                    echo.has_ended = true;
                    connection.set_ready(stream, None);
                }
            }
            Event::StreamReset { stream, .. } => drop(echoes.remove(&stream)),
            _ => {}
        }
    }
    let consumed = received.len() - input.len();
    received.drain(..consumed);
}

fn send(connection: &mut Connection, echoes: &mut HashMap<StreamKey, Echo>) {
    while let Some(grant) = connection.poll_grant(64 << 10) {
        let stream = grant.stream;
        let Some(echo) = echoes.get_mut(&stream) else {
            connection.rest(grant);
            continue;
        };
        let len = echo.bytes.len().min(grant.max_len as usize);
        connection
            .begin_data(&grant)
            .extend(echo.bytes.drain(..len));
        let is_end = echo.has_ended && echo.bytes.is_empty();
        connection.commit(grant, is_end);
        connection
            .release(stream, len as u32)
            .expect("content that came");
        if is_end {
            echoes.remove(&stream);
        }
    }
}
