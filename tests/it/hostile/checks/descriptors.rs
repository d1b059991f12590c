//! A server without free descriptors.

use super::{Check, demand};
use crate::raw_h2::{self, RawH2, frame};
use crate::support::Server;
use crate::{process, site};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub const ALL: &[Check] = &[Check {
    name: "Without descriptors the server rests, serves whom it has, and accepts again at once",
    run: |_| exhausted(),
}];

/// Number of descriptors that the server may still open.
const LEFT: usize = 20;

/// Time after which files have settled: a little more than two seconds.
const SETTLED: Duration = Duration::from_millis(2_100);

fn exhausted() -> Result<(), String> {
    let server = site::serve(&[]);
    // A file that was just changed is looked at again and again, which takes a descriptor.
    std::thread::sleep(SETTLED);
    let mut good = RawH2::open(server.connect());
    ask(&mut good, 1)?;
    limit(&server, process::descriptors(server.id()) + LEFT);
    let mut held: Vec<TcpStream> = (0..3 * LEFT).map(|_| server.connect()).collect();
    std::thread::sleep(Duration::from_millis(200));
    let (before, start) = (process::cpu(server.id()), Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    let share = (process::cpu(server.id()) - before).as_secs_f64() / start.elapsed().as_secs_f64();
    demand(share < 0.05, || {
        format!("it takes {:.0} % of a processor", share * 100.0)
    })?;
    ask(&mut good, 3)?;
    // All connections but one are closed, among them those that wait to be accepted.
    held.truncate(1);
    let start = Instant::now();
    let mut newcomer = server.connect();
    newcomer
        .write_all(b"GET /4k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let _ = newcomer.read_to_end(&mut answer);
    demand(answer.starts_with(b"HTTP/1.1 200 "), || {
        "the newcomer is not served".to_owned()
    })?;
    let waited = start.elapsed();
    demand(waited < Duration::from_secs(1), || {
        format!("accepting again takes {waited:?}")
    })
}

/// Sends one request of a client that was connected before.
fn ask(good: &mut RawH2, stream: u32) -> Result<(), String> {
    let flags = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    good.send(&frame(raw_h2::HEADERS, flags, stream, &raw_h2::get("/4k")));
    loop {
        let frame = good.next().ok_or("the good client is closed")?;
        match frame.kind {
            raw_h2::HEADERS if !frame.payload.contains(&0x88) => {
                return Err("the good client is not answered with 200".to_owned());
            }
            raw_h2::DATA if frame.flags & raw_h2::END_STREAM != 0 => return Ok(()),
            raw_h2::RST_STREAM | raw_h2::GOAWAY => {
                return Err("the good client's request fails".to_owned());
            }
            _ => {}
        }
    }
}

/// Lowers the running server's limit of open files.
fn limit(server: &Server, descriptors: usize) {
    let pid = Pid::from_raw(server.id() as i32);
    let limit = Rlimit {
        current: Some(descriptors as u64),
        maximum: Some(descriptors as u64),
    };
    prlimit(pid, Resource::Nofile, limit).expect("a limit may be lowered");
}
