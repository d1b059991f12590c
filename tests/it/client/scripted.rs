//! Servers with rare behaviour. Every request, once it is whole, is handed to a script, which answers
//! through the core.

use calmd::h2::{Config, Connection, Event, StreamKey};
use calmd::http::{Field, Fields};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;

/// A request that a script answers.
pub struct Asked {
    pub stream: StreamKey,
    pub fields: Fields,
    /// Number of the connection that the request came on, from 0.
    pub connection: usize,
    /// Number of the request on its connection, from 0.
    pub number: usize,
    /// Number of bytes of content.
    pub len: usize,
}

/// Fate of the connection after an answer.
#[derive(PartialEq, Eq)]
pub enum Then {
    Stay,
    /// Closed without GOAWAY, once everything is sent.
    Hang,
}

/// A server that answers every request by the script, until the test ends.
pub struct Scripted {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    pub fn start(script: impl Fn(&mut Connection, Asked) -> Then + Send + 'static) -> Scripted {
        Self::with(Config::default(), Duration::ZERO, script)
    }

    /// A server with a configuration of its own, and a delay between its first SETTINGS and its first
    /// read.
    pub fn with(
        config: Config,
        delay: Duration,
        script: impl Fn(&mut Connection, Asked) -> Then + Send + 'static,
    ) -> Scripted {
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        // The thread ends with the process, after the tests.
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let core = Connection::server(config.clone(), Instant::now());
                serve(
                    socket,
                    core,
                    delay,
                    count.fetch_add(1, Ordering::SeqCst),
                    &script,
                );
            }
        });
        Scripted {
            address,
            connections,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Answers with fields and content.
pub fn respond(core: &mut Connection, stream: StreamKey, fields: &[(&str, &str)], content: &str) {
    let end_stream = content.is_empty();
    core.send_headers(stream, list(fields), end_stream).unwrap();
    if !end_stream {
        core.send_data(stream, content.as_bytes(), true).unwrap();
    }
}

pub fn list<'f>(fields: &'f [(&'f str, &'f str)]) -> impl Iterator<Item = Field<'f>> {
    let field = |&(name, value): &(&'f str, &'f str)| Field::new(name.as_bytes(), value.as_bytes());
    fields.iter().map(field)
}

fn serve(
    mut socket: std::net::TcpStream,
    mut core: Connection,
    delay: Duration,
    connection: usize,
    script: &impl Fn(&mut Connection, Asked) -> Then,
) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut input = Vec::new();
    let mut fields = Fields::new();
    if !delay.is_zero() {
        socket.write_all(&core.take_output()).unwrap();
        std::thread::sleep(delay);
    }
    let mut number = 0;
    // The requests whose content is still coming.
    let mut open: Vec<Asked> = Vec::new();
    let mut then = Then::Stay;
    loop {
        if socket.write_all(&core.take_output()).is_err() {
            return;
        }
        if then == Then::Hang || core.is_drained() {
            // Shutdown is used because a reset could overtake the bytes that were sent.
            let _ = socket.shutdown(Shutdown::Write);
        }
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(len) => input.extend_from_slice(&buffer[..len]),
        }
        let mut rest = &input[..];
        while let Ok(Some(event)) = core.receive(&mut rest, &mut fields, Instant::now()) {
            let ended = match event {
                Event::Request {
                    stream,
                    fields,
                    end_stream,
                    ..
                } => {
                    open.push(Asked {
                        stream,
                        fields: fields.clone(),
                        connection,
                        number,
                        len: 0,
                    });
                    number += 1;
                    end_stream.then_some(stream)
                }
                Event::Data {
                    stream,
                    data,
                    end_stream,
                    ..
                } => {
                    core.release(stream, data.len() as u32).unwrap();
                    let asked = open.iter_mut().find(|asked| asked.stream == stream);
                    asked.expect("a request that was told").len += data.len();
                    end_stream.then_some(stream)
                }
                _ => None,
            };
            if let Some(position) = open.iter().position(|asked| Some(asked.stream) == ended) {
                then = script(&mut core, open.remove(position));
            }
        }
        let taken = input.len() - rest.len();
        input.drain(..taken);
    }
}
