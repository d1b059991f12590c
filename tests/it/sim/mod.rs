//! The whole server in a simulated world: the real event loop, protocols and site, over a virtual
//! clock, a network with faults, and good and bad clients, all from one seed.
//!
//! A run checks that every good client got every byte that it asked for and nothing else; that the
//! server forgets all connections in time, closes its files, and holds no more memory than stated; that
//! it neither spins nor sleeps while it has work. Over all seeds each kind of fault must have struck.
//!
//! `cargo test --test it sim::` runs seeds for about a minute. A seed that fails prints the command
//! that replays it, with the server's log. Environment variables choose other runs:
//!
//! | Variable | Choice of runs |
//! |---|---|
//! | `CALMD_SIM_SEEDS=N` | N seeds |
//! | `CALMD_SIM_FROM=N` | seeds from N on |
//! | `CALMD_SIM_ENDLESS=1` | seeds until the process is ended, other ones each time: for the nights (with `--release --nocapture`) |
//! | `CALMD_SIM_SEED=N` | seed N alone |
//! | `CALMD_SIM_CASE=N` | case N alone, of the faults one by one |
//!
//! The parts: `run` is a run and its checks; `world` and `files` implement the traits that the server
//! stands on; `late` is a handler that answers late; `network` holds the connections, `clients` their other ends, `outside` all of that
//! together with the time; `faults` decides about faults; `dialled` and
//! `fetch` are the product's own client; `harness` does many runs. `upstreams` is a small world by itself, for the reverse
//! proxy.

mod clients;
mod dialled;
mod faults;
mod fetch;
mod files;
mod harness;
mod identity;
mod late;
mod network;
mod outside;
mod reloads;
mod rng;
mod run;
mod upstreams;
mod world;

use faults::{Fault, Faults};
use harness::Wanted;
use identity::Identity;
use rng::Rng;
use run::{Report, Scenario};

/// Number of runs in which every kind of fault strikes. Of twenty times 500 runs, five had none of the rarest.
const ENOUGH: u64 = 1_000;

/// Numbers of the server's listeners.
const CLEARTEXT: usize = 0;
const TLS: usize = 1;

fn run_seed(seed: u64, identity: &Identity) -> Report {
    let mut rng = Rng::new(seed);
    let faults = Faults::by_chance(rng.fork());
    run::run(Scenario::Anything, faults, rng, identity)
}

#[test]
fn good_clients_get_every_byte_whatever_the_world_and_the_others_do() {
    let identity = Identity::new();
    let wanted = Wanted::seeds();
    let counts = harness::run_all(
        &wanted,
        |seed| run_seed(seed, &identity).counts,
        |seed| format!("CALMD_SIM_SEED={seed} cargo test --test it sim::good"),
    );
    if let Wanted::Range {
        count: ENOUGH.., ..
    } = wanted
    {
        for &fault in Fault::ALL {
            let struck = counts.of(fault) > 0;
            assert!(struck, "{fault:?} never struck");
        }
    }
}

#[test]
fn calmd_get_gets_every_byte_or_an_error_that_a_fault_explains() {
    let identity = Identity::new();
    let wanted = Wanted::seeds();
    harness::run_all(
        &wanted,
        |seed| {
            let mut rng = Rng::new(seed);
            let faults = Faults::by_chance(rng.fork());
            fetch::fetch(faults, rng, &identity).counts
        },
        |seed| format!("CALMD_SIM_SEED={seed} cargo test --test it sim::calmd"),
    );
}

#[test]
fn each_call_fails_in_turn_and_harms_nobody_for_good() {
    const SEED: u64 = 2;
    let identity = Identity::new();
    let calm = run::run(Scenario::Plain, Faults::never(), Rng::new(SEED), &identity);
    let opportunities = |fault| (0..calm.opportunities[fault as usize]).map(move |at| (fault, at));
    let cases = Fault::calls().flat_map(opportunities).collect::<Vec<_>>();
    let wanted = match harness::number("CALMD_SIM_CASE") {
        Some(case) => Wanted::One(case),
        None => Wanted::Range {
            first: 0,
            count: cases.len() as u64,
        },
    };
    let counts = harness::run_all(
        &wanted,
        |case| {
            let (fault, opportunity) = cases[case as usize];
            let faults = Faults::once(fault, opportunity);
            run::run(Scenario::Plain, faults, Rng::new(SEED), &identity).counts
        },
        |case| {
            let (fault, _) = cases[case as usize];
            format!("CALMD_SIM_CASE={case} cargo test --test it sim::each  # {fault:?}")
        },
    );
    if let Wanted::Range { .. } = wanted {
        for fault in Fault::calls() {
            assert!(counts.of(fault) > 0, "{fault:?} did not happen");
        }
    }
}

#[test]
fn a_seed_repeats_its_run() {
    let identity = Identity::new();
    for seed in 0..20 {
        let first = run_seed(seed, &identity);
        assert_eq!(run_seed(seed, &identity), first, "seed {seed}");
    }
}
