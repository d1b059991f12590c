//! Messages to the service manager that started the process (sd_notify(3)).
//!
//! ```text
//! NOTIFY_SOCKET=/run/systemd/notify     READY=1   RELOADING=1 … READY=1   STOPPING=1   STATUS=…
//! WATCHDOG_USEC=30000000                WATCHDOG=1 every 15 seconds, by the event loop itself
//! ```
//!
//! The socket is connected before the sandbox closes, because its name is out of reach then. Nothing here
//! waits for the manager: a message that its socket has no room for is sent again with a later turn.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Time between two tries to send what the manager's socket had no room for. It takes some 10 messages, and
/// empties them in a millisecond unless the machine is very busy.
const RETRY: Duration = Duration::from_millis(100);

/// Time between two status lines: enough for a person who looks, and no work for the manager.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// The most messages that wait for room. A manager that has read none of so many is not listening.
const MOST_UNSENT: usize = 8;

/// The socket of a service manager, and its interest in signs of life, as the environment tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerConfig {
    /// A path, or `@` and an abstract name.
    pub socket: OsString,
    /// Time after which a process that gives no sign of life is ended.
    pub watchdog: Option<Duration>,
}

impl ManagerConfig {
    /// The service manager of this environment, for the process `pid`. The error names the variable and the
    /// mend.
    pub fn announced(
        variable: &dyn Fn(&str) -> Option<OsString>,
        pid: u32,
    ) -> Result<Option<ManagerConfig>, String> {
        let named = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let Some(socket) = named else {
            return Ok(None);
        };
        let text = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some(value.to_string_lossy().into_owned())
        };
        // Another process's is not ours to tend.
        let is_ours = text("WATCHDOG_PID").is_none_or(|owner| owner.parse() == Ok(pid));
        let watchdog = text("WATCHDOG_USEC").filter(|_| is_ours).map(|time| {
            let micros = time.parse().ok().filter(|&micros: &u64| micros > 0);
            micros.map(Duration::from_micros).ok_or_else(|| {
                format!("WATCHDOG_USEC is '{time}'; it tells the watchdog's time in microseconds")
            })
        });
        let watchdog = watchdog.transpose()?;
        Ok(Some(ManagerConfig { socket, watchdog }))
    }
}

/// A change that the manager is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The server serves, by the settings that it has now.
    Ready,
    /// Certificates and settings are about to be read again; [`Notice::Ready`] follows.
    Reloading,
    /// No new connection is accepted.
    Stopping,
}

/// Numbers of the status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Connections that are open.
    pub connections: usize,
    /// Requests since the start.
    pub requests: u64,
}

/// The service manager, as far as it can be told something.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
    /// Messages without room so far, the oldest first.
    unsent: VecDeque<String>,
    watchdog: Option<Watchdog>,
    /// The numbers of the last status line, and those since then.
    told: Option<Census>,
    census: Option<Census>,
    /// The earliest time of the next status line; `None` before the first.
    next_status: Option<Instant>,
}

/// Signs of life that the manager expects.
#[derive(Debug)]
struct Watchdog {
    /// Half of the manager's patience, as sd_watchdog_enabled(3) advises.
    interval: Duration,
    /// The time of the next sign; `None` before the first.
    next: Option<Instant>,
}

impl ServiceManager {
    /// Connects to the manager's socket.
    pub fn open(config: &ManagerConfig) -> Result<ServiceManager, NotifyError> {
        let error = |reason| NotifyError {
            socket: config.socket.clone(),
            reason,
        };
        Ok(ServiceManager {
            socket: connect(config.socket.as_bytes()).map_err(error)?,
            unsent: VecDeque::new(),
            watchdog: config.watchdog.map(|patience| Watchdog {
                interval: patience / 2,
                next: None,
            }),
            told: None,
            census: None,
            next_status: None,
        })
    }

    /// Tells the manager of a change, as soon as it takes messages.
    pub fn tell(&mut self, notice: Notice) {
        self.send(match notice {
            Notice::Ready => "READY=1".into(),
            Notice::Reloading => {
                // The manager reads the clock itself, to tell this reload from an earlier one.
                let now = clock_gettime(ClockId::Monotonic);
                let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
                format!("RELOADING=1\nMONOTONIC_USEC={micros}")
            }
            Notice::Stopping => "STOPPING=1".into(),
        });
    }

    /// Sends what is due at the end of a turn of the event loop.
    pub fn tend(&mut self, now: Instant, census: Census) {
        self.census = Some(census);
        if let Some(watchdog) = &mut self.watchdog
            && watchdog.next.is_none_or(|next| next <= now)
        {
            watchdog.next = Some(now + watchdog.interval);
            self.send("WATCHDOG=1".into());
        }
        let is_due = self.next_status.is_none_or(|next| next <= now);
        if is_due && self.told != Some(census) {
            self.told = Some(census);
            self.next_status = Some(now + STATUS_INTERVAL);
            let Census {
                connections,
                requests,
            } = census;
            self.send(format!(
                "STATUS=Connections open: {connections}; requests: {requests}"
            ));
        }
        self.flush();
    }

    /// Time until [`tend`](ServiceManager::tend) has something to send.
    pub fn until_next(&self, now: Instant) -> Option<Duration> {
        let until = |time: Option<Instant>| {
            time.map_or(Duration::ZERO, |time| time.saturating_duration_since(now))
        };
        let watchdog = self.watchdog.as_ref().map(|watchdog| until(watchdog.next));
        let is_new = self.told.is_none() || self.told != self.census;
        let status = is_new.then(|| until(self.next_status));
        let retry = (!self.unsent.is_empty()).then_some(RETRY);
        [watchdog, status, retry].into_iter().flatten().min()
    }

