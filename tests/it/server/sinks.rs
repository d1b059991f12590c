//! Output that is not taken: full pipes, full disks, files that may not grow. None of it stops the
//! server or changes its end.

use crate::support::PATIENCE;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::pipe;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A pipe that takes no more.
fn full_pipe() -> (File, File) {
    let (reader, writer) = pipe().unwrap();
    let mut writer = File::from(writer);
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).unwrap();
    fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
    (File::from(reader), writer)
}

/// A server whose standard output is in the hands of the test, so that it cannot report its address.
struct Mute {
    child: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Mute {
    fn start(shell: &str, options: &[&str], output: Stdio, errors: Stdio) -> Mute {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("site")).unwrap();
        fs::write(directory.path().join("site/index.html"), "hello").unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let child = Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$@\""), "sh"])
            .args([env!("CARGO_BIN_EXE_calmd"), "site", "--listen"])
            .arg(address.to_string())
            .args(options)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap();
        Mute {
            child,
            address,
            directory,
        }
    }

    /// Sends a request once the server listens. It has to be answered.
    fn get(&self) {
        let start = Instant::now();
        loop {
            if let Ok(mut stream) = TcpStream::connect(self.address) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
                stream.write_all(request).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("an answer");
                assert!(answer.ends_with("hello"), "{answer}");
                return;
            }
            assert!(start.elapsed() < PATIENCE, "nobody listens");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(status.unwrap().success());
        std::thread::sleep(Duration::from_millis(50));
    }

    fn wait(&mut self) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(start.elapsed() < PATIENCE, "calmd does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn drain(reader: &mut File) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 64 << 10]);
    while let Ok(len @ 1..) = reader.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..len]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn standard_error_that_is_a_full_pipe_costs_lines_and_stops_nobody() {
    let (mut reader, writer) = full_pipe();
    let (_unread, full) = full_pipe();
    let mut server = Mute::start("", &[], full.into(), writer.into());
    for _ in 0..3 {
        server.get();
        server.signal("HUP");
        server.signal("USR1");
    }
    server.get();
    // From now on the pipe is read.
    drain(&mut reader);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    let told = drain(&mut reader);
    assert!(
        told.contains("dropped here, because their reader was too slow"),
        "{told}"
    );
    assert!(told.contains("stopping"), "{told}");
}

#[test]
fn standard_error_that_is_a_full_socket_costs_lines_and_stops_nobody() {
    let (_reader, mut writer) = std::os::unix::net::UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    let errors = std::os::fd::OwnedFd::from(writer);
    let mut server = Mute::start("", &[], Stdio::null(), errors.into());
    for _ in 0..3 {
        server.get();
        server.signal("HUP");
    }
    server.get();
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn an_error_is_an_exit_code_even_where_it_cannot_be_told() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (options, code) in [
        (["--no-such-option"], 2),
        (["/no/such/directory"], 1),
        (["--help"], 1),
    ] {
        let status = Command::new(env!("CARGO_BIN_EXE_calmd"))
            .args(options)
            .stdout(full())
            .stderr(full())
            .status();
        assert_eq!(status.unwrap().code(), Some(code), "{options:?}");
    }
}

#[test]
fn a_log_that_meets_the_limit_of_file_sizes_loses_lines_and_ends_nobody() {
    let (reader, writer) = pipe().unwrap();
    fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
    let options = ["--access-log", "access.log"];
    // A block is 512 bytes or 1,024, a line of the log 70.
    let mut server = Mute::start("ulimit -f 1;", &options, Stdio::null(), writer.into());
    for _ in 0..40 {
        server.get();
    }
    let log = server.directory.path().join("access.log");
    wait_for(&log, |len| len >= 512);
    server.get();
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    let told = drain(&mut File::from(reader));
    assert!(told.contains("lines lost: File too large"), "{told}");
}

fn wait_for(path: &Path, is_there: impl Fn(u64) -> bool) {
    let start = Instant::now();
    while !path.metadata().is_ok_and(|found| is_there(found.len())) {
        assert!(start.elapsed() < PATIENCE, "{path:?} does not grow");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn lines_for_a_file_that_others_write_to_do_not_overwrite_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("all");
    let file = File::create(&path).unwrap();
    let errors = file.try_clone().unwrap();
    let mut shared = file.try_clone().unwrap();
    writeln!(shared, "before").unwrap();
    let options = ["--access-log", "-"];
    let mut server = Mute::start("", &options, file.into(), errors.into());
    server.get();
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    writeln!(shared, "after").unwrap();
    let all = fs::read_to_string(path).unwrap();
    assert!(all.starts_with("before\n"), "{all}");
    assert!(all.contains("GET / HTTP/1.1"), "{all}");
    assert!(all.ends_with("\nafter\n"), "{all}");
}
