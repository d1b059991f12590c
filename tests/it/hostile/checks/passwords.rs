//! Floods of wrong passwords, which take long to verify.

use super::{Check, demand};
use crate::support::Server;
use crate::{good_client, trial};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub const ALL: &[Check] = &[
    Check {
        name: "Wrong passwords of basic authentication keep nobody else waiting",
        run: |_| basic_authentication(),
    },
    Check {
        name: "Wrong passwords for the panel keep nobody else waiting",
        run: |_| panel(),
    },
];

/// A user whose password has a bcrypt hash of cost 10: a tenth of a second of a processor in a release build.
const USERS: &str = "ann:$2y$10$GXqIOJ6JJimmbyXiJSd4mu0SmZ6OJkffs5VfhXQjTqjJyytAHp/ka\n";

/// The p99 that another client may have at most.
const LIMIT: Duration = Duration::from_millis(5);

/// Connections of the flood.
const ATTACKERS: usize = 10;

fn basic_authentication() -> Result<(), String> {
    let options = ["--config", "calmd.toml"];
    let server = serve(&options);
    let address = server.connect().peer_addr().unwrap();
    // Names of users need not exist: each takes as long.
    judge(&server, address, |number| {
        let digits = number.to_string().into_bytes();
        let letters = digits.iter().map(|digit| char::from(b'A' + digit - b'0'));
        let credentials: String = letters.collect();
        // "ann:" and half a byte, and three bytes for each four letters.
        let padded = format!("YW5uOm{credentials:A>10}");
        format!("GET /private/x HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {padded}\r\n\r\n")
    })
}

fn panel() -> Result<(), String> {
    let options = ["--admin", "127.0.0.1:0", "--admin-users", "users"];
    let server = serve(&options);
    let line = server.told(" (the panel)");
    let (_, rest) = line.split_once("http://").expect("an address");
    let address = rest.split(' ').next().unwrap_or_default();
    let address = address.parse().expect("an address");
    judge(&server, address, |number| {
        let content = format!(r#"{{"user":"ann","password":"{number}"}}"#);
        format!(
            "POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{content}",
            content.len()
        )
    })
}

fn serve(options: &[&str]) -> Server {
    let options = [options, &good_client::LISTEN, &["--listen", "127.0.0.1:0"]].concat();
    Server::with_site(&options, |root| {
        let file = good_client::PATH.trim_start_matches('/');
        fs::write(root.join(file), vec![b'x'; good_client::LEN]).unwrap();
        fs::write(root.with_file_name("users"), USERS).unwrap();
        let rules = "basic-auth = [{ path = \"/private/**\", users = \"users\" }]\n";
        fs::write(root.with_file_name("calmd.toml"), rules).unwrap();
    })
}

/// Compares the good client's p99 beside a flood with that in calm.
fn judge(
    server: &Server,
    address: SocketAddr,
    request: impl Fn(u64) -> String + Sync,
) -> Result<(), String> {
    let second = Duration::from_secs(1);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let served = |length: Duration| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let good = scope.spawn(|| good_client::ask(server, &stop));
            std::thread::sleep(length);
            stop.store(true, Ordering::Relaxed);
            good.join().expect("client")
        })
    };
    let calm = served(second);
    let service = std::thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            scope.spawn(|| flood(address, &request, &sent, &stop));
        }
        let service = served(2 * second);
        stop.store(true, Ordering::Relaxed);
        service
    });
    let sent = sent.into_inner();
    demand(sent > 20, || format!("the flood had {sent} requests"))?;
    let failures = service.failures;
    demand(failures == 0, || format!("{failures} good requests fail"))?;
    let (p99, limit) = (service.p99(), trial::allowed(calm.p99()).max(LIMIT));
    println!(
        "  p99 {p99:?} beside {sent} wrong passwords, {:?} in calm",
        calm.p99()
    );
    demand(p99 <= limit, || {
        format!("p99 is {p99:?}, {limit:?} is allowed")
    })
}

/// Sends one wrong password after another.
fn flood(
    address: SocketAddr,
    request: impl Fn(u64) -> String,
    sent: &AtomicU64,
    stop: &AtomicBool,
) {
    let patience = Duration::from_millis(100);
    let mut answer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else {
            continue;
        };
        stream.set_read_timeout(Some(patience)).unwrap();
        let start = Instant::now();
        // The first of a queue have their answers, the others are refused or wait.
        while start.elapsed() < 2 * patience && !stop.load(Ordering::Relaxed) {
            let number = sent.fetch_add(1, Ordering::Relaxed);
            let sent = stream.write_all(request(number).as_bytes());
            if sent.is_err() || !matches!(stream.read(&mut answer), Ok(1..)) {
                break;
            }
        }
    }
}
