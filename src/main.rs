//! The command line of calmd.

fn main() {}
