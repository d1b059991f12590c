//! A server on smol: each page is pushed together with its style sheet, to clients that take pushes.
//!
//! ```sh
//! cargo run --no-default-features --example push-smol -- 127.0.0.1:8080
//! nghttp -v http://127.0.0.1:8080/
//! ```

use std::io;
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, Event, Inbox, Misuse, StreamKey};
use calmd::http::{Field, Fields};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

const PAGE: &[u8] = b"<link rel=stylesheet href=style.css><p>pushed\n";
const STYLE: &[u8] = b"p { color: green }\n";

fn main() -> io::Result<()> {
    smol::block_on(async {
        let address = std::env::args().nth(1);
        let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
        println!("listening on {}", listener.local_addr()?);
        let config = Arc::new(Config::server());
        loop {
            let (socket, _) = listener.accept().await?;
            smol::spawn(serve(socket, Arc::clone(&config))).detach();
        }
    })
}

async fn serve(mut socket: TcpStream, config: Arc<Config>) -> io::Result<()> {
    let mut connection = Connection::server(config, Instant::now());
    let (mut inbox, mut buffer) = (Inbox::default(), vec![0; 16 << 10]);
    loop {
        socket.write_all(&connection.take_output()).await?;
        if connection.is_drained() {
            return Ok(());
        }
        let len = socket.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        inbox.buffer().extend_from_slice(&buffer[..len]);
        while let Ok(Some(event)) = inbox.next_event(&mut connection, Instant::now()) {
            let outcome = match event {
                Event::Request { stream, fields, .. } => answer(&mut connection, stream, fields),
                event => connection.release_event(&event),
            };
            if let Err(misuse) = outcome {
                eprintln!("{misuse}");
            }
        }
    }
}

fn answer(connection: &mut Connection, stream: StreamKey, request: &Fields) -> Result<(), Misuse> {
    if request.path() == Some(b"/style.css") {
        return respond(connection, stream, b"text/css", STYLE);
    }
    // The promise comes before the content that names the style sheet (RFC 9113 §8.4.1).
    let promise = [
        Field::new(b":method", b"GET"),
        Field::new(b":scheme", request.scheme().unwrap_or(b"http")),
        Field::new(b":authority", request.authority().unwrap_or(b"localhost")),
        Field::new(b":path", b"/style.css"),
    ];
    let pushed = connection.push(stream, promise, Instant::now());
    respond(connection, stream, b"text/html", PAGE)?;
    match pushed {
        Ok(pushed) => respond(connection, pushed, b"text/css", STYLE),
        // Browsers say that they take none.
        Err(Misuse::PushDisabled) => Ok(()),
        Err(misuse) => Err(misuse),
    }
}

/// Content so short fits every window that was not used yet.
fn respond(
    connection: &mut Connection,
    stream: StreamKey,
    kind: &[u8],
    content: &[u8],
) -> Result<(), Misuse> {
    let head = [
        Field::new(b":status", b"200"),
        Field::new(b"content-type", kind),
    ];
    connection.send_headers(stream, head, false)?;
    connection.send_data(stream, content, true)
}
