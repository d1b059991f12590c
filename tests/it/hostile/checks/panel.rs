//! The panel beside a crowd and a flood: it answers in time, and nobody waits for it.

use super::{Check, demand};
use crate::attack::Attack;
use crate::attacker::Attackers;
use crate::good_client::{self, Service};
use crate::link::Target;
use crate::raw_h2::{self, END_HEADERS, END_STREAM, frame};
use crate::support::{PATIENCE, Server};
use crate::{process, rows};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

pub const ALL: &[Check] = &[Check {
    name: "The panel answers beside a crowd and a flood, and nobody waits for it",
    run,
}];

/// Connections of the crowd in a quick run, where the limit of descriptors allows them.
const FEW: usize = 1_000;

/// Connections of the crowd in a full run, where it allows them.
const MANY: usize = 20_000;

/// Descriptors of the server that are not for the crowd: its own, those that it keeps back for files, and those of
/// the flood, of the good client and of the page.
const SPARE: usize = 1_300;

/// Rows whose attackers flood while the panel is asked.
const FLOODS: [&str; 2] = ["PING flood", "Rapid reset"];

/// Flags of a whole request in one frame.
const END: u8 = END_HEADERS | END_STREAM;

/// Connections of a flood.
const ATTACKERS: usize = 10;

/// The time for an answer of the panel.
const ANSWER: Duration = if cfg!(debug_assertions) {
    Duration::from_secs(2)
} else {
    Duration::from_millis(100)
};

/// The p99 of the good client may be so much longer while somebody looks at the panel.
const DELAY: Duration = if cfg!(debug_assertions) {
    Duration::from_millis(100)
} else {
    Duration::from_millis(1)
};

/// Time between two questions of the page: a page asks for the list every two seconds.
const BETWEEN: Duration = Duration::from_millis(50);

/// Number of times that a failing flood is tried, because other processes disturb the measurement.
const TRIES: usize = 3;

fn run(full: bool) -> Result<(), String> {
    let wanted = if full { MANY } else { FEW };
    let limit = raise_limit(wanted + SPARE);
    let crowd = wanted.min(limit.saturating_sub(SPARE));
    let (rounds, length) = if full {
        (5, Duration::from_secs(2))
    } else {
        (2, Duration::from_millis(500))
    };
    let own = ["--admin", "127.0.0.1:0", "--idle-timeout", "10m"];
    let options = [&own, &good_client::LISTEN[..]].concat();
    let server = Server::with_site(&options, |root| {
        let file = good_client::PATH.trim_start_matches('/');
        fs::write(root.join(file), vec![b'x'; good_client::LEN]).unwrap();
    });
    let page = Page::log_in(&server);
    let _crowd: Vec<TcpStream> = (0..crowd).map(|n| member(server.http, n)).collect();
    page.await_connections(crowd);
    for name in FLOODS {
        let attack = rows::all().find(|attack| attack.name == name);
        let attack = attack.expect("a row of that name");
        let mut fault = Ok(());
        for _ in 0..TRIES {
            fault = judge(&server, &page, attack, crowd, (rounds, length));
            if fault.is_ok() {
                break;
            }
        }
        fault.map_err(|fault| format!("{name}: {fault}"))?;
    }
    page.await_connections(crowd);
    Ok(())
}

/// Raises the limit of descriptors to so many, as far as that goes: those of the crowd are of this process as well.
fn raise_limit(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let enough = wanted as u64;
    if limit.current.is_some_and(|current| current < enough) {
        limit.current = limit.maximum.map(|most| most.min(enough)).or(Some(enough));
        setrlimit(Resource::Nofile, limit).expect("it may be raised so far");
    }
    let current = limit.current.and_then(|it| usize::try_from(it).ok());
    current.unwrap_or(wanted)
}

/// A connection of the crowd, which asks once and then no more. Each address has a twentieth of them.
fn member(address: SocketAddr, number: usize) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a descriptor");
    let source = SocketAddrV4::new([127, 0, 0, 2 + (number % 20) as u8].into(), 0);
    bind(&socket, &source).expect("this machine has the address");
    connect(&socket, &address).expect("calmd accepts");
    let mut stream = TcpStream::from(socket);
    let opening = [
        raw_h2::PREFACE,
        &frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]),
        &frame(raw_h2::HEADERS, END, 1, &raw_h2::get("/")),
    ];
    stream.write_all(&opening.concat()).expect("calmd reads");
    stream
}

/// Lets a flood meet the good client, by turns with nobody and somebody at the panel.
fn judge(
    server: &Server,
    page: &Page,
    attack: &Attack,
    crowd: usize,
    (rounds, length): (usize, Duration),
) -> Result<(), String> {
    let (mut alone, mut watched) = (Service::default(), Service::default());
    let mut answers = Vec::new();
    for _ in 0..rounds {
        let (service, _) = flood(server, attack, length, None);
        alone.add(&service);
        let (service, took) = flood(server, attack, length, Some(page));
        watched.add(&service);
        answers.extend(took);
    }
    answers.sort_unstable();
    let slowest = answers.last().copied().unwrap_or(PATIENCE);
    let median = answers.get(answers.len() / 2).copied();
    println!(
        "  {crowd} connections, {}: {} answers of the panel in {:?}, at most {slowest:?}; p99 {:?}, {:?} without it",
        attack.name,
        answers.len(),
        median.unwrap_or(PATIENCE),
        watched.p99(),
        alone.p99()
    );
    let failures = alone.failures + watched.failures;
    demand(failures == 0, || format!("{failures} good requests fail"))?;
    demand(answers.len() >= rounds, || {
        "the panel hardly answers".to_owned()
    })?;
    demand(slowest <= ANSWER, || {
        format!("an answer of the panel takes {slowest:?}")
    })?;
    let (with, without) = (watched.p99(), alone.p99());
    demand(with <= without + DELAY, || {
        format!("p99 is {with:?} with somebody at the panel, {without:?} without")
    })
}

