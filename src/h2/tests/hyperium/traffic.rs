//! Random sizes, cuts, settings, cancellations and informational responses of both sides, and padding of ours: hyperium's
//! interface sends none.

use ::h2::Reason;

use super::*;

/// Connections of each role, unless `CALMD_HYPERIUM_SEEDS` says more.
const SEEDS: u64 = 12;

fn seeds() -> u64 {
    let asked = std::env::var("CALMD_HYPERIUM_SEEDS").ok();
    asked.map_or(SEEDS, |seeds| seeds.parse().expect("a number of seeds"))
}

/// Requests on a connection, and how many of them are under way at once.
const REQUESTS: usize = 48;
const AT_ONCE: usize = 8;

/// Numbers that are the same for the same seed (Knuth's MMIX generator).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn size(&mut self) -> usize {
        let most = self.one_of(&[1, 2_000, 20_000, 200_000]);
        self.below(most)
    }

    /// Acts of our end between two turns: other settings, a PING, another piece.
    fn stir(&mut self, driver: &mut PipeDriver) {
        driver.piece = 1 + self.below(5_000);
        driver.padding = self.one_of(&[None, Some(0), Some(9), Some(255)]);
        let now = Instant::now();
        match self.below(20) {
            0 => driver.connection.ping(*b"measured", now),
            1 => {
                let mut settings = driver.connection.announced_settings();
                settings.initial_window_size = self.one_of(&[1_000, 65_535, 1 << 20]);
                settings.header_table_size = self.one_of(&[0, 100, 4_096]);
                settings.max_frame_size = self.one_of(&[16_384, 20_000, 1 << 20]);
                driver.connection.update_settings(settings, now).unwrap();
            }
            _ => {}
        }
    }
}

/// The connection's window is whole but for what is owed of it.
fn is_clean(connection: &Connection) -> bool {
    let whole = Config::default().connection_window_size;
    connection.is_idle() && connection.connection_receive_window() > whole / 2
}

/// The distance that its client goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Whole,
    /// Cancelled while the request is on its way.
    Early,
    /// Cancelled when the response has begun.
    Late,
}

/// Sends content to its end; behind that of an odd length stand trailers.
fn send(to: &mut ::h2::SendStream<Bytes>, content: Vec<u8>) -> Result<(), ::h2::Error> {
    let has_trailers = content.len() % 2 == 1;
    to.send_data(content.into(), !has_trailers)?;
    if has_trailers {
        let sum = (
            http::HeaderName::from_static("x-sum"),
            http::HeaderValue::from_static("none"),
        );
        to.send_trailers(http::HeaderMap::from_iter([sum]))?;
    }
    Ok(())
}

/// True where a response to content of this length follows an informational one.
fn informs(len: usize) -> bool {
    len.is_multiple_of(3)
}

/// A request of its client's; whether it was answered whole.
async fn ask(
    mut sender: ::h2::client::SendRequest<Bytes>,
    len: usize,
    fate: Fate,
) -> Result<bool, ::h2::Error> {
    sender = sender.ready().await?;
    let request = http::Request::post("https://localhost/echo").header("x-len", len);
    let (mut response, mut upload) = sender.send_request(request.body(()).unwrap(), false)?;
    send(&mut upload, body(len))?;
    if fate == Fate::Early {
        tokio::task::yield_now().await;
        return Ok(false);
    }
    let informational = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
    let informational = informational
        .transpose()?
        .map(|head| head.status().as_u16());
    let (mut content, mut received) = (response.await?.into_body(), Vec::new());
    assert_eq!(informational, informs(len).then_some(103));
    while let Some(data) = content.data().await {
        let data = data?;
        if fate == Fate::Late {
            return Ok(false);
        }
        content.flow_control().release_capacity(data.len())?;
        received.extend_from_slice(&data);
    }
    assert_eq!(received, body(len));
    Ok(true)
}

/// A server of ours that sends every request's content back, or cancels it; how many it cancelled.
async fn echo_or_cancel(io: DuplexStream, mut chance: Chance) -> (Connection, usize) {
    let mut driver = PipeDriver::new(Connection::server(Arc::default(), Instant::now()), io);
    let mut cancelled = 0;
    while let Some(ended) = driver.turn().await {
        for stream in ended {
            let Some(body) = driver.bodies.remove(&stream) else {
                continue;
            };
            if chance.below(10) == 0 {
                driver.connection.reset(stream, ErrorCode::CANCEL);
                cancelled += 1;
                continue;
            }
            if informs(body.len()) {
                let sent = driver.connection.send_informational(stream, 103, []);
                sent.unwrap();
            }
            let head: Fields = [(":status", "200")].into_iter().collect();
            let sent = driver.connection.send_headers(stream, head.iter(), false);
            sent.unwrap();
            driver.send(stream, body);
        }
        chance.stir(&mut driver);
    }
    (driver.connection, cancelled)
}

