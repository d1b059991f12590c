//! calmd's protocol cores alone, and the code that drives them with a fuzzer's input.
//!
//! The cores are compiled from their files, not through the package. They need nothing of the server,
//! and the fuzzer then counts the coverage of the cores alone. Only the record layer of TLS comes from
//! the package. `tests/it/fuzz_regressions.rs` compiles [`drive`] against the package.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz h2_server
//! ```

pub mod drive;
#[path = "../../../src/h1/mod.rs"]
pub mod h1;
#[path = "../../../src/h2/mod.rs"]
pub mod h2;
#[path = "../../../src/hpack/mod.rs"]
pub mod hpack;
#[path = "../../../src/http/mod.rs"]
pub mod http;
#[path = "../../it/raw_tls.rs"]
pub mod raw_tls;

/// Runs one target on an input.
pub fn run(target: &str, input: &[u8]) {
    let (_, drive) = drive::TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("a target of this name");
    drive(input);
}