    fn send(&mut self, message: String) {
        if self.unsent.len() >= MOST_UNSENT {
            self.unsent.pop_front();
        }
        self.unsent.push_back(message);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(message) = self.unsent.front() {
            match self.socket.send(message.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => log::debug!("the service manager does not hear: {error}"),
                Ok(_) => {}
            }
            self.unsent.pop_front();
        }
    }
}

/// A socket that is connected to the one of this name.
fn connect(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        Some((b'/', _)) => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        _ => {
            let reason = "it is neither an absolute path nor '@' and an abstract name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A service manager that cannot be reached. Displayed, it is one line that says how to mend it.
#[derive(Debug)]
pub struct NotifyError {
    socket: OsString,
    reason: io::Error,
}

impl std::error::Error for NotifyError {}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the service manager cannot be told of anything, its socket '{}' (NOTIFY_SOCKET) fails: {}; \
             with Type=exec it does not wait for that",
            self.socket.display(),
            self.reason
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(variables: &[(&str, &str)]) -> Result<Option<ManagerConfig>, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        ManagerConfig::announced(&variable, 7)
    }

    #[test]
    fn a_manager_is_announced_by_its_socket_and_a_watchdog_for_this_process_only() {
        assert_eq!(announced(&[("WATCHDOG_USEC", "5")]), Ok(None));
        assert_eq!(announced(&[("NOTIFY_SOCKET", "")]), Ok(None));
        for (owner, watchdog) in [
            (None, Some(Duration::from_secs(3))),
            (Some("7"), Some(Duration::from_secs(3))),
            (Some("8"), None),
        ] {
            let mut variables = vec![("NOTIFY_SOCKET", "@manager"), ("WATCHDOG_USEC", "3000000")];
            variables.extend(owner.map(|owner| ("WATCHDOG_PID", owner)));
            let socket = "@manager".into();
            let expected = ManagerConfig { socket, watchdog };
            assert_eq!(announced(&variables), Ok(Some(expected)), "{owner:?}");
        }
        for time in ["0", "-1", "3s"] {
            let variables = [("NOTIFY_SOCKET", "@manager"), ("WATCHDOG_USEC", time)];
            let error = announced(&variables).unwrap_err();
            assert!(error.contains(&format!("WATCHDOG_USEC is '{time}'")));
        }
    }

    /// A manager of the test, and what tells it.
    fn manager(watchdog: Option<Duration>) -> (UnixDatagram, ServiceManager, tempfile::TempDir) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket_name = path.into();
        let config = ManagerConfig {
            socket: socket_name,
            watchdog,
        };
        let manager = ServiceManager::open(&config).unwrap();
        (socket, manager, place)
    }

    fn received(socket: &UnixDatagram) -> Vec<String> {
        let mut messages = Vec::new();
        let mut buffer = [0; 256];
        while let Ok(len) = socket.recv(&mut buffer) {
            messages.push(String::from_utf8(buffer[..len].to_vec()).unwrap());
        }
        messages
    }

    const NOBODY: Census = Census {
        connections: 0,
        requests: 0,
    };

    #[test]
    fn signs_of_life_come_at_half_of_the_watchdogs_time() {
        let (socket, mut manager, _place) = manager(Some(Duration::from_secs(4)));
        let start = Instant::now();
        assert_eq!(manager.until_next(start), Some(Duration::ZERO));
        let mut signs = 0;
        for second in 0..10 {
            let now = start + Duration::from_secs(second);
            manager.tend(now, NOBODY);
            let is_sign = |message: &&String| *message == "WATCHDOG=1";
            signs += received(&socket).iter().filter(is_sign).count();
            assert!(manager.until_next(now) <= Some(Duration::from_secs(2)));
        }
        assert_eq!(signs, 5);
    }

    #[test]
    fn a_status_is_told_when_it_changes_and_rarely() {
        let (socket, mut manager, _place) = manager(None);
        let start = Instant::now();
        manager.tend(start, NOBODY);
        assert_eq!(
            received(&socket),
            ["STATUS=Connections open: 0; requests: 0"]
        );
        assert_eq!(manager.until_next(start), None, "nothing has changed");
        for requests in 1..100 {
            let census = Census {
                connections: 3,
                requests,
            };
            manager.tend(start + Duration::from_secs(1), census);
        }
        let (none, now) = (Vec::<String>::new(), start + Duration::from_secs(1));
        assert_eq!(received(&socket), none);
        let wait = manager.until_next(now).unwrap();
        let census = Census {
            connections: 3,
            requests: 99,
        };
        manager.tend(now + wait, census);
        assert_eq!(
            received(&socket),
            ["STATUS=Connections open: 3; requests: 99"]
        );
    }

    #[test]
    fn a_message_without_room_is_sent_later_and_few_are_kept() {
        let (socket, mut manager, _place) = manager(None);
        let start = Instant::now();
        manager.tend(start, NOBODY);
        for _ in 0..2_000 {
            manager.send("x".into());
        }
        manager.tell(Notice::Ready);
        assert_eq!(manager.unsent.len(), MOST_UNSENT);
        assert_eq!(manager.until_next(start), Some(RETRY));
        let _ = received(&socket);
        manager.tend(start, NOBODY);
        assert_eq!(received(&socket).last().unwrap(), "READY=1");
        assert_eq!(manager.until_next(start), None);
    }

    #[test]
    fn a_socket_that_is_not_there_is_named() {
        for name in ["/nowhere/notify", "@nobody-listens-there", "vsock:2:1"] {
            let config = ManagerConfig {
                socket: name.into(),
                watchdog: None,
            };
            let error = ServiceManager::open(&config).unwrap_err().to_string();
            assert!(error.contains(&format!("'{name}' (NOTIFY_SOCKET)")));
        }
    }
}
