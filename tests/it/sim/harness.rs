//! The harness: many runs on all processors, and the way to repeat one of them.

use super::faults::Counts;
use allocation_counter::opt_out;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Number of seeds of an ordinary test run: a minute of two processors in a debug build.
const SEEDS: u64 = 3000;

/// Number of seeds after which an endless run reports that it is alive.
const BETWEEN_REPORTS: u64 = 1000;

/// Choice of runs.
pub enum Wanted {
    /// One seed, with the log of the server.
    One(u64),
    /// `count` seeds from the first on.
    Range { first: u64, count: u64 },
    /// All seeds from the first on, until the process is ended.
    Endless { first: u64 },
}

impl Wanted {
    /// The choice of runs by the environment.
    pub fn seeds() -> Wanted {
        if let Some(seed) = number("CALMD_SIM_SEED") {
            return Wanted::One(seed);
        }
        let first = number("CALMD_SIM_FROM");
        if std::env::var_os("CALMD_SIM_ENDLESS").is_some() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.expect("a clock that is set").as_nanos() as u64;
            // Every night begins at another seed. The shift keeps the numbers readable.
            let first = first.unwrap_or(now >> 16);
            return Wanted::Endless { first };
        }
        Wanted::Range {
            first: first.unwrap_or(0),
            count: number("CALMD_SIM_SEEDS").unwrap_or(SEEDS),
        }
    }
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is not a number: {value}")))
}

/// Runs all chosen seeds on as many threads as there are processors. `replay` names the command that
/// repeats one of them. After a failure no other run is begun, and the function fails too.
pub fn run_all(
    wanted: &Wanted,
    run: impl Fn(u64) -> Counts + Sync,
    replay: impl Fn(u64) -> String + Sync,
) -> Counts {
    let (first, count) = match *wanted {
        Wanted::One(number) => {
            log::set_logger(&Trace).expect("no other test logs");
            log::set_max_level(log::LevelFilter::Trace);
            return run(number);
        }
        Wanted::Range { first, count } => (first, count),
        Wanted::Endless { first } => (first, u64::MAX),
    };
    let begun = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let worker = || {
        let mut counts = Counts::none();
        while !failed.load(Ordering::Relaxed) {
            let job = begun.fetch_add(1, Ordering::Relaxed);
            if job >= count {
                break;
            }
            let number = first.wrapping_add(job);
            match catch_unwind(AssertUnwindSafe(|| run(number))) {
                Ok(more) => counts.add(&more),
                Err(_) => {
                    failed.store(true, Ordering::Relaxed);
                    eprintln!("to replay: {}", replay(number));
                }
            }
            if count == u64::MAX && job % BETWEEN_REPORTS == BETWEEN_REPORTS - 1 {
                println!("{} runs are done, the last from seed {number}", job + 1);
            }
        }
        counts
    };
    let mut counts = Counts::none();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = (0..threads).map(|_| scope.spawn(worker));
        for worker in workers.collect::<Vec<_>>() {
            counts.add(&worker.join().expect("a worker catches panics"));
        }
    });
    assert!(!failed.into_inner(), "a run failed, see above");
    counts
}

/// A logger that shows the server's log, without counting it as the server's memory.
struct Trace;

impl log::Log for Trace {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        opt_out(|| eprintln!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}
