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

use calmd::h2::{Config, Connection, ErrorCode, Event, Inbox, Outbox, StreamKey};
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

/// A client, and the tunnels that its streams are. Content for it waits in the outbox.
struct Client {
    connection: Connection,
    inbox: Inbox,
    outbox: Outbox,
    /// Ways to the servers; no bytes are the end.
    tunnels: HashMap<StreamKey, UnboundedSender<Vec<u8>>>,
    news: Sender<(StreamKey, News)>,
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
    let (news, mut hear) = channel(1);
    let mut client = Client {
        connection: Connection::server(config, Instant::now()),
        inbox: Inbox::default(),
        outbox: Outbox::default(),
        tunnels: HashMap::new(),
        news,
    };
    loop {
        let (connection, outbox) = (&mut client.connection, &mut client.outbox);
        while outbox.send_frame(connection, 64 << 10).is_some() {}
        socket.write_all(&connection.take_output()).await?;
        if connection.is_drained() {
            return Ok(());
        }
        // Nothing more is heard of servers while much waits for the client.
        let hears = client.outbox.waiting() < 1 << 20;
        tokio::select! {
            len = socket.read_buf(client.inbox.buffer()) => match len? {
                0 => return Ok(()),
                _ => client.receive(),
            },
            Some((stream, news)) = hear.recv(), if hears => client.handle(stream, news),
        }
    }
}

impl Client {
    fn receive(&mut self) {
        let connection = &mut self.connection;
        while let Ok(Some(event)) = self.inbox.next_event(connection, Instant::now()) {
            match event {
                Event::Request { stream, fields, .. } => {
                    let authority = String::from_utf8_lossy(fields.authority().unwrap_or_default());
                    let is_near = authority.starts_with("127.0.0.1:");
                    if fields.method() != Some(b"CONNECT") || !is_near {
                        let sent = connection.send_response(stream, 403, [], true);
                        sent.expect("a new stream");
                        continue;
                    }
                    let (to_server, from_client) = unbounded_channel();
                    self.tunnels.insert(stream, to_server);
                    let (to, news) = (authority.into_owned(), self.news.clone());
                    tokio::spawn(carry(to, stream, from_client, news));
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
                    if let Some(to_server) = self.tunnels.get(&stream) {
                        // Bounded by the stream's window.
                        let _ = to_server.send(data.to_vec());
                        if end_stream && !data.is_empty() {
                            let _ = to_server.send(Vec::new());
                        }
                    }
                }
                Event::StreamReset { stream, .. } => {
                    self.tunnels.remove(&stream);
                    self.outbox.remove(stream);
                }
                _ => {}
            }
        }
    }

    fn handle(&mut self, stream: StreamKey, news: News) {
        let connection = &mut self.connection;
        if !connection.contains(stream) {
            return;
        }
        match news {
            News::Connected => {
                let sent = connection.send_response(stream, 200, [], false);
                sent.expect("a stream that waits for its head");
            }
            News::Bytes(bytes) if bytes.is_empty() => self.outbox.end(connection, stream),
            News::Bytes(bytes) => drop(self.outbox.push(connection, stream, &bytes)),
            News::Written(len) => connection.release(stream, len).expect("bytes that came"),
            News::Failed => {
                connection.reset(stream, ErrorCode::CONNECT_ERROR);
                self.tunnels.remove(&stream);
                self.outbox.remove(stream);
            }
        }
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
