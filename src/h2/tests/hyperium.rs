//! Against an implementation that is not ours: hyperium's `h2`, client and server.

mod traffic;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};

use super::*;
use crate::h2::Cause;

/// Fewer than a frame, so that frames are cut.
const PIPE: usize = 7_001;

/// The sizes of the bodies: none, small, at the edges of frames and windows, and more.
const SIZES: [usize; 9] = [
    0, 1, 1_000, 16_384, 16_385, 65_535, 65_536, 300_000, 2_000_000,
];

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + len) as u8).collect()
}

/// One end of ours on a pipe.
struct PipeDriver {
    connection: Connection,
    reader: ReadHalf<DuplexStream>,
    writer: WriteHalf<DuplexStream>,
    received: Vec<u8>,
    /// Bytes that the pipe has not taken yet.
    unsent: Vec<u8>,
    /// Bytes that are left to send on each stream.
    sending: HashMap<StreamKey, Vec<u8>>,
    /// Bytes that came on each stream.
    bodies: HashMap<StreamKey, Vec<u8>>,
    /// Streams that the other end has cancelled.
    cancelled: HashSet<StreamKey>,
    /// Streams that an informational response came on.
    informed: HashSet<StreamKey>,
    /// The most bytes that are read at once.
    piece: usize,
    /// Bytes of padding in DATA, where there is any.
    padding: Option<u8>,
}

impl PipeDriver {
    fn new(connection: Connection, io: DuplexStream) -> PipeDriver {
        let (reader, writer) = split(io);
        PipeDriver {
            connection,
            reader,
            writer,
            received: Vec::new(),
            unsent: Vec::new(),
            sending: HashMap::new(),
            bodies: HashMap::new(),
            cancelled: HashSet::new(),
            informed: HashSet::new(),
            piece: 5_000,
            padding: None,
        }
    }

    fn send(&mut self, stream: StreamKey, body: Vec<u8>) {
        self.connection.set_ready(stream, Some(body.len() as u64));
        self.sending.insert(stream, body);
    }

    /// Makes what may be sent.
    fn produce(&mut self) {
        while let Some(grant) = self.connection.poll_grant(64 << 10) {
            let body = self.sending.get_mut(&grant.stream).unwrap();
            let with_padding = self
                .padding
                .map(|padding| (padding, 1 + u32::from(padding)));
            if let Some((padding, more)) = with_padding.filter(|(_, more)| grant.max_len > *more) {
                let stream = grant.stream;
                let rest = body.split_off(body.len().min((grant.max_len - more) as usize));
                self.connection.rest(grant);
                let sent = self
                    .connection
                    .send_padded_data(stream, body, padding, rest.is_empty());
                sent.unwrap();
                self.connection.set_ready(stream, Some(rest.len() as u64));
                *body = rest;
                continue;
            }
            let rest = body.split_off(body.len().min(grant.max_len as usize));
            self.connection.begin_data(&grant).extend_from_slice(body);
            *body = rest;
            let end = body.is_empty();
            self.connection.commit(grant, end);
        }
        self.unsent.append(&mut self.connection.take_output());
    }

    async fn flush(&mut self) {
        self.produce();
        self.writer.write_all(&self.unsent).await.unwrap();
        self.unsent.clear();
    }

    /// Reads, and writes meanwhile: the other end may read nothing before it has written. Returns how
    /// much came; 0 is the end.
    async fn read(&mut self) -> usize {
        let mut buffer = [0; 5_000];
        let piece = &mut buffer[..self.piece];
        let len = loop {
            tokio::select! {
                len = self.reader.read(piece) => break len.unwrap_or(0),
                len = self.writer.write(&self.unsent), if !self.unsent.is_empty() => {
                    // A pipe that takes nothing has lost its other end, which reading tells as well.
                    self.unsent.drain(..len.unwrap_or(self.unsent.len()));
                }
            }
        };
        self.received.extend_from_slice(&buffer[..len]);
        len
    }

    /// Sends what may be sent, and takes what comes next; returns the streams that ended. `None` is
    /// the end.
    async fn turn(&mut self) -> Option<Vec<StreamKey>> {
        self.produce();
        let len = self.read().await;
        let (mut input, mut fields) = (&self.received[..], Fields::new());
        let mut ended = Vec::new();
        loop {
            let event = self
                .connection
                .receive(&mut input, &mut fields, Instant::now());
            let (stream, data, end_stream) = match event.expect("a good peer") {
                None => break,
                Some(Event::Request {
                    stream, end_stream, ..
                }) => (stream, &[][..], end_stream),
                Some(Event::Response {
                    stream,
                    fields,
                    end_stream,
                }) => {
                    assert_eq!(fields.status(), Some(200));
                    (stream, &[][..], end_stream)
                }
                Some(Event::Data {
                    stream,
                    data,
                    end_stream,
                    ..
                }) => (stream, data, end_stream),
                Some(Event::Informational { stream, fields }) => {
                    assert_eq!(fields.status(), Some(103));
                    self.informed.insert(stream);
                    continue;
                }
                Some(Event::Trailers { stream, .. }) => (stream, &[][..], true),
                Some(Event::StreamReset {
                    stream, code, by, ..
                }) => {
                    assert_eq!((code, by), (ErrorCode::CANCEL, Cause::Peer), "{stream:?}");
                    self.sending.remove(&stream);
                    self.bodies.remove(&stream);
                    self.cancelled.insert(stream);
                    continue;
                }
                Some(_) => continue,
            };
            self.bodies
                .entry(stream)
                .or_default()
                .extend_from_slice(data);
            self.connection.release(stream, data.len() as u32).unwrap();
            if end_stream {
                ended.push(stream);
            }
        }
        let consumed = self.received.len() - input.len();
        self.received.drain(..consumed);
        (len > 0).then_some(ended)
    }
}

