//! A server on blocking sockets of the standard library, one thread a connection: the fields of each request
//! come back as JSON.
//!
//! ```sh
//! cargo run --no-default-features --example echo-blocking -- 127.0.0.1:8080
//! curl --http2-prior-knowledge http://127.0.0.1:8080/any/path
//! ```

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, Inbox, Outbox, RequestCollector};
use calmd::http::{Field, Fields};

/// More content of one request is refused, in bytes: it is not used.
const MOST_CONTENT: usize = 1 << 20;

fn main() -> Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    println!("listening on {}", listener.local_addr()?);
    let config = Arc::new(Config::server());
    for socket in listener.incoming() {
        let (socket, config) = (socket?, Arc::clone(&config));
        std::thread::spawn(move || {
            if let Err(error) = serve(socket, config) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(mut socket: TcpStream, config: Arc<Config>) -> Result<()> {
    let mut connection = Connection::server(config, Instant::now());
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    let mut collector = RequestCollector::new(MOST_CONTENT);
    let mut buffer = [0; 16 << 10];
    loop {
        outbox.fill(&mut connection, usize::MAX);
        socket.write_all(&connection.take_output())?;
        if connection.is_drained() {
            return Ok(());
        }
        let len = socket.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        inbox.buffer().extend_from_slice(&buffer[..len]);
        // An error has put GOAWAY into the output, and the connection is drained.
        while let Ok(Some(event)) = inbox.next_event(&mut connection, Instant::now()) {
            // The answer follows the whole request, since some clients stop sending when they are answered.
            if let Some(request) = collector.receive(&mut connection, &event) {
                let kind = [Field::new(b"content-type", b"application/json")];
                let content = json(&request.fields);
                let sent = outbox.respond(&mut connection, request.stream, 200, kind, &content);
                sent.expect("a request that waits for its answer");
            }
        }
    }
}

/// The fields as an array of pairs, in their order.
fn json(fields: &Fields) -> Vec<u8> {
    let pairs = fields.iter().map(|field| {
        let text = |bytes| string(&String::from_utf8_lossy(bytes));
        format!("[{}, {}]", text(field.name), text(field.value))
    });
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    format!("[{pairs}]\n").into_bytes()
}

fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
