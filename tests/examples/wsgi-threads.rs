//! An application in the shape of Python's WSGI behind HTTP/2: a callable takes a request with its whole content
//! and gives a response. It may block, so callables run in a pool of threads, while one thread for each connection
//! keeps talking to its client.
//!
//! ```sh
//! cargo run --no-default-features --example wsgi-threads -- 127.0.0.1:8080
//! curl --http2-prior-knowledge -d 'some words' http://127.0.0.1:8080/count
//! ```

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use calmd::h2::{
    CollectedRequest, Config, Connection, Event, Inbox, Outbox, RequestCollector, StreamKey,
};
use calmd::http::Fields;

/// The answer of the application: the arguments of `start_response`, and the content.
struct Response {
    status: u16,
    fields: Fields,
    content: Vec<u8>,
}

/// The application, which counts words. Its argument is WSGI's `environ`, with `wsgi.input` read.
fn application(request: &CollectedRequest) -> Response {
    // A database would be asked here.
    std::thread::sleep(Duration::from_millis(5));
    let text = String::from_utf8_lossy(&request.content);
    let is_known = request.fields.path() == Some(b"/count");
    Response {
        status: if is_known { 200 } else { 404 },
        fields: [("content-type", "text/plain")].into_iter().collect(),
        content: format!("{} words\n", text.split_whitespace().count()).into_bytes(),
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Four callables at a time.
fn pool() -> Sender<Job> {
    let (sender, receiver) = channel::<Job>();
    let receiver = Arc::new(Mutex::new(receiver));
    let next = move || receiver.lock().ok()?.recv().ok();
    for _ in 0..4 {
        let next = next.clone();
        std::thread::spawn(move || std::iter::from_fn(next).for_each(|job| job()));
    }
    sender
}

/// More content of one request is refused, in bytes.
const MOST_CONTENT: usize = 1 << 20;

fn main() -> Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    println!("listening on {}", listener.local_addr()?);
    let (pool, config) = (pool(), Arc::new(Config::server()));
    for socket in listener.incoming() {
        let (socket, pool, config) = (socket?, pool.clone(), Arc::clone(&config));
        std::thread::spawn(move || serve(socket, pool, config));
    }
    Ok(())
}

fn serve(mut socket: TcpStream, pool: Sender<Job>, config: Arc<Config>) -> Result<()> {
    // A read gives up often enough to look for responses; a server with a poll would be woken.
    socket.set_read_timeout(Some(Duration::from_millis(5)))?;
    let mut connection = Connection::server(config, Instant::now());
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    let mut collector = RequestCollector::new(MOST_CONTENT);
    let (answered, responses) = channel::<(StreamKey, Response)>();
    let mut buffer = [0; 16 << 10];
    loop {
        for (stream, response) in responses.try_iter() {
            let (status, fields) = (response.status, response.fields.iter());
            // Fails where the client has reset the request meanwhile.
            let _ = outbox.respond(&mut connection, stream, status, fields, &response.content);
        }
        outbox.fill(&mut connection, usize::MAX);
        socket.write_all(&connection.take_output())?;
        if connection.is_drained() {
            return Ok(());
        }
        match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => inbox.buffer().extend_from_slice(&buffer[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        // An error, here and in time, has put GOAWAY into the output, and the connection is drained.
        while let Ok(Some(event)) = inbox.next_event(&mut connection, Instant::now()) {
            if let Event::StreamReset { stream, .. } = event {
                outbox.remove(stream);
            }
            // A request that is whole goes to the pool.
            if let Some(request) = collector.receive(&mut connection, &event) {
                let answered = answered.clone();
                let job = move || drop(answered.send((request.stream, application(&request))));
                pool.send(Box::new(job))
                    .expect("a pool as old as the program");
            }
        }
        let _ = connection.handle_timeout(Instant::now());
    }
}
