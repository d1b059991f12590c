//! One attack against one server: attackers in one thread, the good client in another, and a
//! measurement of the server meanwhile.

use super::attack::Attack;
use super::attacker::{Attackers, Spent};
use super::good_client::{self, Service};
use super::link::Target;
use super::process;
use crate::support::Server;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between two measurements of memory and descriptors.
const SAMPLE: Duration = Duration::from_millis(20);

/// Measurements of one round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Number of attacking connections at a time.
    pub attackers: usize,
    /// Length of the round.
    pub elapsed: Duration,
    /// Resources that the attackers spent.
    pub spent: Spent,
    /// The server's CPU time.
    pub cpu: Duration,
    /// The server's own memory before the round, in KiB.
    pub memory_before: u64,
    /// The server's own memory at its peak, in KiB.
    pub memory_peak: u64,
    /// The most descriptors that were open.
    pub descriptors: usize,
    /// Service that the good client got.
    pub service: Service,
}

impl Round {
    /// Share of a processor that the server used.
    pub fn cpu_share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

/// Attacks the server for a time.
pub fn round(server: &Server, attack: &Attack, attackers: usize, length: Duration) -> Round {
    let target = Target::new(server, attack.over);
    let stop = AtomicBool::new(false);
    let memory_before = process::memory_kib(server.id());
    let (mut memory_peak, mut descriptors) = (memory_before, 0);
    let cpu_before = process::cpu(server.id());
    let start = Instant::now();
    let (spent, service, cpu, elapsed) = std::thread::scope(|scope| {
        let good = scope.spawn(|| good_client::ask(server, &stop));
        let bad = scope.spawn(|| Attackers::new(attack, &target, attackers).run(&stop));
        while start.elapsed() < length {
            std::thread::sleep(SAMPLE);
            memory_peak = memory_peak.max(process::memory_kib(server.id()));
            descriptors = descriptors.max(process::descriptors(server.id()));
        }
        let cpu = process::cpu(server.id()) - cpu_before;
        let unread = process::unread(target.port());
        let elapsed = start.elapsed();
        stop.store(true, Ordering::Relaxed);
        let mut spent = bad.join().expect("attackers");
        spent.bytes = spent.bytes.saturating_sub(unread);
        (spent, good.join().expect("client"), cpu, elapsed)
    });
    Round {
        attackers,
        elapsed,
        spent,
        cpu,
        memory_before,
        memory_peak,
        descriptors,
        service,
    }
}
