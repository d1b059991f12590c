//! A file system that asks a process of ours about each name and at each opening, as a network's asks another machine:
//! it tells which process opens a file, and keeps it waiting for as long as the test likes.

use super::helper::{ask, is_silent, start, until};
use crate::support::Server;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

// Numbers of FUSE's calls, of its errors, and of its nodes (linux/fuse.h).
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
const MISSING: i32 = -2;
const UNKNOWN: i32 = -38;
const ROOT: u64 = 1;
const PAGE: u64 = 2;

/// The content of the only file, `page`.
const CONTENT: &[u8] = b"content";

/// Length of the head of a call, and of an answer.
const CALL: usize = 40;
const ANSWER: u32 = 16;

/// A file system that is mounted until this is dropped.
struct AskingFiles {
    at: PathBuf,
    state: Arc<Mutex<FilesState>>,
}

struct FilesState {
    device: File,
    /// Time for which the kernel need not ask about a name again, in seconds.
    validity: u64,
    /// Openings are not answered.
    holds: bool,
    /// Openings that wait for an answer.
    held: Vec<u64>,
    /// The processes that have opened the file.
    openers: Vec<u32>,
}

impl FilesState {
    fn answer(&mut self, call: u64, error: i32, body: &[u8]) {
        let mut answer = (ANSWER + body.len() as u32).to_le_bytes().to_vec();
        answer.extend(error.to_le_bytes());
        answer.extend(call.to_le_bytes());
        answer.extend(body);
        // The process may have gone.
        let _ = (&self.device).write_all(&answer);
    }

