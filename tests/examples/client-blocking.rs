//! A client on a blocking socket of the standard library: a GET, or a POST of a file under flow control.
//!
//! ```sh
//! cargo run --no-default-features --example client-blocking -- 127.0.0.1:8080 /path [FILE]
//! ```

use std::fs::File;
use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, Event};
use calmd::http::Fields;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(path)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: client-blocking ADDRESS PATH [FILE]");
        std::process::exit(2);
    };
    let mut file = arguments.next().map(File::open).transpose()?;
    let mut socket = TcpStream::connect(&address)?;
    let mut connection = Connection::client(Arc::new(Config::client()), Instant::now());
    let method = if file.is_some() { "POST" } else { "GET" };
    let request: Fields = [
        (":method", method),
        (":scheme", "http"),
        (":authority", &address),
        (":path", &path),
    ]
    .into_iter()
    .collect();
    let opened = connection.open(request.iter(), file.is_none(), Instant::now());
    let stream = opened.map_err(std::io::Error::other)?;
    if let Some(file) = &file {
        connection.set_ready(stream, Some(file.metadata()?.len()));
    }
    let (mut received, mut fields) = (Vec::new(), Fields::new());
    let mut buffer = [0; 16 << 10];
    while connection.contains(stream) {
        if let Some(file) = &mut file {
            send(&mut connection, file)?;
        }
        socket.write_all(&connection.take_output())?;
        let len = socket.read(&mut buffer)?;
        if len == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&buffer[..len]);
        let mut input = &received[..];
        loop {
            let event = connection.receive(&mut input, &mut fields, Instant::now());
            let Some(event) = event.map_err(std::io::Error::other)? else {
                break;
            };
            match event {
                Event::Response { fields, .. } => eprintln!("{fields:?}"),
                Event::Data {
                    stream,
                    data,
                    flow_controlled_len,
                    ..
                } => {
                    std::io::stdout().write_all(data)?;
                    let released = connection.release(stream, flow_controlled_len);
                    released.map_err(std::io::Error::other)?;
                }
                Event::StreamReset { code, by, .. } => {
                    return Err(std::io::Error::other(format!("{code}: {by:?}")));
                }
                _ => {}
            }
        }
        let consumed = received.len() - input.len();
        received.drain(..consumed);
    }
    Ok(())
}

/// Sends as much of the file as the windows allow now.
fn send(connection: &mut Connection, file: &mut File) -> Result<()> {
    while let Some(grant) = connection.poll_grant(64 << 10) {
        let mut part = file.take(grant.max_len.into());
        part.read_to_end(connection.begin_data(&grant))?;
        let is_end = is_at_end(file)?;
        connection.commit(grant, is_end);
    }
    Ok(())
}

fn is_at_end(file: &mut File) -> Result<bool> {
    use std::io::Seek;
    Ok(file.stream_position()? >= file.metadata()?.len())
}
