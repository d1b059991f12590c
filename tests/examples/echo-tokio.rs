//! A server on tokio, one task a connection: the content of each request comes back, as fast as its client
//! takes it.
//!
//! ```sh
//! cargo run --no-default-features --example echo-tokio -- 127.0.0.1:8080
//! curl --http2-prior-knowledge --data-binary @FILE http://127.0.0.1:8080/
//! ```

use std::io::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calmd::h2::{Config, Connection, Event, Inbox, Outbox};
use calmd::http::Expected;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    loop {
        // Content is released when it was sent back, so a client that takes nothing cannot send more than its window.
        while let Some((stream, len)) = outbox.send_frame(&mut connection, 64 << 10) {
            connection.release(stream, len).expect("content that came");
        }
        socket.write_all(&connection.take_output()).await?;
        if connection.is_drained() {
            return Ok(());
        }
        let wait = connection.timeout(Instant::now()).unwrap_or(Duration::MAX);
        match tokio::time::timeout(wait, socket.read_buf(inbox.buffer())).await {
            // GOAWAY is in the output, and the connection is drained.
            Err(_) => drop(connection.handle_timeout(Instant::now())),
            Ok(Ok(0)) => return Ok(()),
            Ok(len) => {
                len?;
                receive(&mut connection, &mut inbox, &mut outbox);
            }
        }
    }
}

fn receive(connection: &mut Connection, inbox: &mut Inbox, outbox: &mut Outbox) {
    while let Ok(Some(event)) = inbox.next_event(connection, Instant::now()) {
        connection.release_padding(&event).expect("it just came");
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
                let sent = connection.send_response(stream, 200, [], end_stream);
                sent.expect("a new stream");
            }
            Event::Data {
                stream,
                data,
                end_stream,
                ..
            } => {
                outbox.push(connection, stream, data);
                if end_stream {
                    outbox.end(connection, stream);
                }
            }
            Event::Trailers { stream, .. } => outbox.end(connection, stream),
            Event::StreamReset { stream, .. } => drop(outbox.remove(stream)),
            _ => {}
        }
    }
}
