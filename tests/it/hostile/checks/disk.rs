//! A slow disk.

use super::{Check, demand};
use crate::attack::{Attack, GETS_H1, GETS_H2, Step};
use crate::{battle, good_client, site, trial};
use rustix::fs::{Advice, fadvise};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub const ALL: &[Check] = &[Check {
    name: "Those who want what is not in memory keep nobody else waiting",
    run: |_| cold(),
}];

/// Length of a file that is not read in one go.
const LEN: usize = 32 << 20;

/// Time between two requests to the system to drop the file from its memory.
const EVICTION: Duration = Duration::from_millis(5);

fn cold() -> Result<(), String> {
    let server = site::serve(&good_client::LISTEN);
    let path = server.directory.path().join("site/cold");
    fs::write(&path, vec![b'x'; LEN]).unwrap();
    let file = fs::File::open(&path).unwrap();
    // Pages that are not on the disk yet cannot be dropped.
    file.sync_all().unwrap();
    let attack = Attack {
        step: |_| Step::Send(b"GET /cold HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        ..GETS_H1
    };
    let second = Duration::from_secs(1);
    let calm = battle::round(&server, &GETS_H2, 0, second);
    let stop = AtomicBool::new(false);
    let round = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fadvise(&file, 0, None, Advice::DontNeed).unwrap();
                std::thread::sleep(EVICTION);
            }
        });
        let round = battle::round(&server, &attack, 10, second);
        stop.store(true, Ordering::Relaxed);
        round
    });
    let failures = round.service.failures;
    demand(failures == 0, || format!("{failures} good requests fail"))?;
    let (p99, limit) = (round.service.p99(), trial::allowed(calm.service.p99()));
    demand(p99 <= limit, || {
        format!("p99 is {p99:?}, {limit:?} is allowed")
    })
}
