//! The reverse proxy in a small world of its own: upstreams that die, hang, lie, trickle and say too little or too much.
//!
//! No answer is wrong, none that was cut short looks whole, none that an upstream gave whole is lost, and no request that
//! is not idempotent is sent twice.

use super::rng::Rng;
use calmd::http::{Fields, Scheme};
use calmd::proxy::{
    DialAddress, ProxyHandler, ProxyRule, Upstream, UpstreamScheme, UpstreamServer,
};
use calmd::routes::Routes;
use calmd::server::{Config, EventLoop, Services};
use calmd::site::{self, Site};
use calmd::world::memory_files::{MemoryFile, MemoryFiles};
use calmd::world::{Extent, Peer, Polled, Ready, Sleep, Token, World};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Requests of a run, and those that are under way at a time.
const REQUESTS: usize = 40;
const TOGETHER: usize = 5;

/// Attempts at one request, at most.
const ATTEMPTS: usize = 3;

/// Time by which a run is over, long after all deadlines of all requests in a row.
const END: Duration = Duration::from_secs(60 * REQUESTS as u64);

/// An upstream's treatment of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Play {
    Whole,
    Chunked,
    Trickle,
    /// A whole response, and bytes behind it, with which the connection ends.
    TooLong,
    /// A whole response behind which the connection ends.
    Farewell,
    /// A response without its last byte.
    Short,
    /// Chunks without the last one.
    CutChunks,
    Garbage,
    /// The end without a byte.
    Nothing,
    /// Nothing at all.
    Hang,
}

impl Play {
    const ALL: [Play; 10] = [
        Play::Whole,
        Play::Chunked,
        Play::Trickle,
        Play::TooLong,
        Play::Farewell,
        Play::Short,
        Play::CutChunks,
        Play::Garbage,
        Play::Nothing,
        Play::Hang,
    ];

    fn is_whole(self) -> bool {
        matches!(
            self,
            Play::Whole | Play::Chunked | Play::Trickle | Play::TooLong | Play::Farewell
        )
    }
}

/// A connection, as both of its ends see it.
#[derive(Default)]
struct SimLink {
    /// Bytes on their way to the server, with the time of their arrival; none is the end.
    flying: VecDeque<(Duration, Option<Vec<u8>>)>,
    arrived: VecDeque<u8>,
    has_ended: bool,
    /// Bytes that the server has written, and nobody has looked at.
    written: Vec<u8>,
    is_closed: bool,
    token: Option<Token>,
    has_edge: bool,
    /// True for a connection that was dialled, false for a client's.
    is_dialled: bool,
    is_refused: bool,
    /// True if its upstream reads nothing more.
    is_over: bool,
}

/// A client with its one request.
struct SimClient {
    number: usize,
    link: usize,
    answer: Vec<u8>,
}

struct Outside {
    start: Instant,
    now: Duration,
    rng: Rng,
    links: Vec<SimLink>,
    backlog: VecDeque<usize>,
    clients: Vec<SimClient>,
    asked: usize,
    /// The treatment of each request by upstreams.
    plays: HashMap<usize, Vec<Play>>,
    done: usize,
}

struct SmallWorld(Rc<RefCell<Outside>>);

struct SmallSocket(usize, Rc<RefCell<Outside>>);

impl Drop for SmallSocket {
    fn drop(&mut self) {
        self.1.borrow_mut().links[self.0].is_closed = true;
    }
}

fn is_post(number: usize) -> bool {
    number.is_multiple_of(3)
}

/// The content that the upstream answers a request with.
fn content(number: usize) -> Vec<u8> {
    format!("<{number}>")
        .into_bytes()
        .repeat(1 + number * 37 % 900)
}

/// Content in chunks, with or without the last one.
fn chunked(content: &[u8], is_whole: bool) -> Vec<u8> {
    let mut made = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for part in content.chunks(700) {
        made.extend(format!("{:x}\r\n", part.len()).bytes());
        made.extend([part, b"\r\n"].concat());
    }
    made.extend(if is_whole { &b"0\r\n\r\n"[..] } else { b"" });
    made
}

