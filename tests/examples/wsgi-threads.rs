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
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use calmd::h2::{Config, Connection, ErrorCode, Event, StreamKey};
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
    for _ in 0..4 {
        let receiver = Arc::clone(&receiver);
        std::thread::spawn(move || {
            loop {
                let job = receiver
                    .lock()
                    .expect("no job panics while it is taken")
                    .recv();
                let Ok(job) = job else { return };
                job();
            }
        });
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
        std::thread::spawn(move || Client::new(socket, pool, config).serve());
    }
    Ok(())
}

/// A response on its way from the pool.
type Answered = (StreamKey, Response);

struct Client {
    socket: TcpStream,
    connection: Connection,
    pool: Sender<Job>,
    answered: (Sender<Answered>, Receiver<Answered>),
    requests: HashMap<StreamKey, Request>,
    contents: HashMap<StreamKey, Vec<u8>>,
}

impl Client {
    fn new(socket: TcpStream, pool: Sender<Job>, config: Arc<Config>) -> Client {
        Client {
            socket,
            connection: Connection::server(config, Instant::now()),
            pool,
            answered: channel(),
            requests: HashMap::new(),
            contents: HashMap::new(),
        }
    }

    fn serve(mut self) -> Result<()> {
        // A read gives up often enough to look for responses; a server with a poll would be woken.
        self.socket
            .set_read_timeout(Some(Duration::from_millis(5)))?;
        let (mut received, mut buffer) = (Vec::new(), [0; 16 << 10]);
        loop {
            while let Ok((stream, response)) = self.answered.1.try_recv() {
                self.respond(stream, response);
            }
            self.send();
            self.socket.write_all(&self.connection.take_output())?;
            if self.connection.is_drained() {
                return Ok(());
            }
            match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(len) => received.extend_from_slice(&buffer[..len]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
            self.receive(&mut received);
            let _ = self.connection.handle_timeout(Instant::now());
        }
    }

    fn receive(&mut self, received: &mut Vec<u8>) {
        let (mut input, mut fields) = (&received[..], Fields::new());
        while let Ok(Some(event)) = self
            .connection
            .receive(&mut input, &mut fields, Instant::now())
        {
            match event {
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
                    self.run(stream, end_stream);
                }
                Event::Data {
                    stream,
                    data,
                    flow_controlled_len,
                    end_stream,
                } => {
                    self.connection
                        .release(stream, flow_controlled_len)
                        .expect("bytes that came");
                    if let Some(request) = self.requests.get_mut(&stream) {
                        request.content.extend_from_slice(data);
                        if request.content.len() > MOST_CONTENT {
                            self.requests.remove(&stream);
                            self.connection.reset(stream, ErrorCode::CANCEL);
                        }
                    }
                    self.run(stream, end_stream);
                }
                Event::Trailers { stream, .. } => self.run(stream, true),
                Event::StreamReset { stream, .. } => {
                    self.requests.remove(&stream);
                    self.contents.remove(&stream);
                }
                _ => {}
            }
        }
        let consumed = received.len() - input.len();
        received.drain(..consumed);
    }

    /// Gives a request that is whole to the pool.
    fn run(&mut self, stream: StreamKey, is_whole: bool) {
        if !is_whole {
            return;
        }
        if let Some(request) = self.requests.remove(&stream) {
            let answered = self.answered.0.clone();
            let job = move || drop(answered.send((stream, application(&request))));
            self.pool
                .send(Box::new(job))
                .expect("the pool lives as long as the program");
        }
    }

    fn respond(&mut self, stream: StreamKey, response: Response) {
        let status = response.status.to_string();
        let fields = response.fields.iter();
        let fields = fields.map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
        let head = std::iter::once(Field::new(b":status", status.as_bytes())).chain(fields);
        // The client may have reset the request meanwhile.
        if self.connection.send_headers(stream, head, false).is_ok() {
            self.connection
                .set_ready(stream, Some(response.content.len() as u64));
            self.contents.insert(stream, response.content);
        }
    }

    fn send(&mut self) {
        while let Some(grant) = self.connection.poll_grant(64 << 10) {
            let content = self
                .contents
                .get_mut(&grant.stream)
                .expect("only these were ready");
            let len = content.len().min(grant.max_len as usize);
            self.connection
                .begin_data(&grant)
                .extend(content.drain(..len));
            let (stream, is_end) = (grant.stream, content.is_empty());
            self.connection.commit(grant, is_end);
            if is_end {
                self.contents.remove(&stream);
            }
        }
    }
}
