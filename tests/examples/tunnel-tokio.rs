//! A proxy for CONNECT (RFC 9113 §8.5): each stream is a tunnel to a server's port, with flow control from end to
//! end. For loopback addresses alone, because an open proxy would be found.
//!
//! ```sh
//! cargo run --no-default-features --example tunnel-tokio -- 127.0.0.1:8080
//! ```

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, ErrorCode, Event, Inbox, Outbox, StreamKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, channel, unbounded_channel};

/// From a tunnel's task to its connection.
enum News {
    Connected,
    /// Bytes of the server; empty at its end.
    Bytes(Vec<u8>),
    /// Number of the client's bytes that were written.
    Written(u32),
    Failed,
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
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    // Ways to the servers, for bytes and the end. Without its way a tunnel is given up.
    let mut tunnels = HashMap::new();
    let (news, mut hear) = channel(1);
    loop {
        outbox.fill(&mut connection, usize::MAX);
        socket.write_all(&connection.take_output()).await?;
        if connection.is_drained() {
            return Ok(());
        }
        tunnels.retain(|stream, _| connection.contains(*stream));
        // Nothing more is heard of servers while much waits for the client.
        let hears = outbox.waiting() < 1 << 20;
        tokio::select! {
            len = socket.read_buf(inbox.buffer()) => if len? == 0 { return Ok(()) },
            Some((stream, news)) = hear.recv(), if hears => match news {
                News::Connected => drop(connection.send_response(stream, 200, [], false)),
                News::Bytes(bytes) if bytes.is_empty() => outbox.end(&mut connection, stream),
                News::Bytes(bytes) => drop(outbox.push(&mut connection, stream, &bytes)),
                News::Written(len) => connection.release(stream, len).expect("bytes that came"),
                News::Failed => {
                    connection.reset(stream, ErrorCode::CONNECT_ERROR);
                    outbox.remove(stream);
                }
            },
        }
        while let Ok(Some(event)) = inbox.next_event(&mut connection, Instant::now()) {
            connection.release_padding(&event).expect("it just came");
            let is_end = event.ends_stream();
            match event {
                Event::Request { stream, fields, .. } => {
                    let to = String::from_utf8_lossy(fields.authority().unwrap_or_default());
                    if fields.method() == Some(b"CONNECT") && to.starts_with("127.0.0.1:") {
                        let (to_server, from_client) = unbounded_channel();
                        tunnels.insert(stream, to_server);
                        tokio::spawn(carry(to.into_owned(), stream, from_client, news.clone()));
                    } else {
                        let sent = connection.send_response(stream, 403, [], true);
                        sent.expect("a new stream");
                        connection.reset(stream, ErrorCode::NO_ERROR);
                    }
                }
                Event::Data { stream, data, .. } => {
                    if let Some(to_server) = tunnels.get(&stream) {
                        // Bounded by the stream's window.
                        let _ = to_server.send((data.to_vec(), is_end));
                    }
                }
                Event::StreamReset { stream, .. } => drop(outbox.remove(stream)),
                _ => {}
            }
        }
    }
}

/// The task of a tunnel.
async fn carry(
    to: String,
    stream: StreamKey,
    mut from_client: UnboundedReceiver<(Vec<u8>, bool)>,
    news: Sender<(StreamKey, News)>,
) {
    let tell = async |what| news.send((stream, what)).await.map_err(Error::other);
    let carried = async {
        let (mut from_server, mut to_server) = TcpStream::connect(to).await?.into_split();
        tell(News::Connected).await?;
        let there = async {
            while let Some((bytes, is_end)) = from_client.recv().await {
                to_server.write_all(&bytes).await?;
                tell(News::Written(bytes.len() as u32)).await?;
                if is_end {
                    to_server.shutdown().await?;
                }
            }
            // The client's stream is over.
            Err::<(), Error>(ErrorKind::ConnectionAborted.into())
        };
        let back = async {
            let mut len = 1;
            while len > 0 {
                let mut bytes = Vec::with_capacity(16 << 10);
                len = from_server.read_buf(&mut bytes).await?;
                tell(News::Bytes(bytes)).await?;
            }
            Ok(())
        };
        tokio::try_join!(there, back)
    };
    if carried.await.is_err() {
        // Nobody hears it where the client's connection is over.
        let _ = tell(News::Failed).await;
    }
}