impl Outside {
    /// Sends bytes to the server, in pieces and late by chance.
    fn send(&mut self, link: usize, bytes: &[u8], pause: Duration) {
        let mut at = self.now;
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = self.rng.between(1, rest.len());
            let (piece, later) = rest.split_at(len);
            at += self.rng.pause(pause);
            self.links[link]
                .flying
                .push_back((at, Some(piece.to_vec())));
            rest = later;
        }
    }

    fn end(&mut self, link: usize) {
        let last = self.links[link]
            .flying
            .back()
            .map_or(self.now, |(at, _)| *at);
        let at = last + self.rng.pause(Duration::from_millis(2));
        self.links[link].flying.push_back((at, None));
        self.links[link].is_over = true;
    }

    /// Lets all act that are outside of the server.
    fn act(&mut self) {
        while self.clients.len() < TOGETHER && self.asked < REQUESTS {
            self.ask();
        }
        for link in 0..self.links.len() {
            if self.links[link].is_dialled && !self.links[link].is_over {
                self.play_upstream(link);
            }
        }
        let mut left = Vec::new();
        for mut client in std::mem::take(&mut self.clients) {
            let link = &mut self.links[client.link];
            client.answer.append(&mut link.written);
            if link.is_closed {
                self.judge(&client);
                self.done += 1;
            } else {
                left.push(client);
            }
        }
        self.clients.append(&mut left);
    }

    fn ask(&mut self) {
        self.asked += 1;
        let (number, link) = (self.asked, self.links.len());
        self.links.push(SimLink::default());
        let (method, body) = if is_post(number) {
            ("POST", "content")
        } else {
            ("GET", "")
        };
        let head = format!(
            "{method} /{number} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(link, head.as_bytes(), Duration::from_millis(3));
        self.backlog.push_back(link);
        self.clients.push(SimClient {
            number,
            link,
            answer: Vec::new(),
        });
    }

    /// Plays the upstream's side of a connection, once a whole request has come.
    fn play_upstream(&mut self, link: usize) {
        let written = &self.links[link].written;
        let text = String::from_utf8_lossy(written).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return;
        };
        let number: usize = head.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        if is_post(number) && body.len() < "content".len() {
            return;
        }
        assert_eq!(body, if is_post(number) { "content" } else { "" }, "{head}");
        self.links[link].written.clear();
        let play = if self.rng.chance(600) {
            Play::Whole
        } else {
            *self.rng.pick(&Play::ALL)
        };
        self.plays.entry(number).or_default().push(play);
        let content = content(number);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        let whole = [head.as_bytes(), &content].concat();
        let soon = Duration::from_millis(2);
        match play {
            Play::Whole | Play::Farewell => self.send(link, &whole, soon),
            Play::Chunked => self.send(link, &chunked(&content, true), soon),
            Play::Trickle => self.send(link, &whole, Duration::from_secs(5)),
            Play::TooLong => self.send(link, &[&whole[..], b"HTTP/1.1 200 OK\r\n"].concat(), soon),
            Play::Short => self.send(link, &whole[..whole.len() - 1], soon),
            Play::CutChunks => self.send(link, &chunked(&content, false), soon),
            Play::Garbage => self.send(link, b"\0garbage\r\n\r\n", soon),
            Play::Nothing | Play::Hang => {}
        }
        let stays = [Play::Whole, Play::Chunked, Play::Trickle, Play::Hang];
        if !stays.contains(&play) {
            self.end(link);
        }
    }

    /// Judges the answer that a client has got.
    fn judge(&self, client: &SimClient) {
        let number = client.number;
        let none = Vec::new();
        let plays = self.plays.get(&number).unwrap_or(&none);
        let answer = String::from_utf8_lossy(&client.answer).into_owned();
        let told = || format!("{number} {plays:?}: {answer:.300}");
        let most = if is_post(number) { 1 } else { ATTEMPTS };
        assert!(plays.len() <= most, "{}", told());
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{}", told()));
        let is_given = plays.iter().any(|play| play.is_whole());
        if !head.starts_with("HTTP/1.1 200 ") {
            let statuses = ["502", "503", "504"];
            assert!(statuses.contains(&&head[9..12]) && !is_given, "{}", told());
            return;
        }
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1);
        let length = length.map(|rest| rest.lines().next().unwrap().parse::<usize>().unwrap());
        let is_whole = match length {
            Some(length) => body.len() == length,
            None => body.ends_with("0\r\n\r\n"),
        };
        assert_eq!(is_whole, is_given, "{}", told());
        let mut plain = body.to_owned();
        if length.is_none() {
            plain = String::new();
            let mut rest = body;
            while let Some((size, behind)) = rest.split_once("\r\n") {
                let size = usize::from_str_radix(size, 16).unwrap();
                plain += &behind[..size.min(behind.len())];
                rest = behind.get(size + 2..).unwrap_or_default();
            }
        }
        let content = String::from_utf8(content(number)).unwrap();
        let is_right = content.starts_with(&plain) && (!is_whole || plain == content);
        assert!(is_right, "{}", told());
    }

    /// Lets bytes arrive, and tells of the sockets that have become ready.
    fn deliver(&mut self, ready: &mut Vec<Ready>) {
        for link in &mut self.links {
            while link.flying.front().is_some_and(|(at, _)| *at <= self.now) {
                match link.flying.pop_front() {
                    Some((_, Some(bytes))) => link.arrived.extend(bytes),
                    _ => link.has_ended = true,
                }
                link.has_edge = true;
            }
            if let Some(token) = link.token.filter(|_| link.has_edge && !link.is_closed) {
                link.has_edge = false;
                ready.push(Ready::Socket {
                    token,
                    readable: link.has_ended || !link.arrived.is_empty(),
                    read_closed: link.has_ended,
                });
            }
        }
        if !self.backlog.is_empty() {
            ready.push(Ready::Listener(0));
        }
    }

    fn next_arrival(&self) -> Option<Duration> {
        let links = self.links.iter().filter(|link| !link.is_closed);
        links.filter_map(|link| Some(link.flying.front()?.0)).min()
    }
}

