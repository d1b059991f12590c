//! A newer process that takes the listeners of the one that serves over, by `--control`.

use super::tls::{client_config, connect_with};
use crate::support::Server;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A place for sockets.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn control(&self) -> PathBuf {
        self.0.path().join("control")
    }

    fn option(&self) -> String {
        format!("unix:{}", self.control().display())
    }

    /// A process of this number, which tells it in every response.
    fn start(&self, number: u32, options: &[&str]) -> Server {
        let field = format!("process: {number}");
        let control = self.option();
        let mut all = vec!["--control", &control, "--header", &field];
        all.extend_from_slice(options);
        Server::with_site(&all, |site| {
            // More than socket buffers hold.
            fs::write(site.join("large"), vec![b'x'; LARGE]).unwrap();
        })
    }
}

const LARGE: usize = 30 << 20;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The number of the process that answers on this connection.
fn process(mut stream: impl Read + Write) -> u32 {
    stream.write_all(REQUEST).unwrap();
    answerer(stream)
}

/// The number of the process that answers a request that was sent.
fn answerer(mut stream: impl Read) -> u32 {
    let mut answer = Vec::new();
    // A reset behind the response is an end as well.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    let (_, rest) = answer.split_once("process: ").expect("its number");
    rest.split_once('\r').unwrap().0.parse().unwrap()
}

/// A connection that has asked.
fn ask(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(REQUEST).unwrap();
    stream
}

#[test]
fn a_newer_process_takes_over_and_the_older_one_finishes_what_is_open() {
    let place = Place::new();
    let socket = place.0.path().join("site.sock");
    let listener = format!("unix:{},mode=0660", socket.display());
    let mut old = place.start(1, &["--listen", &listener]);
    let mut download = old.connect();
    download
        .write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut begun = [0; 1000];
    download.read_exact(&mut begun).unwrap();
    assert_eq!(process(old.connect()), 1);

    let mut new = place.start(2, &["--listen", &listener]);
    assert_eq!((new.http, new.https), (old.http, old.https));
    old.logged("a newer process serves");
    for _ in 0..20 {
        assert_eq!(process(new.connect()), 2);
    }
    let tls = connect_with(&new, client_config(&new, &["http/1.1"]));
    assert_eq!(process(tls), 2);
    assert_eq!(process(UnixStream::connect(&socket).unwrap()), 2);
    assert_eq!(
        socket.metadata().unwrap().permissions().mode() & 0o777,
        0o660
    );

    let mut rest = Vec::new();
    download.read_to_end(&mut rest).unwrap();
    assert!(begun.len() + rest.len() > LARGE, "{} bytes", rest.len());
    assert_eq!(old.wait(), 0);
    assert!(socket.exists(), "the name is the newer process's");
    new.signal("TERM");
    assert_eq!(new.wait(), 0);
    assert!(!socket.exists() && !place.control().exists());
}

#[test]
fn connections_that_wait_are_answered_by_the_newer_process() {
    let place = Place::new();
    let mut server = place.start(0, &[]);
    for number in 1..4 {
        let new = place.start(number, &[]);
        // It has been told to go, and sees it when it runs again.
        assert_eq!(server.wait(), 0);
        // The kernel connects clients, and nobody accepts them.
        new.signal("STOP");
        let early: Vec<TcpStream> = (0..50).map(|_| ask(&new)).collect();
        new.signal("CONT");
        for stream in early {
            assert_eq!(answerer(stream), number);
        }
        server = new;
    }
}

#[test]
fn a_newer_process_that_ends_before_it_serves_leaves_the_older_one_as_it_is() {
    let place = Place::new();
    let mut old = place.start(1, &[]);
    // As a new process does, as far as that it serves.
    let asker = asker(&place.control());
    send(&asker, QUESTION, SendFlags::empty()).unwrap();
    let mut answer = [0; 4096];
    let (len, _) = recv(&asker, &mut answer[..], RecvFlags::empty()).unwrap();
    let answer = String::from_utf8(answer[..len].to_vec()).unwrap();
    let first = answer.lines().nth(1).unwrap().to_owned();
    assert_eq!(first, format!("127.0.0.1:0\t{}", old.http), "{answer}");
    assert_eq!(process(old.connect()), 1);
    drop(asker);
    old.logged("does not serve: this one goes on");
    assert_eq!(process(old.connect()), 1);
    let mut new = place.start(2, &[]);
    assert_eq!(old.wait(), 0);
    assert_eq!(process(new.connect()), 2);
    new.signal("TERM");
    assert_eq!(new.wait(), 0);
}

