//! calmd's protocol cores alone, and the code that measures them.
//!
//! The cores are compiled from their files, not through the package. They need nothing of the server,
//! so neither TLS nor the command line has to be built to count instructions.

pub mod frames;
#[path = "../../../src/h1/mod.rs"]
pub mod h1;
#[path = "../../../src/h2/mod.rs"]
pub mod h2;
pub mod headers;
#[path = "../../../src/hpack/mod.rs"]
pub mod hpack;
#[path = "../../../src/http/mod.rs"]
pub mod http;

/// Runs the measured code in a function that callgrind finds by its name.
#[inline(never)]
pub fn measured_part(part: &mut dyn FnMut()) {
    part();
}

/// Prints the name of a measurement, then takes it. The dumps of callgrind come in the order of the
/// names.
pub fn measure(name: &str, mut part: impl FnMut()) {
    println!("{name}");
    measured_part(&mut part);
}
