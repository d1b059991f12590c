//! The other side of HTTP/2 for tests of the proxy: an upstream played by a script, and a client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use calmd::h2::{Config, Connection, ErrorCode, Event, Misuse, StreamKey};
use calmd::http::{Field, Fields};

use crate::support::PATIENCE;

/// A connection, and the events on it.
pub struct H2Peer {
    pub core: Connection,
    stream: TcpStream,
    input: Vec<u8>,
    /// Its number among the connections of its upstream.
    pub number: usize,
}

/// An event, with its fields as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The head of a request or a final response, and the word that nothing follows.
    Head(StreamKey, Vec<String>, bool),
    Interim(StreamKey, Vec<String>),
    Data(StreamKey, Vec<u8>, bool),
    Trailers(StreamKey, Vec<String>),
    Reset(StreamKey, ErrorCode),
    GoAway(ErrorCode),
    /// The connection has ended.
    Closed,
}

/// Plays `script` for each connection, which ends when it returns.
pub fn upstream(
    config: Config,
    script: impl Fn(&mut H2Peer) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (script, config, count) = (Arc::new(script), Arc::new(config), AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (script, config) = (script.clone(), config.clone());
            let number = count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let core = Connection::server(config, Instant::now());
                script(&mut H2Peer::new(core, stream, number));
            });
        }
    });
    address
}

fn texts(fields: &Fields) -> Vec<String> {
    fields.iter().map(|field| format!("{field:?}")).collect()
}

/// Fields of pairs.
pub fn fields<'f>(
    pairs: &'f [(&'f str, &'f str)],
) -> impl Iterator<Item = Field<'f>> + Clone + use<'f> {
    let field = |(name, value): &(&'f str, &'f str)| Field::new(name.as_bytes(), value.as_bytes());
    pairs.iter().map(field)
}

impl H2Peer {
    fn new(core: Connection, stream: TcpStream, number: usize) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        H2Peer {
            core,
            stream,
            input: Vec::new(),
            number,
        }
    }

    /// A client.
    pub fn client(stream: TcpStream, config: Config) -> Self {
        let core = Connection::client(Arc::new(config), Instant::now());
        H2Peer::new(core, stream, 0)
    }

    /// Sends what the core has made.
    pub fn flush(&mut self) {
        let output = self.core.take_output();
        // The other side may have closed, which is read next.
        let _ = self.stream.write_all(&output);
    }

    /// The next event. Content is taken from the windows at once, unless `hold` is said.
    pub fn next(&mut self) -> Heard {
        let heard = self.next_held();
        if let Heard::Data(stream, data, _) = &heard {
            let released = self.core.release(*stream, data.len() as u32);
            released.expect("bytes that the window counts");
            self.flush();
        }
        heard
    }

    /// The next event, whose content stays in the windows.
    pub fn next_held(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.step() {
                return heard;
            }
        }
    }

    /// Takes the next event, or waits for bytes if there is none: nothing for events without a name here.
    pub fn step(&mut self) -> Option<Heard> {
        self.flush();
        let mut scratch = Fields::new();
        let mut input = &self.input[..];
        let event = self.core.receive(&mut input, &mut scratch, Instant::now());
        let event = event.expect("a peer that keeps to the rules");
        let is_event = event.is_some();
        let heard = event.and_then(heard);
        self.input = input.to_vec();
        self.flush();
        if is_event {
            return heard;
        }
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => Some(Heard::Closed),
            Ok(len) => {
                self.input.extend_from_slice(&buffer[..len]);
                None
            }
        }
    }

    /// The head and the content of the next message; the content of others is not waited for.
    pub fn message(&mut self) -> (StreamKey, Vec<String>, Vec<u8>) {
        let (stream, head, mut is_whole) = loop {
            match self.next() {
                Heard::Head(stream, head, is_whole) => break (stream, head, is_whole),
                Heard::Interim(..) => {}
                other => panic!("instead of a head: {other:?}"),
            }
        };
        let mut content = Vec::new();
        while !is_whole {
            match self.next() {
                Heard::Data(of, data, end) if of == stream => {
                    content.extend(data);
                    is_whole = end;
                }
                other => panic!("instead of content: {other:?}"),
            }
        }
        (stream, head, content)
    }

    /// Asks for `path`; without `end` content follows.
    pub fn ask(&mut self, method: &str, path: &str, more: &[(&str, &str)], end: bool) -> StreamKey {
        let stream = self.begin(method, path, more, end);
        self.flush();
        stream
    }

    /// Begins a request that is sent with whatever is sent next.
    pub fn begin(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        end: bool,
    ) -> StreamKey {
        let head = [
            (":method", method),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", path),
        ];
        let head = fields(&head).chain(fields(more)).collect::<Vec<_>>();
        let stream = self.core.open(head, end, Instant::now());
        stream.expect("a stream")
    }

    /// Sends a head, or trailers.
    pub fn say(&mut self, stream: StreamKey, pairs: &[(&str, &str)], end: bool) {
        let sent = self.core.send_headers(stream, fields(pairs), end);
        sent.expect("a stream that lives");
        self.flush();
    }

    /// Sends content.
    pub fn give(&mut self, stream: StreamKey, data: &[u8], end: bool) {
        self.try_give(stream, data, end).expect("a window");
    }

    pub fn try_give(&mut self, stream: StreamKey, data: &[u8], end: bool) -> Result<(), Misuse> {
        let sent = self.core.send_data(stream, data, end);
        self.flush();
        sent
    }

    /// Resets a stream.
    pub fn reset(&mut self, stream: StreamKey, code: ErrorCode) {
        self.core.reset(stream, code);
        self.flush();
    }

    /// Sends bytes that the core does not make.
    pub fn send(&mut self, bytes: &[u8]) {
        self.flush();
        self.stream.write_all(bytes).expect("a peer that reads");
    }
}

fn heard(event: Event<'_>) -> Option<Heard> {
    Some(match event {
        Event::Request {
            stream,
            fields,
            end_stream,
            ..
        }
        | Event::Response {
            stream,
            fields,
            end_stream,
        } => Heard::Head(stream, texts(fields), end_stream),
        Event::Informational { stream, fields } => Heard::Interim(stream, texts(fields)),
        Event::Data {
            stream,
            data,
            end_stream,
            ..
        } => Heard::Data(stream, data.to_vec(), end_stream),
        Event::Trailers { stream, fields } => Heard::Trailers(stream, texts(fields)),
        Event::StreamReset { stream, code, .. } => Heard::Reset(stream, code),
        Event::GoAway { code, .. } => Heard::GoAway(code),
        _ => return None,
    })
}
