//! The library alone: what it depends on, and that it builds for every target at hand.

use std::path::Path;
use std::process::{Command, Output};

/// Runs cargo on this package, with the library alone.
fn cargo(arguments: &[&str]) -> Output {
    let cargo = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--no-default-features", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    cargo.expect("cargo, which has built this test")
}

#[test]
fn the_library_alone_depends_on_three_small_crates_that_depend_on_nothing() {
    let tree = cargo(&[
        "tree",
        "--edges",
        "normal,build",
        "--prefix",
        "depth",
        "--target",
        "all",
    ]);
    let text = String::from_utf8_lossy(&tree.stdout);
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(
        names,
        ["0calmd", "1httparse", "1httpdate", "1slab"],
        "{text}"
    );
}

/// Targets whose standard library is installed beside the compiler.
fn targets() -> Vec<String> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = String::from_utf8(sysroot.expect("the compiler").stdout).expect("a path");
    let directory = Path::new(sysroot.trim()).join("lib/rustlib");
    let entries = std::fs::read_dir(directory).expect("the compiler's libraries");
    let names = entries.filter_map(|entry| {
        let entry = entry.expect("an entry");
        let has_library = entry.path().join("lib").is_dir();
        has_library.then(|| entry.file_name().to_string_lossy().into_owned())
    });
    names.collect()
}

#[test]
fn the_library_alone_builds_for_every_target_that_is_installed() {
    let targets = targets();
    assert!(!targets.is_empty(), "the one that this test was built for");
    for target in targets {
        // A directory of its own: the build that runs this test holds the other one.
        let directory = format!("--target-dir={}/features", env!("CARGO_TARGET_TMPDIR"));
        let check = cargo(&["check", "--quiet", "--lib", &directory, "--target", &target]);
        let told = String::from_utf8_lossy(&check.stderr);
        assert!(
            check.status.success() && told.is_empty(),
            "{target}: {told}"
        );
    }
}