/// Floods the server for a time: the service that the good client has, and the times of the panel's answers.
fn flood(
    server: &Server,
    attack: &Attack,
    length: Duration,
    page: Option<&Page>,
) -> (Service, Vec<Duration>) {
    let target = Target::new(server, attack.over);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let bad = scope.spawn(|| Attackers::new(attack, &target, ATTACKERS).run(&stop));
        let page = page.map(|page| page.look(scope, server, &stop));
        // Whoever looks has begun to.
        thread::sleep(Duration::from_millis(200));
        let calm = AtomicBool::new(false);
        let service = thread::scope(|scope| {
            let good = scope.spawn(|| good_client::ask(server, &calm));
            thread::sleep(length);
            calm.store(true, Ordering::Relaxed);
            good.join().expect("client")
        });
        stop.store(true, Ordering::Relaxed);
        bad.join().expect("attackers");
        let answers = page.map(|page| page.join().expect("page"));
        (service, answers.unwrap_or_default())
    })
}

/// The page of somebody who has logged in.
struct Page {
    address: SocketAddr,
    cookie: String,
}

impl Page {
    /// Logs in with the token that the server tells.
    fn log_in(server: &Server) -> Page {
        let link = server.told("log in once: ");
        let (_, link) = link.split_once("http://").expect("a link");
        let (address, token) = link.split_once("/?token=").expect("a token");
        let address = address.parse().expect("an address");
        let mut page = Page {
            address,
            cookie: String::new(),
        };
        let content = format!(r#"{{"token":"{}"}}"#, token.trim());
        let mut connection = page.connect();
        let request = format!(
            "POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{content}",
            content.len()
        );
        let (head, _) = Page::ask(&mut connection, &request);
        let cookie = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_cookie = name.eq_ignore_ascii_case("set-cookie");
            is_cookie.then(|| value.split(';').next().unwrap_or_default().to_owned())
        });
        page.cookie = cookie.unwrap_or_else(|| panic!("no session: {head}"));
        page
    }

    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("calmd accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        BufReader::new(stream)
    }

    fn request(&self, path: &str) -> String {
        let cookie = &self.cookie;
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n")
    }

    /// The head and the content of an answer.
    fn ask(connection: &mut BufReader<TcpStream>, request: &str) -> (String, String) {
        let stream = connection.get_mut();
        stream.write_all(request.as_bytes()).expect("calmd reads");
        let (mut head, mut len) = (String::new(), 0);
        loop {
            let mut line = String::new();
            let read = connection.read_line(&mut line).expect("an answer");
            assert!(read > 0, "it ended within {head}");
            let field = line.trim_end().split_once(": ");
            if let Some((name, value)) = field
                && name.eq_ignore_ascii_case("content-length")
            {
                len = value.parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut content = vec![0; len];
        connection.read_exact(&mut content).expect("an answer");
        (head, String::from_utf8(content).expect("text"))
    }

    /// Waits until the server has so many connections.
    fn await_connections(&self, wanted: usize) {
        let mut connection = self.connect();
        let start = Instant::now();
        loop {
            let (_, text) = Page::ask(&mut connection, &self.request("/api/connections?top=1"));
            let total = text.split_once(r#""total":"#).and_then(|(_, rest)| {
                let digits = rest.split(|it: char| !it.is_ascii_digit()).next()?;
                digits.parse::<usize>().ok()
            });
            let is_there = total.is_some_and(|total| total >= wanted);
            if is_there {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{wanted} connections: {text}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Looks at the flood's busiest connection as a page does, and asks for everything again and again. Gives the
    /// times of the answers, without those that this machine's other processes took.
    fn look<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        server: &'scope Server,
        stop: &'scope AtomicBool,
    ) -> thread::ScopedJoinHandle<'scope, Vec<Duration>> {
        scope.spawn(move || {
            let mut connection = self.connect();
            let busiest = self.request("/api/connections?sort=received&top=1");
            let (_, list) = Page::ask(&mut connection, &busiest);
            let id = list.split_once(r#""id":"#).map_or("1", |(_, rest)| {
                let end = rest.find(|it: char| !it.is_ascii_digit());
                &rest[..end.unwrap_or(rest.len())]
            });
            let mut events = self.connect();
            let watch = self.request(&format!("/api/events?watch={id}"));
            events.get_mut().write_all(watch.as_bytes()).unwrap();
            scope.spawn(move || drain(events, stop));
            let paths = [
                "/api/overview".to_owned(),
                "/api/connections?sort=blocked&top=50".to_owned(),
                format!("/api/connections/{id}"),
                "/".to_owned(),
            ];
            let waited = || process::server_waited(server.id()) + process::thread_waited();
            let mut times = Vec::new();
            for path in paths.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let (before, begin) = (waited(), Instant::now());
                Page::ask(&mut connection, &self.request(path));
                let machine = waited().saturating_sub(before);
                times.push(begin.elapsed().saturating_sub(machine));
                thread::sleep(BETWEEN);
            }
            times
        })
    }
}

/// Reads a stream of events until told to stop.
fn drain(mut events: BufReader<TcpStream>, stop: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    let patience = Some(Duration::from_millis(100));
    events.get_mut().set_read_timeout(patience).unwrap();
    while !stop.load(Ordering::Relaxed) {
        if matches!(events.read(&mut buffer), Ok(0)) {
            return;
        }
    }
}