const QUESTION: &[u8] = b"calmd 1: listeners?";

/// A connection to a control socket.
fn asker(path: &Path) -> OwnedFd {
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    socket
}

/// The exit code and the message of a newer process that does not start.
fn fails(place: &Place, user: Option<u32>, options: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calmd"));
    if let Some(user) = user {
        command.uid(user);
    }
    let Output { status, stderr, .. } = command
        .arg(place.0.path())
        .args(["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"])
        .args(["--control", &place.option()])
        .args(options)
        .env_remove("CARGO_MANIFEST_DIR")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_newer_process_with_wrong_settings_leaves_the_older_one_as_it_is() {
    let place = Place::new();
    let mut old = place.start(1, &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let missing = place.0.path().join("missing");
    let missing = missing.to_str().unwrap();
    for (options, code) in [
        (&["--idle-timeout", "soon"][..], 2),
        (&["--cert", missing, "--key", missing][..], 1),
        // These have the listeners already when they fail.
        (&["--listen", &taken][..], 1),
        (&["--sandbox-read", missing][..], 1),
    ] {
        let (found, message) = fails(&place, None, options);
        assert_eq!(found, Some(code), "{options:?}: {message}");
        assert_eq!(process(old.connect()), 1, "after {options:?}");
    }
    old.logged("does not serve: this one goes on");
    let new = place.start(2, &[]);
    assert_eq!(old.wait(), 0);
    assert_eq!(process(new.connect()), 2);
}

#[test]
fn a_process_that_asks_later_takes_the_place_of_an_earlier_one() {
    let place = Place::new();
    let old = place.start(1, &[]);
    let earlier = asker(&place.control());
    send(&earlier, QUESTION, SendFlags::empty()).unwrap();
    let mut words = [0; 4096];
    recv(&earlier, &mut words[..], RecvFlags::empty()).unwrap();
    let _new = place.start(2, &[]);
    old.logged("a newer process serves");
    let (len, _) = recv(&earlier, &mut words[..], RecvFlags::empty()).unwrap();
    assert_eq!(&words[..len], b"calmd 1: replaced");
}

#[test]
fn a_server_that_dials_hands_over_as_well() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let rule = format!("/up=http://{}", taken.local_addr().unwrap());
    drop(taken);
    let mut old = place.start(1, &["--proxy", &rule]);
    let ask = "GET /up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = old.request(ask);
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    let new = place.start(2, &[]);
    assert_eq!(old.wait(), 0);
    assert_eq!(process(new.connect()), 2);
}

#[test]
fn words_that_mean_nothing_and_crashed_processes_do_no_harm() {
    let place = Place::new();
    let mut old = place.start(1, &[]);
    for words in [&b"x"[..], b"calmd 2: listeners?", &[b'x'; 5000], b""] {
        let asker = asker(&place.control());
        let _ = send(&asker, words, SendFlags::empty());
        let mut answer = [0; 100];
        let (len, _) = recv(&asker, &mut answer[..], RecvFlags::empty()).unwrap();
        assert_eq!(len, 0, "it is closed");
    }
    assert_eq!(process(old.connect()), 1);
    old.signal("KILL");
    old.wait();
    assert!(place.control().metadata().unwrap().file_type().is_socket());
    let new = place.start(2, &[]);
    assert_eq!(process(new.connect()), 2);
}

#[test]
fn the_control_socket_is_for_the_user_of_the_server_alone() {
    let place = Place::new();
    let _old = place.start(1, &[]);
    let control = place.control();
    let mode = control.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, message) = fails(&place, Some(65534), &[]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("Permission denied"), "{message}");
    fs::set_permissions(&control, fs::Permissions::from_mode(0o666)).unwrap();
    let (code, message) = fails(&place, Some(65534), &[]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("is of the user 0"), "{message}");
}

#[test]
fn a_process_that_does_not_answer_is_told_of() {
    let place = Place::new();
    let old = place.start(1, &[]);
    old.signal("STOP");
    let (code, message) = fails(&place, None, &[]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("does not answer"), "{message}");
    old.signal("CONT");
    assert_eq!(process(old.connect()), 1);
}
