//! An upstream of the tests: a listener whose connections are each played by a script, in a thread.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::PATIENCE;

/// A running upstream.
pub struct Upstream {
    pub address: SocketAddr,
    /// The heads of all requests, in the order in which they came.
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

/// A connection from the server, as its script sees it.
pub struct Caller {
    reader: BufReader<TcpStream>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Plays `script` for each connection. It ends the connection when it returns.
    pub fn start(script: impl Fn(&mut Caller) + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let connections: Arc<AtomicUsize> = Arc::default();
        let (script, log, count) = (Arc::new(script), heads.clone(), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
                stream.set_nodelay(true).expect("a socket");
                let (script, heads) = (script.clone(), log.clone());
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    script(&mut Caller {
                        reader: BufReader::new(stream),
                        heads,
                    });
                });
            }
        });
        Upstream {
            address,
            heads,
            connections,
        }
    }

    /// Answers each request with these bytes, on as many connections as come, and reads on.
    pub fn answering(answer: &'static str) -> Upstream {
        Upstream::start(move |caller| {
            while caller.request().is_some() {
                caller.send(answer.as_bytes());
            }
        })
    }

    /// Answers one request on each connection with these bytes, and closes it.
    pub fn answering_once(answer: &'static str) -> Upstream {
        Upstream::start(move |caller| {
            if caller.request().is_some() {
                caller.send(answer.as_bytes());
            }
        })
    }

    /// The option that forwards `path` to it.
    pub fn rule(&self, path: &str) -> String {
        format!("{path}=http://{}", self.address)
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panics with it").clone()
    }

    /// Number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Caller {
    /// Reads the head of the next request; `None` at the end of the connection.
    pub fn request(&mut self) -> Option<String> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            match self.reader.read_line(&mut line) {
                Ok(0) | Err(_) => return None,
                Ok(_) => head.push_str(&line),
            }
            if line == "\r\n" {
                break;
            }
        }
        self.heads
            .lock()
            .expect("nobody panics with it")
            .push(head.clone());
        Some(head)
    }

    /// Reads content of a known length.
    pub fn content(&mut self, len: usize) -> Vec<u8> {
        let mut content = vec![0; len];
        self.reader.read_exact(&mut content).expect("the content");
        content
    }

    /// Reads chunked content.
    pub fn chunks(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("a chunk's line");
            let len = usize::from_str_radix(line.trim(), 16).expect("a chunk's size");
            content.extend(self.content(len));
            self.reader
                .read_line(&mut line)
                .expect("the end of a chunk");
            if len == 0 {
                return content;
            }
        }
    }

    /// Reads and drops all that comes until the end, and returns its length.
    pub fn drain(&mut self) -> u64 {
        std::io::copy(&mut self.reader, &mut std::io::sink()).unwrap_or(0)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // The server may have closed, which the test sees elsewhere.
        let _ = self.stream().write_all(bytes);
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        self.reader.get_mut()
    }
}
