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

use calmd::h2::{Config, Connection, Event, StreamKey};
use calmd::http::{Field, Fields};

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
    let (mut fields, mut received) = (Fields::new(), Vec::new());
    // Answers that wait for their windows, by the index of their stream.
    let mut answers: Vec<Vec<u8>> = Vec::new();
    loop {
        while let Some(grant) = connection.poll_grant(64 << 10) {
            let answer = &mut answers[grant.stream.index()];
            let len = answer.len().min(grant.max_len as usize);
            connection.begin_data(&grant).extend(answer.drain(..len));
            connection.commit(grant, answer.is_empty());
        }
        socket.write_all(&connection.take_output())?;
        if connection.is_drained() {
            return Ok(());
        }
        let mut buffer = [0; 16 << 10];
        let len = socket.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        received.extend_from_slice(&buffer[..len]);
        let mut input = &received[..];
        // An error has put GOAWAY into the output, and the connection is drained.
        while let Ok(Some(event)) = connection.receive(&mut input, &mut fields, Instant::now()) {
            match event {
                Event::Request {
                    stream,
                    fields,
                    end_stream,
                    ..
                } => {
                    let least = answers.len().max(stream.index() + 1);
                    answers.resize(least, Vec::new());
                    answers[stream.index()] = json(fields);
                    if end_stream {
                        respond(&mut connection, stream, &answers);
                    }
                }
                Event::Data {
                    stream,
                    flow_controlled_len,
                    end_stream,
                    ..
                } => {
                    let released = connection.release(stream, flow_controlled_len);
                    released.expect("bytes that came");
                    if end_stream {
                        respond(&mut connection, stream, &answers);
                    }
                }
                Event::Trailers { stream, .. } => respond(&mut connection, stream, &answers),
                _ => {}
            }
        }
        let consumed = received.len() - input.len();
        received.drain(..consumed);
    }
}

/// Sends the head of an answer. It follows the whole request, since some clients stop sending when they are
/// answered.
fn respond(connection: &mut Connection, stream: StreamKey, answers: &[Vec<u8>]) {
    let len = answers[stream.index()].len();
    let digits = len.to_string();
    let head = [
        Field::new(b":status", b"200"),
        Field::new(b"content-type", b"application/json"),
        Field::new(b"content-length", digits.as_bytes()),
    ];
    let sent = connection.send_headers(stream, head, false);
    sent.expect("a request that waits for its answer");
    connection.set_ready(stream, Some(len as u64));
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
