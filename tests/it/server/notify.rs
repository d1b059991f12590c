//! Messages to a service manager, which the test is.

use crate::support::{PATIENCE, Server};
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use tempfile::TempDir;

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    name: String,
    _place: TempDir,
}

impl Manager {
    fn at_path() -> Manager {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("notify");
        Manager::new(
            UnixDatagram::bind(&path).unwrap(),
            path.to_str().unwrap().to_owned(),
            place,
        )
    }

    fn abstract_one() -> Manager {
        let place = tempfile::tempdir().unwrap();
        let name = format!("calmd-test{}", place.path().display());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Manager::new(socket, format!("@{name}"), place)
    }

    fn new(socket: UnixDatagram, name: String, place: TempDir) -> Manager {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager {
            socket,
            name,
            _place: place,
        }
    }

    /// The next message, which comes within this time or not at all.
    fn within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut buffer = [0; 1024];
        match self.socket.recv(&mut buffer) {
            Ok(len) => Some(String::from_utf8(buffer[..len].to_vec()).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message that begins like this, behind messages of these other kinds.
    fn expect(&self, beginning: &str, others: &[&str]) -> String {
        loop {
            let message = self.within(PATIENCE).expect(beginning);
            if message.starts_with(beginning) {
                return message;
            }
            let is_other = others.iter().any(|other| message.starts_with(other));
            assert!(is_other, "{message:?} instead of {beginning}");
        }
    }
}

/// This machine's monotonic clock in microseconds, as the manager reads it.
fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

/// Everything but signs of life, in the order that a manager expects.
fn hears_of_start_reload_and_stop(manager: &Manager) {
    let variables = [("NOTIFY_SOCKET", manager.name.as_str())];
    let mut server = Server::with_environment(&variables, &[]);
    assert_eq!(manager.expect("READY", &[]), "READY=1");
    let status = manager.expect("STATUS", &[]);
    assert_eq!(status, "STATUS=Connections open: 0; requests: 0");
    let before = monotonic_micros();
    server.signal("HUP");
    let reloading = manager.expect("RELOADING", &[]);
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let time: i64 = time.expect("the time").parse().unwrap();
    assert!((before..=monotonic_micros()).contains(&time));
    assert_eq!(manager.expect("READY", &[]), "READY=1");
    assert!(
        server
            .request("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .contains("200")
    );
    server.signal("TERM");
    assert_eq!(manager.expect("STOPPING", &["STATUS"]), "STOPPING=1");
    assert_eq!(server.wait(), 0);
}

#[test]
fn a_manager_at_a_path_hears_of_start_reload_and_stop() {
    hears_of_start_reload_and_stop(&Manager::at_path());
}

#[test]
fn a_manager_with_an_abstract_name_hears_of_start_reload_and_stop() {
    hears_of_start_reload_and_stop(&Manager::abstract_one());
}

#[test]
fn a_status_tells_connections_and_requests() {
    let manager = Manager::at_path();
    let variables = [("NOTIFY_SOCKET", manager.name.as_str())];
    let server = Server::with_environment(&variables, &[]);
    manager.expect("STATUS", &["READY"]);
    let _idle = server.connect();
    for _ in 0..3 {
        server.request("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }
    // Statuses in between tell what had come by then.
    let right = |status: &String| status == "STATUS=Connections open: 1; requests: 3";
    let mut statuses = (0..6).map(|_| manager.expect("STATUS", &[]));
    assert!(statuses.any(|status| right(&status)));
}

#[test]
fn an_idle_server_gives_signs_of_life_and_a_stopped_one_does_not() {
    let manager = Manager::at_path();
    let variables = [
        ("NOTIFY_SOCKET", manager.name.as_str()),
        ("WATCHDOG_USEC", "1000000"),
    ];
    let mut server = Server::with_environment(&variables, &[]);
    manager.expect("WATCHDOG=1", &["READY", "STATUS"]);
    for _ in 0..4 {
        manager.expect("WATCHDOG=1", &["STATUS"]);
    }
    server.signal("STOP");
    while manager.within(Duration::from_millis(100)).is_some() {}
    assert_eq!(manager.within(Duration::from_secs(2)), None);
    server.signal("CONT");
    manager.expect("WATCHDOG=1", &["STATUS"]);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn a_watchdog_of_another_process_is_not_tended() {
    let manager = Manager::at_path();
    let variables = [
        ("NOTIFY_SOCKET", manager.name.as_str()),
        ("WATCHDOG_USEC", "200000"),
        ("WATCHDOG_PID", "1"),
    ];
    let _server = Server::with_environment(&variables, &[]);
    manager.expect("STATUS", &["READY"]);
    assert_eq!(manager.within(Duration::from_secs(1)), None);
}

#[test]
fn a_server_whose_manager_is_not_there_serves_and_says_so() {
    let variables = [("NOTIFY_SOCKET", "/nowhere/notify")];
    let server = Server::with_environment(&variables, &[]);
    let log = server.logged("NOTIFY_SOCKET");
    assert!(log.contains("'/nowhere/notify'"), "{log}");
    assert!(
        server
            .request("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .contains("200")
    );
}
