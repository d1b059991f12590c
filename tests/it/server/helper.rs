//! The helper process of a running server.

use crate::support::{PATIENCE, Server};
use rustix::fs::{Advice, Mode, OFlags, ResolveFlags, fadvise, openat2};
use rustix::io::Errno;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_128;

/// A server with a helper, and the helper's process id.
pub fn start(options: &[&str], prepare: impl FnOnce(&Path)) -> (Server, u32) {
    let options = [&["--helper", "on"], options].concat();
    let server = Server::with_site(&options, prepare);
    let line = server.logged("the helper process");
    let words = line.split_once("process ").unwrap().1;
    let id = words.split_once(' ').unwrap().0.parse().unwrap();
    (server, id)
}

/// A field of a file such as `/proc/PID/status`; none once the process has gone or is a zombie.
fn field(id: u32, file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{id}/{file}")).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}

fn is_alive(id: u32) -> bool {
    field(id, "status", "State").is_some_and(|state| !state.starts_with('Z'))
}

pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn signal(id: u32, name: &str) {
    let mut kill = Command::new("kill");
    let status = kill.args([&format!("-{name}"), &id.to_string()]).status();
    assert!(status.unwrap().success());
}

/// Number of bytes that a process has read.
fn bytes_read(id: u32) -> u64 {
    field(id, "io", "rchar").unwrap().parse().unwrap()
}

/// Content that differs everywhere.
fn content(len: usize) -> Vec<u8> {
    (0..len as u32 / 4)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

/// Writes a file to the disk, so that its pages can be dropped.
fn write(path: &Path, content: &[u8]) -> fs::File {
    fs::write(path, content).unwrap();
    let file = fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    file
}

/// Runs `act` while the pages of a file are dropped again and again.
fn evicted<T>(file: &fs::File, act: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    let evict = || fadvise(file, 0, None, Advice::DontNeed).unwrap();
    evict();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                evict();
                thread::sleep(Duration::from_millis(5));
            }
        });
        let done = act();
        stop.store(true, Ordering::Relaxed);
        done
    })
}

