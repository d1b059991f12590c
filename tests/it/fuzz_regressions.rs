//! Regression tests of the fuzzer: every file in `tests/fuzz/regressions/TARGET` is run through the
//! driver of its target.

use std::fs;
use std::path::Path;

// The driver uses the cores from the module around it; see tests/fuzz/src/lib.rs.
use crate::raw_tls;
use calmd::{h1, h2, hpack, http};

#[path = "../fuzz/src/drive/mod.rs"]
mod drive;

fn regressions(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/regressions");
    let Ok(entries) = fs::read_dir(directory.join(target)) else {
        return Vec::new();
    };
    let read = |path: &Path| (path.display().to_string(), fs::read(path).expect("a file"));
    entries
        .map(|entry| read(&entry.expect("an entry").path()))
        .collect()
}

#[test]
fn every_regression_of_the_fuzzer_stays_fixed() {
    for (target, run) in drive::TARGETS {
        for (path, input) in regressions(target) {
            println!("{path}");
            run(&input);
        }
    }
}

#[test]
fn every_directory_of_regressions_is_a_target() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/regressions");
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let name = entry.expect("an entry").file_name();
        let known = drive::TARGETS.iter().any(|(target, _)| name == **target);
        assert!(known, "{} is no target", name.display());
    }
}

/// Runs the drivers on inputs of every kind of byte: the first inputs of a fuzzer, in every test run.
#[test]
fn targets_take_simple_inputs() {
    for (_, run) in drive::TARGETS {
        run(&[]);
        for byte in 0..=255 {
            run(&[byte]);
            run(&[0, byte, 1, byte, 0, 1, byte]);
            run(&[byte; 64]);
        }
    }
}
