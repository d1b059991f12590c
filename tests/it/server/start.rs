//! The second start of the program, which sets up its allocator, and the cases in which it must not
//! happen.

use crate::support::Server;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Source of a library that does, when it is loaded first, what the loader of glibc 2.39 and later does
/// to a program with capabilities.
const STRIPS: &str = r#"
#include <stdlib.h>
__attribute__((constructor)) static void strip(void) { unsetenv("GLIBC_TUNABLES"); }
"#;

fn variable(id: u32, name: &str) -> Option<String> {
    let all = fs::read(format!("/proc/{id}/environ")).ok()?;
    let all = String::from_utf8_lossy(&all).into_owned();
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    all.split('\0').find_map(value)
}

#[test]
fn the_program_starts_itself_again_once_and_keeps_its_name() {
    let server = Server::start(&[]);
    assert!(server.request("GET / HTTP/1.1").contains("200 OK"));
    if cfg!(target_env = "gnu") {
        assert!(variable(server.id(), "GLIBC_TUNABLES").is_some());
    }
    let name = fs::read_to_string(format!("/proc/{}/comm", server.id())).unwrap();
    assert_eq!(name, "calmd\n");
}

/// Waits for the line with the address that the server listens on.
fn listens(child: &mut Child, told: &Path) {
    let start = Instant::now();
    while !fs::read_to_string(told).unwrap().contains("http://") {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts the program. Returns true if it has started itself again.
fn start(program: &Path, directory: &Path, change: impl FnOnce(&mut Command)) -> bool {
    let told = directory.join("told");
    let output = fs::File::create(&told).unwrap();
    let mut command = Command::new(program);
    command
        .args(["--listen", "127.0.0.1:0", "."])
        .current_dir(directory)
        .env_remove("GLIBC_TUNABLES")
        .stdout(output)
        .stderr(Stdio::null());
    change(&mut command);
    let mut child = command.spawn().unwrap();
    listens(&mut child, &told);
    let id = child.id();
    let tunables = variable(id, "GLIBC_TUNABLES").is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    tunables
}

#[test]
fn a_loader_that_takes_the_variable_away_does_not_make_it_start_again_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let (source, library) = (
        directory.path().join("strip.c"),
        directory.path().join("strip.so"),
    );
    fs::write(&source, STRIPS).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    assert!(compiled.unwrap().success());
    let program = Path::new(env!("CARGO_BIN_EXE_calmd"));
    start(program, directory.path(), |command| {
        command.env("LD_PRELOAD", &library);
    });
}

#[test]
fn a_program_with_capabilities_does_not_start_itself_again() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("calmd");
    fs::copy(env!("CARGO_BIN_EXE_calmd"), &program).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let given = Command::new("setcap")
        .arg("cap_net_bind_service=+ep")
        .arg(&program)
        .status();
    if !given.is_ok_and(|status| status.success()) {
        eprintln!("not proven: this user, or this file system, gives no capabilities to a file");
        return;
    }
    // The program is given to a user that has no capabilities of its own.
    let started = start(&program, directory.path(), |command| {
        use std::os::unix::process::CommandExt;
        command.uid(65_534).gid(65_534);
    });
    assert!(!started, "it was started again");
}
