//! Listening sockets that a service manager hands down.

use crate::support::PATIENCE;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// Hands down descriptors 3 and 4, which come as the standard input and output, as systemd does.
const HAND_DOWN: &str = "exec 3<&0 4>&1 </dev/null >told; LISTEN_PID=$$ exec \"$@\"";

/// A place with a site.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("index.html"), "<title>start</title>").unwrap();
    place
}

/// The program with two sockets handed down.
fn program(place: &Path, sockets: [OwnedFd; 2], names: &str, options: &[&str]) -> Command {
    let [first, second] = sockets;
    let mut command = Command::new("sh");
    command
        .args(["-c", HAND_DOWN, "sh", env!("CARGO_BIN_EXE_calmd"), "."])
        .args(options)
        .current_dir(place)
        .env_remove("CARGO_MANIFEST_DIR")
        .env("STATE_DIRECTORY", place.join("certs"))
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", names)
        .stdin(Stdio::from(first))
        .stdout(Stdio::from(second))
        .stderr(Stdio::piped());
    command
}

/// A running server, which ends with the test.
struct RunningProcess(Child);

impl RunningProcess {
    fn start(mut command: Command, place: &Path) -> (RunningProcess, String) {
        let told = place.join("told");
        let _ = fs::remove_file(&told);
        let mut running = RunningProcess(command.stderr(Stdio::null()).spawn().unwrap());
        let start = Instant::now();
        loop {
            let text = fs::read_to_string(&told).unwrap_or_default();
            if text.contains("://") {
                return (running, text);
            }
            assert!(running.0.try_wait().unwrap().is_none(), "it has ended");
            assert!(start.elapsed() < PATIENCE, "it does not start");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn stop(mut self) {
        let id = self.0.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(killed.success());
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

impl Drop for RunningProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tcp() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A connection that has sent its request, before anybody need have accepted it.
fn ask(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(REQUEST).unwrap();
    stream
}

fn answer(stream: &mut impl Read) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn inherited_sockets_replace_both_default_listeners_and_named_addresses_are_added() {
    let place = place();
    let ((clear, http), (secure, https)) = (tcp(), tcp());
    let command = program(
        place.path(),
        [clear.into(), secure.into()],
        "listen:listen-tls",
        &["--listen", "127.0.0.1:0"],
    );
    let (running, told) = RunningProcess::start(command, place.path());
    assert!(told.contains(&format!("  http://{http}\n")), "{told}");
    assert!(told.contains(&format!("  https://{https}\n")), "{told}");
    assert_eq!(told.matches("://").count(), 3, "{told}");
    assert!(answer(&mut ask(http)).starts_with("HTTP/1.1 200"));
    // In the clear to a TLS listener.
    assert!(!answer(&mut ask(https)).starts_with("HTTP/1.1 200"));
    running.stop();
}

#[test]
fn a_connection_that_comes_between_two_servers_is_answered_by_the_next() {
    let place = place();
    let ((first, address), (second, _)) = (tcp(), tcp());
    let command = || {
        let sockets = [
            OwnedFd::from(first.try_clone().unwrap()),
            second.try_clone().unwrap().into(),
        ];
        program(place.path(), sockets, "", &[])
    };
    for _ in 0..3 {
        let mut early = ask(address);
        let (running, _) = RunningProcess::start(command(), place.path());
        assert!(answer(&mut early).starts_with("HTTP/1.1 200"));
        assert!(answer(&mut ask(address)).starts_with("HTTP/1.1 200"));
        running.stop();
    }
}

#[test]
fn an_inherited_unix_socket_serves_and_keeps_its_name() {
    let place = place();
    let path = place.path().join("socket");
    let (tcp, _) = tcp();
    let sockets = [UnixListener::bind(&path).unwrap().into(), tcp.into()];
    let command = program(place.path(), sockets, "web:listen", &[]);
    let (running, _) = RunningProcess::start(command, place.path());
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(REQUEST).unwrap();
    assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    running.stop();
    assert!(path.exists(), "the name is not the server's");
}

/// The exit code and the message of a start that fails.
fn refused(second: OwnedFd, names: &str) -> (Option<i32>, String) {
    let place = place();
    let mut command = program(place.path(), [tcp().0.into(), second], names, &[]);
    let Output { status, stderr, .. } = command.spawn().unwrap().wait_with_output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_socket_that_does_not_listen_is_refused_by_its_descriptor_and_name() {
    let (_listener, address) = tcp();
    let connected = TcpStream::connect(address).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    for socket in [
        OwnedFd::from(UnixDatagram::unbound().unwrap()),
        connected.into(),
        file.into(),
    ] {
        let (code, message) = refused(socket, "listen:web");
        assert_eq!(code, Some(1), "{message}");
        let named = "cannot listen on the inherited descriptor 4, named 'web': ";
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn a_socket_named_admin_is_the_panels_and_leaves_the_site_its_listeners() {
    let place = place();
    let ((clear, http), (admin, panel)) = (tcp(), tcp());
    let sockets = [clear.into(), admin.into()];
    let command = program(place.path(), sockets, "listen:admin", &[]);
    let (running, told) = RunningProcess::start(command, place.path());
    assert!(
        told.contains(&format!("  http://{panel} (the panel)\n")),
        "{told}"
    );
    assert!(told.contains("?token="), "{told}");
    let site = answer(&mut ask(http));
    assert!(site.ends_with("<title>start</title>"), "{site}");
    let page = answer(&mut ask(panel));
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(!page.contains("<title>start</title>"), "{page}");
    running.stop();
}

#[test]
fn a_socket_named_admin_that_others_can_reach_is_refused() {
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let (code, message) = refused(everywhere.into(), "listen:admin");
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("'admin' listens on 0.0.0.0:"), "{message}");
}