    fn take(&mut self, call: &[u8]) {
        let word = |at: usize| u32::from_le_bytes(call[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_le_bytes(call[at..at + 8].try_into().unwrap());
        let (kind, id, node) = (word(4), long(8), long(16));
        match kind {
            INIT => {
                let mut body = vec![0; 64];
                for (at, value) in [(0, 7_u32), (4, 31), (8, 1 << 16), (20, 1 << 16), (24, 1)] {
                    body[at..at + 4].copy_from_slice(&value.to_le_bytes());
                }
                body[16] = 12;
                body[18] = 10;
                self.answer(id, 0, &body);
            }
            LOOKUP if call[CALL..].starts_with(b"page\0") => {
                let validity = [PAGE, 0, self.validity, 0, 0];
                self.answer(id, 0, &[words(&validity), attributes(PAGE)].concat());
            }
            LOOKUP => self.answer(id, MISSING, &[]),
            GETATTR => self.answer(id, 0, &[words(&[0, 0]), attributes(node)].concat()),
            OPEN => {
                self.openers.push(word(32));
                if self.holds {
                    self.held.push(id);
                } else {
                    self.answer(id, 0, &words(&[0, 0]));
                }
            }
            OPENDIR => self.answer(id, 0, &words(&[0, 0])),
            READ => {
                let from = (long(CALL + 8) as usize).min(CONTENT.len());
                self.answer(id, 0, &CONTENT[from..]);
            }
            STATFS => self.answer(id, 0, &[0; 80]),
            RELEASE | FLUSH | RELEASEDIR => self.answer(id, 0, &[]),
            FORGET | BATCH_FORGET | INTERRUPT => {}
            _ => self.answer(id, UNKNOWN, &[]),
        }
    }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The attributes of a node, last changed long ago.
fn attributes(node: u64) -> Vec<u8> {
    let (mode, size) = match node {
        ROOT => (0o040_755_u64, 0),
        _ => (0o100_644, CONTENT.len() as u64),
    };
    let time = 1_700_000_000;
    let mut bytes = words(&[node, size, 0, time, time, time, 0]);
    // Nanoseconds, mode, links, user, group, device, size of blocks, flags.
    for word in [0_u32, mode as u32, 1, 0, 0, 0, 4096, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}

impl AskingFiles {
    /// Mounts it on a directory; `None` where that is not possible. Names are good for some seconds.
    fn mount(at: PathBuf, validity: u64) -> Option<AskingFiles> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let device = rustix::fs::open("/dev/fuse", flags, Mode::empty()).ok();
        let mounted = device.and_then(|device| {
            let mut command = Command::new("mount");
            let options = "fd=0,rootmode=40000,user_id=0,group_id=0,allow_other";
            command.args(["-i", "-t", "fuse", "-o", options, "calmd-test"]);
            let stdin = Stdio::from(device.try_clone().unwrap());
            let mount = command.arg(&at).stdin(stdin).stderr(Stdio::null());
            let is_mounted = mount.status().is_ok_and(|status| status.success());
            is_mounted.then(|| File::from(device))
        });
        let Some(device) = mounted else {
            eprintln!("not proved on this machine: it takes root and FUSE");
            return None;
        };
        let mut calls = device.try_clone().unwrap();
        let state = Arc::new(Mutex::new(FilesState {
            device,
            validity,
            holds: false,
            held: Vec::new(),
            openers: Vec::new(),
        }));
        let served = state.clone();
        thread::spawn(move || {
            let mut call = vec![0; 1 << 17];
            // It fails once the file system is gone.
            while let Ok(len) = calls.read(&mut call) {
                served.lock().unwrap().take(&call[..len]);
            }
        });
        Some(AskingFiles { at, state })
    }

    fn hold(&self) {
        self.state.lock().unwrap().holds = true;
    }

    /// Answers all openings.
    fn release(&self) {
        let mut state = self.state.lock().unwrap();
        state.holds = false;
        for call in std::mem::take(&mut state.held) {
            state.answer(call, 0, &words(&[0, 0]));
        }
    }

    fn openers(&self) -> Vec<u32> {
        self.state.lock().unwrap().openers.clone()
    }
}

impl Drop for AskingFiles {
    fn drop(&mut self) {
        self.release();
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

fn body_of(mut stream: std::net::TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// A server with a helper of a site with `here`, and with `slow/page` in the file system that asks.
fn slow_site() -> Option<(Server, u32, AskingFiles)> {
    let mut files = None;
    let (server, helper) = start(&[], |site| {
        fs::write(site.join("here"), "here").unwrap();
        fs::create_dir(site.join("slow")).unwrap();
        files = AskingFiles::mount(site.join("slow"), 0);
    });
    Some((server, helper, files?))
}

#[test]
fn a_file_whose_opening_waits_is_opened_by_the_helper_and_never_by_the_server() {
    let Some((server, helper, files)) = slow_site() else {
        return;
    };
    assert_eq!(body_of(ask(&server, "/here")), "here");
    files.hold();
    let mut waiting = ask(&server, "/slow/page");
    until("it is opened", || !files.openers().is_empty());
    assert!(is_silent(&mut waiting));
    assert_eq!(files.openers(), [helper]);
    assert_eq!(body_of(ask(&server, "/here")), "here");
    assert!(is_silent(&mut waiting));
    files.release();
    assert_eq!(body_of(waiting), "content");
    assert_eq!(files.openers(), [helper], "the server has opened nothing");
    assert!(!server.log().contains("would block"), "{}", server.log());
}

#[test]
fn a_root_that_asks_is_opened_by_the_helper_even_where_names_are_in_memory() {
    let mut files = None;
    let (server, helper) = start(&[], |site| {
        files = AskingFiles::mount(site.to_owned(), 3600);
    });
    let Some(files) = files else {
        return;
    };
    // The name is in memory from here on, so that opening it fails by no lack of it.
    fs::metadata(files.at.join("page")).unwrap();
    files.hold();
    let mut waiting = ask(&server, "/page");
    assert!(is_silent(&mut waiting));
    let answer = server.request("OPTIONS /page HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    files.release();
    assert_eq!(body_of(waiting), "content");
    assert_eq!(files.openers(), [helper]);
}

#[test]
fn the_file_for_a_client_that_has_gone_is_closed() {
    let Some((server, helper, files)) = slow_site() else {
        return;
    };
    let open = || {
        let fds = fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap();
        let targets = fds.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        targets
            .filter(|target| target.ends_with("slow/page"))
            .count()
    };
    assert_eq!(body_of(ask(&server, "/here")), "here");
    files.hold();
    let mut waiting = ask(&server, "/slow/page");
    until("it is opened", || !files.openers().is_empty());
    assert!(is_silent(&mut waiting));
    drop(waiting);
    // The server has heard of the end when it answers the next.
    assert_eq!(body_of(ask(&server, "/here")), "here");
    files.release();
    assert_eq!(body_of(ask(&server, "/slow/page")), "content");
    assert!(files.openers().iter().all(|opener| *opener == helper));
    until("nothing is left open", || open() == 0);
}
