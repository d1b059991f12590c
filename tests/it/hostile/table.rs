//! The summary: a line for each attack.

use super::trial::{Outcome, describe};

/// Prints the names of the columns.
pub fn print_head() {
    println!(
        "{:<50} {:<14} {:<13} {:>6} {:>9} {:>7}   p99 (ratio) beside 1, 10, 100 attackers",
        "attack", "CVE", "answer", "frames", "KiB/conn.", "CPU/GET"
    );
}

/// Prints one attack: its answer, frames until closed, memory for a connection, CPU for a byte as a
/// multiple of that for a flood of GETs, and the good client's p99, in milliseconds and as a multiple
/// of that without attackers.
pub fn print(outcome: &Outcome<'_>) {
    let frames = outcome.answered.frames;
    let frames = frames.map_or("-".to_owned(), |frames| frames.to_string());
    let memory = outcome.rounds.iter().map(|round| {
        let grown = round.memory_peak.saturating_sub(round.memory_before);
        grown as f64 / round.attackers as f64
    });
    print!(
        "{:<50} {:<14} {:<13} {:>6} {:>9.1} {:>7.2}",
        outcome.attack.name,
        outcome.attack.cve,
        describe(outcome.attack.answer),
        frames,
        memory.fold(0.0, f64::max),
        outcome.cpu_ratio,
    );
    for attackers in [1, 10, 100] {
        match outcome.p99(attackers) {
            Some(p99) => {
                let ratio = p99.as_secs_f64() / outcome.calm.as_secs_f64();
                print!("   {:>6.2} ms ({ratio:.1})", p99.as_secs_f64() * 1e3);
            }
            None => print!("   -"),
        }
    }
    match outcome.tries {
        1 => println!(),
        tries => println!("   try {tries}"),
    }
}
