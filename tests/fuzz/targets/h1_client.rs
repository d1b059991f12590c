#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| calmd_fuzz::run("h1_client", input));
