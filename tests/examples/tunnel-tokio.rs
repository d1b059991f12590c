//! A proxy for CONNECT (RFC 9113 §8.5): each stream is a tunnel to a server's port, with flow control from end to
//! end. For loopback addresses alone, because an open proxy would be found.
//!
//! ```sh
//! cargo run --no-default-features --example tunnel-tokio -- 127.0.0.1:8080
//! ```

use std::collections::HashMap;
use std::io::Result;
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, ErrorCode, Event, StreamKey};
use calmd::http::{Field, Fields};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};

/// From a tunnel's task to its connection.
enum News {
    Connected,
    /// Bytes of the server; empty at its end.
    Bytes(Vec<u8>),
    /// Number of the client's bytes that were written.
    Written(u32),
    Failed,
}

/// The connection's side of a tunnel. What waits for a window stops the task, whose channel has one place.
struct Tunnel {
    to_server: UnboundedSender<Vec<u8>>,
    waiting: Vec<u8>,
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
        tokio::spawn(serve(socket, Arc::clone(&config)));
    }
}

async fn serve(mut socket: TcpStream, config: Arc<Config>) -> Result<()> {
    let mut connection = Connection::server(config, Instant::now());
    let mut tunnels = HashMap::new();
    let (news, mut hear) = channel(1);
    let mut received = Vec::new();
    loop {
        send(&mut connection, &mut tunnels);
        socket.write_all(&connection.take_output()).await?;
        if connection.is_drained() {
            return Ok(());
        }
        let waits = tunnels
            .values()
            .map(|tunnel: &Tunnel| tunnel.waiting.len())
            .sum::<usize>();
        tokio::select! {
            len = socket.read_buf(&mut received) => {
                if len? == 0 {
                    return Ok(());
                }
                receive(&mut connection, &mut received, &mut tunnels, &news);
            }
            // Nothing more is heard of servers while much waits for the client.
            Some((stream, news)) = hear.recv(), if waits < 1 << 20 => {
                handle(&mut connection, &mut tunnels, stream, news);
            }
        }
    }
}

type Tunnels = HashMap<StreamKey, Tunnel>;

fn receive(
    connection: &mut Connection,
    received: &mut Vec<u8>,
    tunnels: &mut Tunnels,
    news: &Sender<(StreamKey, News)>,
) {
    let (mut input, mut fields) = (&received[..], Fields::new());
    while let Ok(Some(event)) = connection.receive(&mut input, &mut fields, Instant::now()) {
        match event {
            Event::Request { stream, fields, .. } => {
                let authority = String::from_utf8_lossy(fields.authority().unwrap_or_default());
                let is_near = authority.starts_with("127.0.0.1:");
                if fields.method() != Some(b"CONNECT") || !is_near {
                    let head = [Field::new(b":status", b"403")];
                    connection
                        .send_headers(stream, head, true)
                        .expect("a new stream");
                    continue;
                }
                let (to_server, from_client) = unbounded_channel();
                let tunnel = Tunnel {
                    to_server,
                    waiting: Vec::new(),
                    has_ended: false,
                };
                tunnels.insert(stream, tunnel);
                tokio::spawn(carry(
                    authority.into_owned(),
                    stream,
                    from_client,
                    news.clone(),
                ));
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
                if let Some(tunnel) = tunnels.get(&stream) {
                    // Bounded by the stream's window. No bytes are the end.
                    let _ = tunnel.to_server.send(data.to_vec());
                    if end_stream && !data.is_empty() {
                        let _ = tunnel.to_server.send(Vec::new());
                    }
                }
            }
            Event::StreamReset { stream, .. } => drop(tunnels.remove(&stream)),
            _ => {}
        }
    }
    let consumed = received.len() - input.len();
    received.drain(..consumed);
}

fn handle(connection: &mut Connection, tunnels: &mut Tunnels, stream: StreamKey, news: News) {
    let Some(tunnel) = tunnels.get_mut(&stream) else {
        return;
    };
    match news {
        News::Connected => {
            let head = [Field::new(b":status", b"200")];
            connection
                .send_headers(stream, head, false)
                .expect("a stream that waits for its head");
        }
        News::Bytes(bytes) => {
            tunnel.has_ended = bytes.is_empty();
            tunnel.waiting.extend(bytes);
            connection.set_ready(stream, None);
        }
        News::Written(len) => connection.release(stream, len).expect("bytes that came"),
        News::Failed => {
            connection.reset(stream, ErrorCode::CONNECT_ERROR);
            tunnels.remove(&stream);
        }
    }
}

fn send(connection: &mut Connection, tunnels: &mut Tunnels) {
    while let Some(grant) = connection.poll_grant(64 << 10) {
        let Some(tunnel) = tunnels.get_mut(&grant.stream) else {
            connection.rest(grant);
            continue;
        };
        let len = tunnel.waiting.len().min(grant.max_len as usize);
        connection
            .begin_data(&grant)
            .extend(tunnel.waiting.drain(..len));
        connection.commit(grant, tunnel.has_ended && tunnel.waiting.is_empty());
    }
}

/// The task of a tunnel.
async fn carry(
    to: String,
    stream: StreamKey,
    mut from_client: UnboundedReceiver<Vec<u8>>,
    news: Sender<(StreamKey, News)>,
) {
    let tell = async |what| news.send((stream, what)).await.is_ok();
    let Ok(mut server) = TcpStream::connect(to).await else {
        tell(News::Failed).await;
        return;
    };
    let mut goes_on = tell(News::Connected).await;
    let (mut buffer, mut has_ended) = (vec![0; 16 << 10], false);
    while goes_on {
        tokio::select! {
            bytes = from_client.recv() => goes_on = match bytes {
                // The client's connection or stream is over.
                None => false,
                Some(bytes) if bytes.is_empty() => server.shutdown().await.is_ok(),
                Some(bytes) => match server.write_all(&bytes).await {
                    Ok(()) => tell(News::Written(bytes.len() as u32)).await,
                    Err(_) => { tell(News::Failed).await; false }
                },
            },
            len = server.read(&mut buffer), if !has_ended => goes_on = match len {
                Ok(len) => {
                    has_ended = len == 0;
                    tell(News::Bytes(buffer[..len].to_vec())).await
                }
                Err(_) => { tell(News::Failed).await; false }
            },
        }
    }
}