impl World for SmallWorld {
    type Files = MemoryFiles;
    type Socket = SmallSocket;

    fn now(&self) -> Instant {
        let outside = self.0.borrow();
        outside.start + outside.now
    }

    fn wall_clock(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000_000) + self.0.borrow().now
    }

    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<Polled> {
        let outside = &mut *self.0.borrow_mut();
        outside.now += Duration::from_micros(20);
        let until = timeout.map(|timeout| outside.now + timeout);
        loop {
            outside.act();
            outside.deliver(ready);
            if !ready.is_empty() || outside.done == REQUESTS {
                break;
            }
            let next = outside.next_arrival().into_iter().chain(until).min();
            outside.now = outside.now.max(next.expect("something happens at last"));
            if until.is_some_and(|until| until <= outside.now) {
                outside.deliver(ready);
                break;
            }
        }
        Ok(Polled {
            extent: Extent::Whole,
            sleep: Sleep::Undisturbed,
        })
    }

    fn accept(&mut self, _: usize) -> io::Result<(SmallSocket, Peer)> {
        let next = self.0.borrow_mut().backlog.pop_front();
        let link = next.ok_or(io::ErrorKind::WouldBlock)?;
        Ok((
            SmallSocket(link, self.0.clone()),
            Peer::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ))
    }

    fn connect(&mut self, _: SocketAddr) -> io::Result<SmallSocket> {
        let outside = &mut *self.0.borrow_mut();
        let is_refused = outside.rng.chance(100);
        outside.links.push(SimLink {
            is_dialled: true,
            is_refused,
            ..SimLink::default()
        });
        Ok(SmallSocket(outside.links.len() - 1, self.0.clone()))
    }

    fn is_connected(&self, socket: &SmallSocket) -> io::Result<bool> {
        if self.0.borrow().links[socket.0].is_refused {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(true)
    }

    fn stop_listening(&mut self, _: usize) {}

    fn register(&mut self, socket: &mut SmallSocket, token: Token) -> io::Result<()> {
        let link = &mut self.0.borrow_mut().links[socket.0];
        (link.token, link.has_edge) = (Some(token), true);
        Ok(())
    }

    fn read(&mut self, socket: &mut SmallSocket, buffer: &mut [u8]) -> io::Result<usize> {
        let link = &mut self.0.borrow_mut().links[socket.0];
        let len = buffer.len().min(link.arrived.len());
        if len == 0 && !link.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for (place, byte) in buffer.iter_mut().zip(link.arrived.drain(..len)) {
            *place = byte;
        }
        Ok(len)
    }

    fn write(&mut self, socket: &mut SmallSocket, bytes: &[u8]) -> io::Result<usize> {
        let link = &mut self.0.borrow_mut().links[socket.0];
        if link.is_dialled && link.has_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        link.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn send_file(
        &mut self,
        _: &mut SmallSocket,
        _: &MemoryFile,
        _: u64,
        _: usize,
    ) -> io::Result<usize> {
        unreachable!("no file is served")
    }

    fn shutdown_write(&mut self, socket: &mut SmallSocket) -> io::Result<()> {
        // A client that has its whole answer closes.
        let link = &mut self.0.borrow_mut().links[socket.0];
        (link.has_ended, link.has_edge) = (true, true);
        Ok(())
    }
}

/// One run, and the plays that were in it.
fn run(seed: u64) -> Vec<Play> {
    let outside = Rc::new(RefCell::new(Outside {
        start: Instant::now(),
        now: Duration::ZERO,
        rng: Rng::new(seed),
        links: Vec::new(),
        backlog: VecDeque::new(),
        clients: Vec::new(),
        asked: 0,
        plays: HashMap::new(),
        done: 0,
    }));
    let world = SmallWorld(outside.clone());
    let site = Site::new(MemoryFiles::new(), &site::Config::default()).expect("a site");
    let mut routes = Routes::from(site);
    let rule = ProxyRule::parse("/=http://10.0.0.1:80").expect("a rule");
    routes.mount(
        "",
        Box::new(ProxyHandler::new(0, &rule, Rc::new(Fields::new()))),
    );
    let server = |port| UpstreamServer {
        name: format!("http://10.0.0.1:{port}"),
        scheme: UpstreamScheme::Http,
        addresses: vec![DialAddress::Tcp(([10, 0, 0, 1], port).into())],
        tls: None,
    };
    let upstream = Upstream {
        host: String::new(),
        mount: "/".into(),
        servers: vec![server(80), server(81)],
    };
    let config = Config::default();
    let services = Services::new(&world, routes, None, &config).with_upstreams(vec![upstream]);
    let mut event_loop = EventLoop::new(world, services, &[Scheme::Http]);
    while outside.borrow().done < REQUESTS {
        event_loop.turn().expect("the poll does not fail");
        assert!(outside.borrow().now < END, "requests have no answer");
    }
    let outside = outside.borrow();
    outside.plays.values().flatten().copied().collect()
}

#[test]
fn upstreams_that_fail_in_any_way_cause_no_wrong_answer_and_no_second_request() {
    let wanted = super::harness::number("CALMD_SIM_SEEDS").unwrap_or(3000) / 10;
    let seeds = match super::harness::number("CALMD_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..wanted.max(10),
    };
    let is_all = seeds.end - seeds.start >= 10;
    let mut seen = Vec::new();
    for seed in seeds {
        println!("to replay: CALMD_SIM_SEED={seed} cargo test --test it sim::upstreams");
        seen.extend(run(seed));
    }
    assert!(!is_all || Play::ALL.iter().all(|play| seen.contains(play)));
}