#[test]
fn its_client_and_our_server_cancel_and_change_their_settings() {
    for seed in 0..seeds() {
        run(async move {
            let (ours, theirs) = duplex(PIPE);
            let (sender, connection) = ::h2::client::handshake(theirs).await.unwrap();
            let mut chance = Chance(seed);
            let requests = async {
                let mut refused = 0;
                for _ in 0..REQUESTS / AT_ONCE {
                    let fate = [
                        Fate::Whole,
                        Fate::Whole,
                        Fate::Whole,
                        Fate::Early,
                        Fate::Late,
                    ];
                    let all = (0..AT_ONCE).map(|_| {
                        let (len, fate) = (chance.size(), chance.one_of(&fate));
                        ask(sender.clone(), len, fate)
                    });
                    for answer in all.map(tokio::task::spawn_local).collect::<Vec<_>>() {
                        match answer.await.unwrap() {
                            Ok(_) => {}
                            Err(error) => {
                                assert_eq!(error.reason(), Some(Reason::CANCEL), "{error}");
                                refused += 1;
                            }
                        }
                    }
                }
                drop(sender);
                refused
            };
            let server = echo_or_cancel(ours, Chance(!seed));
            let all = async { tokio::join!(connection, requests, server) };
            let (ended, refused, (ours, cancelled)) =
                tokio::task::LocalSet::new().run_until(all).await;
            ended.unwrap();
            assert!(is_clean(&ours), "seed {seed}");
            assert!(refused <= cancelled, "seed {seed}");
        });
    }
}

/// Its server's answer to one request: its content, or a reset.
async fn answer(
    request: http::Request<::h2::RecvStream>,
    mut respond: ::h2::server::SendResponse<Bytes>,
    cancels: bool,
) -> Result<(), ::h2::Error> {
    let (mut content, mut received) = (request.into_body(), Vec::new());
    while let Some(data) = content.data().await {
        let data = data?;
        content.flow_control().release_capacity(data.len())?;
        received.extend_from_slice(&data);
    }
    if cancels {
        respond.send_reset(Reason::CANCEL);
        return Ok(());
    }
    if informs(received.len()) {
        let head = http::Response::builder().status(103).body(());
        respond.send_informational(head.unwrap())?;
    }
    let mut content = respond.send_response(http::Response::new(()), false)?;
    send(&mut content, received)
}

async fn serve_theirs(io: DuplexStream, mut chance: Chance) {
    let mut connection = ::h2::server::handshake(io).await.unwrap();
    let mut answers = Vec::new();
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted.unwrap();
        let answer = answer(request, respond, chance.below(10) == 0);
        answers.push(tokio::task::spawn_local(answer));
    }
    for answer in answers {
        if let Err(error) = answer.await.unwrap() {
            // Without a reason: it was asked to send on a stream that we had cancelled.
            let by_us = error.reason().is_none_or(|reason| reason == Reason::CANCEL);
            assert!(by_us && !error.is_io(), "{error}");
        }
    }
}

async fn ask_theirs(io: DuplexStream, mut chance: Chance) -> usize {
    let mut driver = PipeDriver::new(Connection::client(Arc::default(), Instant::now()), io);
    let (mut left, mut whole) = (REQUESTS, 0);
    let mut asked = HashMap::new();
    while left > 0 || !asked.is_empty() {
        while left > 0 && asked.len() < AT_ONCE {
            let (len, fields) = (chance.size(), request("POST", "/"));
            let fields: Fields = fields.into_iter().collect();
            let stream = driver.connection.open(fields.iter(), false, Instant::now());
            driver.send(stream.unwrap(), body(len));
            asked.insert(stream.unwrap(), len);
            left -= 1;
        }
        for stream in driver.turn().await.expect("answers") {
            let (received, len) = (
                driver.bodies.remove(&stream),
                asked.remove(&stream).unwrap(),
            );
            assert_eq!(received, Some(body(len)));
            assert_eq!(driver.informed.contains(&stream), informs(len));
            whole += 1;
        }
        if chance.below(30) == 0
            && let Some(&stream) = asked.keys().min_by_key(|stream| stream.id())
        {
            driver.connection.reset(stream, ErrorCode::CANCEL);
            driver.sending.remove(&stream);
            driver.bodies.remove(&stream);
            asked.remove(&stream);
        }
        asked.retain(|stream, _| !driver.cancelled.contains(stream));
        chance.stir(&mut driver);
    }
    driver.connection.shutdown(Instant::now());
    // Its server has a last word for what we cancelled, and closes.
    while driver.turn().await.is_some() {}
    assert!(is_clean(&driver.connection));
    whole
}

#[test]
fn our_client_and_its_server_cancel_and_change_their_settings() {
    for seed in 0..seeds() {
        run(async move {
            let (ours, theirs) = duplex(PIPE);
            let all = async {
                tokio::join!(
                    serve_theirs(theirs, Chance(seed)),
                    ask_theirs(ours, Chance(!seed))
                )
            };
            let ((), whole) = tokio::task::LocalSet::new().run_until(all).await;
            assert!(whole > REQUESTS / 4, "seed {seed}: {whole}");
        });
    }
}
