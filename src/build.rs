//! Flags for linking the binary.

use std::env;
use std::fs;
use std::io;
use std::path::Path;

/// Names of functions, in the order in which they shall lie.
const ORDER: &str = "src/first.order";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=src/build.rs");
    println!("cargo:rerun-if-changed={ORDER}");
    let is = |variable: &str, value: &str| env::var(variable).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        // The table of relocations, which the loader goes through at each start and so brings into
        // memory, takes 7 KB in this form instead of 240 (DT_RELR; glibc 2.36, binutils 2.38).
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        // The linker mold takes no scripts.
        let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
        if is("PROFILE", "release") && !flags.contains("mold") {
            println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", order_script()?);
        }
    }
    Ok(())
}

/// Writes a script for the linker that lays the functions of a start, of first requests and of forwarded ones together,
/// before the rest, and returns its path. The kernel maps fifteen neighbours with each page of code that is needed, so
/// nearly all of the code would be in memory if these functions lay apart. A name that matches nothing does no harm.
/// The compiler gives functions that it takes for rarely called a section with a prefix of its own.
fn order_script() -> io::Result<String> {
    let mut script = String::from("SECTIONS {\n  .text.first : ALIGN(0x10000) {\n");
    for name in fs::read_to_string(ORDER)?
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        script += &format!("    *(.text.{name} .text.unlikely.{name})\n");
    }
    script += "  }\n}\nINSERT BEFORE .text;\n";
    let path = Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("first.ld");
    fs::write(&path, script)?;
    Ok(path.display().to_string())
}
