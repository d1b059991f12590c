//! calmd's protocol cores alone, and what measures them.
//!
//! The cores are compiled from their files rather than through the package: they need nothing of the
//! server, so neither TLS nor a command line has to be built to count instructions.

#[path = "../../../src/config.rs"]
pub mod config;
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

/// Runs what is to be measured, in a function that callgrind finds by its name.
#[inline(never)]
pub fn measured_part(part: &mut dyn FnMut()) {
    part();
}

/// Prints the name of a measurement, then takes it: callgrind's dumps come in the same order.
pub fn measure(name: &str, mut part: impl FnMut()) {
    println!("{name}");
    measured_part(&mut part);
}