/// A server of ours that sends every request's content back.
async fn echo(io: DuplexStream) -> Connection {
    let mut driver = PipeDriver::new(Connection::server(Arc::default(), Instant::now()), io);
    while let Some(ended) = driver.turn().await {
        for stream in ended {
            let head: Fields = [(":status", "200")].into_iter().collect();
            driver
                .connection
                .send_headers(stream, head.iter(), false)
                .unwrap();
            let body = driver.bodies.remove(&stream).unwrap();
            driver.send(stream, body);
        }
    }
    driver.connection
}

fn run(future: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build().unwrap();
    let limit = Duration::from_secs(60);
    let done = runtime.block_on(async { tokio::time::timeout(limit, future).await });
    done.expect("in time");
}

async fn exchange(mut sender: ::h2::client::SendRequest<Bytes>, len: usize) {
    sender = sender.ready().await.unwrap();
    let uri = "https://localhost/echo";
    let request = http::Request::post(uri)
        .header("x-len", len)
        .body(())
        .unwrap();
    let (response, mut upload) = sender.send_request(request, false).unwrap();
    upload.send_data(body(len).into(), true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut content, mut received) = (response.into_body(), Vec::new());
    while let Some(data) = content.data().await {
        let data = data.unwrap();
        content.flow_control().release_capacity(data.len()).unwrap();
        received.extend_from_slice(&data);
    }
    assert_eq!(received, body(len));
}

#[test]
fn its_client_exchanges_any_content_with_our_server() {
    run(async {
        let (ours, theirs) = duplex(PIPE);
        let (sender, connection) = ::h2::client::handshake(theirs).await.unwrap();
        let exchanges = async {
            for round in 0..3 {
                let of = |&len: &usize| exchange(sender.clone(), len + round);
                let all: Vec<_> = SIZES.iter().map(of).collect();
                join_all(all).await;
            }
            drop(sender);
        };
        let (ended, (), ours) = tokio::join!(connection, exchanges, echo(ours));
        ended.unwrap();
        assert!(ours.is_idle());
    });
}

#[test]
fn our_client_exchanges_any_content_with_its_server() {
    run(async {
        let (ours, theirs) = duplex(PIPE);
        let server = async {
            let mut connection = ::h2::server::handshake(theirs).await.unwrap();
            let mut requests = Vec::new();
            while let Some(accepted) = connection.accept().await {
                let (request, respond) = accepted.unwrap();
                requests.push(tokio::task::spawn_local(echo_theirs(request, respond)));
            }
            join_all(requests).await;
        };
        let client = async {
            let mut driver =
                PipeDriver::new(Connection::client(Arc::default(), Instant::now()), ours);
            let mut asked = HashMap::new();
            for len in SIZES {
                let fields: Fields = request("POST", "/").into_iter().collect();
                let stream = driver.connection.open(fields.iter(), false, Instant::now());
                driver.send(stream.unwrap(), body(len));
                asked.insert(stream.unwrap(), len);
            }
            while !asked.is_empty() {
                for stream in driver.turn().await.expect("answers") {
                    assert_eq!(driver.bodies[&stream], body(asked.remove(&stream).unwrap()));
                }
            }
            driver.connection.shutdown(Instant::now());
            driver.flush().await;
            assert!(driver.connection.is_drained());
        };
        tokio::task::LocalSet::new()
            .run_until(async { tokio::join!(server, client) })
            .await;
    });
}

async fn echo_theirs(
    request: http::Request<::h2::RecvStream>,
    mut respond: ::h2::server::SendResponse<Bytes>,
) {
    let (mut content, mut received) = (request.into_body(), Vec::new());
    while let Some(data) = content.data().await {
        let data = data.unwrap();
        content.flow_control().release_capacity(data.len()).unwrap();
        received.extend_from_slice(&data);
    }
    let response = http::Response::new(());
    let mut send = respond.send_response(response, false).unwrap();
    send.send_data(received.into(), true).unwrap();
}

/// All of them at the same time.
async fn join_all<F: Future>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