/// Asks for a file on a connection of its own.
pub fn ask(server: &Server, path: &str) -> TcpStream {
    let mut stream = server.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// The content behind the head of an answer.
fn body(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    &answer[end.expect("a head") + 4..]
}

#[test]
fn files_that_only_the_disk_has_are_brought_by_the_helper() {
    let content = content(16 << 20);
    let mut file = None;
    let (server, helper) = start(&[], |site| {
        file = Some(write(&site.join("cold"), &content));
    });
    let before = bytes_read(helper);
    let mut answer = Vec::new();
    evicted(&file.unwrap(), || {
        ask(&server, "/cold").read_to_end(&mut answer).unwrap();
    });
    assert!(body(&answer) == content, "{} bytes", answer.len());
    let brought = bytes_read(helper) - before;
    assert!(brought >= 256 << 10, "the helper has read {brought} bytes");
}

#[test]
fn the_helper_hashes_files_of_several_pieces_for_their_tags() {
    let content = content(3 << 20);
    let (server, helper) = start(&["--etag", "content"], |site| {
        write(&site.join("large"), &content);
    });
    let strong = format!("etag: \"{:032x}\"", xxh3_128(&content));
    let mut heads = Vec::new();
    // The first requests come before the file's stamps have settled.
    until("the tag gets strong", || {
        heads.push(server.request("HEAD /large HTTP/1.1"));
        heads.last().unwrap().contains(&strong)
    });
    assert!(heads[0].contains("etag: W/"), "{}", heads[0]);
    assert!(bytes_read(helper) >= content.len() as u64);
}

#[test]
fn a_helper_that_is_killed_in_the_middle_of_a_download_is_told_once_and_missed_by_nobody() {
    let content = content(16 << 20);
    let mut file = None;
    let (mut server, helper) = start(&[], |site| {
        file = Some(write(&site.join("cold"), &content));
    });
    let file = file.unwrap();
    let answers = evicted(&file, || {
        let mut first = ask(&server, "/cold");
        let mut answer = vec![0; 100_000];
        first.read_exact(&mut answer).unwrap();
        signal(helper, "KILL");
        first.read_to_end(&mut answer).unwrap();
        let mut next = Vec::new();
        ask(&server, "/cold").read_to_end(&mut next).unwrap();
        [answer, next]
    });
    for answer in answers {
        assert!(body(&answer) == content, "{} bytes", answer.len());
    }
    server.logged(&format!("the helper process {helper} has ended"));
    assert_eq!(server.log().matches("has ended").count(), 1);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

/// True if the kernel tells that a name has to be looked up on a disk.
fn tells_cold_names() -> bool {
    let directory = tempfile::tempdir().unwrap();
    let root = fs::File::open(directory.path()).unwrap();
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let cold = openat2(&root, "none", flags, Mode::empty(), ResolveFlags::CACHED);
    let tells = cold.is_err_and(|errno| errno == Errno::AGAIN);
    if !tells {
        eprintln!("not proved on this machine: its kernel does not know RESOLVE_CACHED");
    }
    tells
}

/// True if nothing has come on a connection for a while.
pub fn is_silent(stream: &mut TcpStream) -> bool {
    let timeout = |time| stream.set_read_timeout(time).unwrap();
    timeout(Some(Duration::from_millis(300)));
    let peeked = stream.peek(&mut [0]);
    timeout(Some(PATIENCE));
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn names_that_only_the_disk_has_are_opened_by_the_helper_while_others_are_served() {
    if !tells_cold_names() {
        return;
    }
    let (server, helper) = start(&[], |site| {
        fs::write(site.join("page"), "content").unwrap();
    });
    let answer = server.request("GET /page HTTP/1.1");
    assert!(answer.ends_with("content"), "{answer}");
    signal(helper, "STOP");
    let mut waiting = ask(&server, "/none");
    assert!(is_silent(&mut waiting));
    let answer = server.request("GET /page HTTP/1.1");
    assert!(answer.ends_with("content"), "{answer}");
    assert!(is_silent(&mut waiting));
    signal(helper, "CONT");
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(is_alive(helper));
}

#[test]
fn names_that_a_helper_was_killed_over_are_looked_up_without_it() {
    if !tells_cold_names() {
        return;
    }
    let (server, helper) = start(&[], |_| {});
    signal(helper, "STOP");
    let mut waiting: Vec<_> = (0..100)
        .map(|number| ask(&server, &format!("/none{number}")))
        .collect();
    assert!(is_silent(&mut waiting[0]));
    signal(helper, "KILL");
    for mut stream in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    server.logged(&format!("the helper process {helper} has ended"));
    let answer = server.request("GET /other HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[test]
fn the_helper_is_shut_in_and_holds_nothing_of_the_server() {
    let (server, helper) = start(&[], |_| {});
    for (name, value) in [
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Threads", "1"),
        ("CapEff", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("Name", "calmd-helper"),
        ("PPid", &server.id().to_string()),
    ] {
        assert_eq!(field(helper, "status", name).as_deref(), Some(value));
    }
    let open = fs::read_dir(format!("/proc/{helper}/fd")).unwrap();
    for number in open.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        let target = |id: u32| fs::read_link(format!("/proc/{id}/fd/{number}")).ok();
        let is_inherited_by_all = target(std::process::id()) == target(helper);
        let is_own = ["0", "1", "2"].contains(&number.as_str());
        assert!(
            is_own || is_inherited_by_all,
            "{number}: {:?}",
            target(helper)
        );
    }
    assert_eq!(fs::read(format!("/proc/{helper}/environ")).unwrap(), b"");
}

#[test]
fn signals_for_the_server_do_not_end_the_helper_and_its_end_does() {
    for end in ["TERM", "KILL"] {
        let (mut server, helper) = start(&[], |_| {});
        for name in ["TERM", "INT", "HUP", "USR1", "USR2"] {
            signal(helper, name);
        }
        server.signal("HUP");
        server.logged("the certificate was read again");
        assert!(is_alive(helper));
        server.signal(end);
        server.wait();
        until("the helper ends", || !is_alive(helper));
        assert!(!server.log().contains("has ended"), "{}", server.log());
    }
}

#[test]
fn responses_that_are_open_at_the_end_still_have_the_helper() {
    let content = content(8 << 20);
    let mut file = None;
    let (mut server, helper) = start(&[], |site| {
        file = Some(write(&site.join("cold"), &content));
    });
    let answer = evicted(&file.unwrap(), || {
        let mut stream = ask(&server, "/cold");
        let mut answer = vec![0; 100_000];
        stream.read_exact(&mut answer).unwrap();
        // As a terminal or a service manager sends it to the group.
        signal(helper, "TERM");
        server.signal("TERM");
        server.logged("stopping");
        assert!(is_alive(helper));
        stream.read_to_end(&mut answer).unwrap();
        answer
    });
    assert!(body(&answer) == content, "{} bytes", answer.len());
    assert_eq!(server.wait(), 0);
    until("the helper ends", || !is_alive(helper));
}

#[test]
fn the_helper_is_the_user_that_the_server_becomes() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not proved on this machine: it takes root to become somebody else");
        return;
    }
    let (server, helper) = start(&["--user", "65534:65533"], |_| {});
    for (name, value) in [
        ("Uid", "65534\t65534\t65534\t65534"),
        ("Gid", "65533\t65533\t65533\t65533"),
        ("Groups", ""),
        ("CapPrm", "0000000000000000"),
    ] {
        assert_eq!(field(helper, "status", name).as_deref(), Some(value));
    }
    let answer = server.request("GET / HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn without_the_option_there_is_no_helper_and_no_descriptor_for_one() {
    let open = |server: &Server| {
        let fds = fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap();
        fds.count()
    };
    let children = |server: &Server| {
        let path = format!("/proc/{0}/task/{0}/children", server.id());
        fs::read_to_string(path).unwrap()
    };
    let without = Server::start(&[]);
    let (with, helper) = start(&[], |_| {});
    assert_eq!(children(&without).trim(), "");
    assert_eq!(children(&with).trim(), helper.to_string());
    // A server that has just started closes what it was started with.
    until("the socket is the only one more", || {
        open(&with) == open(&without) + 1
    });
}

#[test]
fn the_helpers_name_is_for_servers_to_use() {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(env!("CARGO_BIN_EXE_calmd"));
    let output = command.arg0("calmd-helper").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("start the server by another name"), "{text}");
}
