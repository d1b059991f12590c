//! An application in the shape of Python's WSGI behind HTTP/2: a callable takes a request with its whole content
//! and gives a response. It may block, so callables run in a pool of threads, while one thread for each connection
//! keeps talking to its client.
//!
//! ```sh
//! cargo run --no-default-features --example wsgi-threads -- 127.0.0.1:8080
//! curl --http2-prior-knowledge -d 'some words' http://127.0.0.1:8080/count
//! ```

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use calmd::h2::{Config, Connection, ErrorCode, Event, Inbox, Outbox, StreamKey};
use calmd::http::{Field, Fields};

/// The argument of the application: WSGI's `environ`, with `wsgi.input` read.
struct Request {
    fields: Fields,
    content: Vec<u8>,
}

/// The answer of the application: the arguments of `start_response`, and the content.
struct Response {
    status: u16,
    fields: Vec<(&'static str, String)>,
    content: Vec<u8>,
}

/// The application, which counts words.
fn application(request: &Request) -> Response {
    // A database would be asked here.
    std::thread::sleep(Duration::from_millis(5));
    let text = String::from_utf8_lossy(&request.content);
    let path = String::from_utf8_lossy(request.fields.path().unwrap_or_default());
    Response {
        status: if path == "/count" { 200 } else { 404 },
        fields: vec![("content-type", "text/plain".into())],
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

/// A response on its way from the pool.
type Answered = (StreamKey, Response);

struct Client {
    connection: Connection,
    inbox: Inbox,
    outbox: Outbox,
    pool: Sender<Job>,
    answered: Sender<Answered>,
    requests: HashMap<StreamKey, Request>,
}

fn serve(mut socket: TcpStream, pool: Sender<Job>, config: Arc<Config>) -> Result<()> {
    // A read gives up often enough to look for responses; a server with a poll would be woken.
    socket.set_read_timeout(Some(Duration::from_millis(5)))?;
    let (answered, responses) = channel();
    let mut client = Client {
        connection: Connection::server(config, Instant::now()),
        inbox: Inbox::default(),
        outbox: Outbox::default(),
        pool,
        answered,
        requests: HashMap::new(),
    };
    let mut buffer = [0; 16 << 10];
    loop {
        responses
            .try_iter()
            .for_each(|(stream, response)| client.respond(stream, response));
        let (connection, outbox) = (&mut client.connection, &mut client.outbox);
        while outbox.send_frame(connection, 64 << 10).is_some() {}
        socket.write_all(&connection.take_output())?;
        if connection.is_drained() {
            return Ok(());
        }
        match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => client.inbox.buffer().extend_from_slice(&buffer[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        client.receive();
        let _ = client.connection.handle_timeout(Instant::now());
    }
}

impl Client {
    fn receive(&mut self) {
        let connection = &mut self.connection;
        while let Ok(Some(event)) = self.inbox.next_event(connection, Instant::now()) {
            let whole = match event {
                Event::Request {
                    stream,
                    fields,
                    end_stream,
                    ..
                } => {
                    let request = Request {
                        fields: fields.clone(),
                        content: Vec::new(),
                    };
                    self.requests.insert(stream, request);
                    end_stream.then_some(stream)
                }
                Event::Data {
                    stream,
                    data,
                    flow_controlled_len,
                    end_stream,
                } => {
                    let released = connection.release(stream, flow_controlled_len);
                    released.expect("bytes that came");
                    if let Some(request) = self.requests.get_mut(&stream) {
                        request.content.extend_from_slice(data);
                        if request.content.len() > MOST_CONTENT {
                            self.requests.remove(&stream);
                            connection.reset(stream, ErrorCode::CANCEL);
                        }
                    }
                    end_stream.then_some(stream)
                }
                Event::Trailers { stream, .. } => Some(stream),
                Event::StreamReset { stream, .. } => {
                    self.requests.remove(&stream);
                    self.outbox.remove(stream);
                    None
                }
                _ => None,
            };
            // A request that is whole goes to the pool.
            let Some(stream) = whole else { continue };
            if let Some(request) = self.requests.remove(&stream) {
                let answered = self.answered.clone();
                let job = move || drop(answered.send((stream, application(&request))));
                self.pool
                    .send(Box::new(job))
                    .expect("a pool as old as the program");
            }
        }
    }

    fn respond(
        &mut self,
        stream: StreamKey,
        Response {
            status,
            fields,
            content,
        }: Response,
    ) {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        let connection = &mut self.connection;
        // The client may have reset the request meanwhile.
        if connection
            .send_response(stream, status, fields, false)
            .is_ok()
        {
            self.outbox.push(connection, stream, &content);
            self.outbox.end(connection, stream);
        }
    }
}
