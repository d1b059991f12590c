//! One attack against one server: attackers in one thread, the good client in another, and what the
//! server takes meanwhile.

use super::attack::Attack;
use super::attacker::{Attackers, Spent};
use super::good_client::{self, Service};
use super::link::Target;
use super::process;
use crate::support::Server;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often memory and descriptors are looked at.
const SAMPLE: Duration = Duration::from_millis(20);

/// What one round took.
#[derive(Clone, Debug)]
pub struct Round {
    /// Attacking connections at a time.
    pub attackers: usize,
    /// How long it was.
    pub elapsed: Duration,
    /// What the attackers did.
    pub spent: Spent,
    /// The server's CPU time.
    pub cpu: Duration,
    /// The server's own memory before it, in KiB.
    pub memory_before: u64,
    /// The same at its peak.
    pub memory_peak: u64,
    /// The most descriptors that were open.
    pub descriptors: usize,
    /// How the good client fared.
    pub service: Service,
}

impl Round {
    /// Share of a processor.
    pub fn cpu_share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

/// Attacks for some time.
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
