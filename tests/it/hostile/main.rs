//! Hostile input against the running server: each row of the catalogue of attacks, with a measurement
//! of its effect on other clients.
//!
//! ```text
//! cargo test --test hostile                        every row for less than a second, ten attackers
//! cargo test --test hostile -- rapid               the rows with this in their name
//! cargo test --release --test hostile -- --full    1, 10 and 100 attackers, a second each
//! ```
//!
//! Either prints the table: attack, answer, frames until closed, memory for a connection, CPU for a
//! byte in that of a flood of GETs, the good client's p99. The measurements need the machine for
//! themselves, so this test is a program of its own, which cargo runs after the other tests, and its
//! rows run one after the other.
//!
//! An attack is a value in `rows`. `script` holds the bytes of its connections, `attacker` sends them,
//! `good_client` must not suffer, `battle` lets them meet, `probe` examines the answers to one
//! connection, and `trial` judges. Attacks that are no floods are in `slow` (connections that only
//! wait) and `checks` (rows that take more than a script).

#[path = "../h1/malformed.rs"]
mod malformed;
#[path = "../raw_h2.rs"]
#[expect(dead_code, reason = "other tests need the rest")]
mod raw_h2;
#[path = "../support.rs"]
#[expect(dead_code, reason = "other tests need the rest")]
mod support;

mod answers;
mod attack;
mod attacker;
mod battle;
mod checks;
mod good_client;
mod heard;
mod link;
mod probe;
mod process;
mod rows;
mod script;
mod site;
mod slow;
mod table;
mod trial;

use attack::Attack;
use std::process::ExitCode;
use std::time::Duration;
use trial::{Bench, Extent};

/// Extent of a quick run: every row, briefly.
const QUICK: Extent = Extent {
    rounds: &[10, 10, 10],
    length: Duration::from_millis(150),
};

/// Extent of a full run: every row, as the catalogue demands.
const FULL: Extent = Extent {
    rounds: &[10, 10, 10, 1, 100],
    length: Duration::from_secs(1),
};

/// Options of other test programs that are followed by a value.
const WITH_VALUE: [&str; 5] = [
    "--test-threads",
    "--skip",
    "--format",
    "--color",
    "--logfile",
];

/// Request of the command line.
#[derive(Default)]
struct Wanted {
    full: bool,
    nothing: bool,
    words: Vec<String>,
}

impl Wanted {
    /// Reads the arguments. A word selects rows, as in other test programs. `cargo test` gives all test
    /// programs its options, most of which have no meaning here. No test is marked as ignored.
    fn read(mut arguments: impl Iterator<Item = String>) -> Wanted {
        let mut wanted = Wanted::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--full" => wanted.full = true,
                "--ignored" => wanted.nothing = true,
                option if WITH_VALUE.contains(&option) => drop(arguments.next()),
                option if option.starts_with('-') => {}
                word => wanted.words.push(word.to_lowercase()),
            }
        }
        wanted
    }

    fn includes(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let named = self.words.iter().any(|word| name.contains(word));
        !self.nothing && (named || self.words.is_empty())
    }
}

fn main() -> ExitCode {
    let wanted = Wanted::read(std::env::args().skip(1));
    let full = wanted.full;
    let is_wanted = |name: &str| wanted.includes(name);
    let waiting = is_wanted(slow::NAME).then(|| std::thread::spawn(move || slow::run(full)));
    let mut bench = Bench::new(if full { FULL } else { QUICK });
    let again = run_attacks(&mut bench, is_wanted);
    let mut failed = run_checks(is_wanted, full);
    if let Some(waiting) = waiting {
        let kinds = waiting.join().expect("they wait");
        println!("\n{}", slow::NAME);
        for (line, fault) in kinds {
            println!("{line}");
            failed += print_fault(fault);
        }
    }
    failed += run_attacks_again(&mut bench, again);
    println!("\n{failed} faults");
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Tries the rows. Returns those that have faults, which are tried again behind all others: what disturbs the machine
/// often does so for some seconds, in which all tries of a row fall.
fn run_attacks(bench: &mut Bench, is_wanted: impl Fn(&str) -> bool) -> Vec<&'static Attack> {
    let mut attacks = rows::all()
        .filter(|attack| is_wanted(attack.name))
        .peekable();
    if attacks.peek().is_some() {
        table::print_head();
    }
    let mut again = Vec::new();
    for attack in attacks {
        let outcome = bench.run(attack);
        table::print(&outcome);
        for fault in &outcome.faults {
            println!("    to be tried again: {fault}");
        }
        if !outcome.faults.is_empty() {
            again.push(attack);
        }
    }
    again
}

/// Tries rows for the last time. Returns the number of their faults.
fn run_attacks_again(bench: &mut Bench, attacks: Vec<&Attack>) -> usize {
    let mut failed = 0;
    for attack in attacks {
        bench.forget();
        let outcome = bench.run(attack);
        table::print(&outcome);
        let faults = outcome.faults.into_iter();
        failed += faults.map(|fault| print_fault(Some(fault))).sum::<usize>();
    }
    failed
}

fn run_checks(is_wanted: impl Fn(&str) -> bool, full: bool) -> usize {
    let mut failed = 0;
    println!();
    for check in checks::all().filter(|check| is_wanted(check.name)) {
        println!("{}", check.name);
        failed += print_fault((check.run)(full).err());
    }
    failed
}

/// Prints a fault. Returns the number of faults, 0 or 1.
fn print_fault(fault: Option<String>) -> usize {
    fault.map_or(0, |fault| {
        println!("    FAILED: {fault}");
        1
    })
}
