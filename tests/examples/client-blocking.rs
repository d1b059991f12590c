//! A client on a blocking socket of the standard library: a GET, or a POST of a file under flow control.
//!
//! ```sh
//! cargo run --no-default-features --example client-blocking -- 127.0.0.1:8080 /path [FILE]
//! ```

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, Event, Inbox, Outbox};
use calmd::http::Fields;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(path)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: client-blocking ADDRESS PATH [FILE]");
        std::process::exit(2);
    };
    let file = arguments.next().map(File::open).transpose()?;
    let mut socket = TcpStream::connect(&address)?;
    let mut connection = Connection::client(Arc::new(Config::client()), Instant::now());
    let method = if file.is_some() { "POST" } else { "GET" };
    let request = Fields::request(method, "http", &address, &path);
    let opened = connection.open(request.iter(), file.is_none(), Instant::now());
    let stream = opened.map_err(Error::other)?;
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    if let Some(mut file) = file {
        let len = file.metadata()?.len();
        let read = move |buffer: &mut [u8]| file.read(buffer).ok();
        outbox.end_with_source(&mut connection, stream, len, read);
    }
    let (mut buffer, mut is_whole) = ([0; 16 << 10], false);
    while connection.contains(stream) {
        // As much of the file as the windows allow now.
        outbox.fill(&mut connection, usize::MAX);
        socket.write_all(&connection.take_output())?;
        let len = socket.read(&mut buffer)?;
        if len == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        inbox.buffer().extend_from_slice(&buffer[..len]);
        loop {
            let event = inbox.next_event(&mut connection, Instant::now());
            let Some(event) = event.map_err(Error::other)? else {
                break;
            };
            connection.release_event(&event).map_err(Error::other)?;
            is_whole |= event.ends_stream();
            match event {
                Event::Response { fields, .. } => eprintln!("{fields:?}"),
                Event::Data { data, .. } => std::io::stdout().write_all(data)?,
                Event::StreamReset { code, by, .. } => {
                    return Err(Error::other(format!("{code}: {by:?}")));
                }
                _ => {}
            }
        }
    }
    // A file that cannot be read any more resets the stream.
    let ended = is_whole.then_some(());
    ended.ok_or_else(|| Error::other("no whole answer to a whole file"))
}
