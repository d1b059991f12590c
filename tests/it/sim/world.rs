//! The world that the server runs in: a virtual clock, a network with faults, and clients that act
//! while the server sleeps.

use super::clients::Client;
use super::faults::Fault;
use super::files::{PROCESS_FULL, SimFile, SimFiles};
use super::network::LinkId;
use super::outside::Outside;
use allocation_counter::opt_out;
use calmd::world::{Extent, Files, Peer, Polled, Ready, Sleep, Token, World};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// Error numbers: too many descriptors on the machine (ENFILE), no memory for sockets (ENOBUFS), no
/// memory at all (ENOMEM).
const SYSTEM_FULL: i32 = 23;
const NO_BUFFERS: i32 = 105;
const NO_MEMORY: i32 = 12;

/// Longest time of a turn of the server.
const TURN: Duration = Duration::from_micros(30);

/// Number of polls in a row, without sleep and without progress, after which the server is said to
/// spin. Faults alone make a few such turns in a row, and files that are hashed in slices some tens
/// more.
const MOST_IDLE_TURNS: u32 = 120;

/// The most bytes of a file that go into a socket in one call.
const MOST_SENT: usize = 64 << 10;

/// Length of a stall of the process that is too short for peers to notice.
const STALL: Duration = Duration::from_millis(900);

/// Longest time for which the server does not run.
const LEAP: Duration = Duration::from_secs(300);

/// The latest time of day that is set: from 1970 to 2106.
const WALL_END: Duration = Duration::from_secs(1 << 32);

/// The simulated world: all that is outside of the server, and the server's view of it.
pub struct SimWorld {
    outside: Rc<RefCell<Outside>>,
    clients: Rc<RefCell<Vec<Box<dyn Client>>>>,
    files: SimFiles,
    /// The value of [`super::network::Network::progress`] at the last poll.
    progress: u64,
    idle_turns: u32,
}

/// The server's socket: its end of a link.
pub struct SimSocket {
    link: LinkId,
    outside: Rc<RefCell<Outside>>,
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        opt_out(|| self.outside.borrow_mut().network.close_server(self.link));
    }
}

impl SimWorld {
    pub fn new(
        outside: Rc<RefCell<Outside>>,
        clients: Rc<RefCell<Vec<Box<dyn Client>>>>,
        files: SimFiles,
    ) -> Self {
        SimWorld {
            outside,
            clients,
            files,
            progress: 0,
            idle_turns: 0,
        }
    }

    /// Begins a poll: lets the time pass that the server has worked. Returns the time for which the
    /// process does not run, and the kind of its sleep.
    fn begin_poll(&mut self, timeout: Option<Duration>) -> (Duration, Sleep) {
        let outside = &mut *self.outside.borrow_mut();
        let progress = outside.network.progress();
        if timeout != Some(Duration::ZERO) || progress != self.progress {
            self.idle_turns = 0;
        }
        self.progress = progress;
        self.idle_turns += 1;
        assert!(self.idle_turns < MOST_IDLE_TURNS, "the server spins");
        let mut away = outside.rng.pause(TURN) + std::mem::take(&mut outside.lost);
        let mut sleep = Sleep::Undisturbed;
        if outside.network.faults.strikes(Fault::ClockStalls) {
            away += outside.rng.pause(STALL);
            sleep = Sleep::Interrupted;
        }
        if outside.network.faults.strikes(Fault::ClockLeaps) {
            away += outside.rng.pause(LEAP);
            outside.network.fall_asleep();
            sleep = Sleep::Interrupted;
        }
        if outside.network.faults.strikes(Fault::WallClockJumps) {
            self.files.set_clock(outside.rng.pause(WALL_END));
        }
        (outside.network.now + away, sleep)
    }

    /// Runs the world outside until there is an event to report, or the time is up.
    fn run_outside(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> Polled {
        let (back, sleep) = self.begin_poll(timeout);
        let mut extent = Extent::Whole;
        let outside = &self.outside;
        let until = timeout.map(|timeout| back + timeout);
        loop {
            let now = outside.borrow().network.now;
            outside.borrow_mut().step(&mut self.clients.borrow_mut());
            let mut outside = outside.borrow_mut();
            if now >= back {
                outside.network.wake_up();
                extent = outside.network.collect(ready);
                ready.extend(outside.network.spurious());
                ready.extend(outside.order().map(Ready::Signal));
                let woken = std::mem::take(&mut outside.client_woken);
                if woken || !ready.is_empty() || outside.network.faults.strikes(Fault::PollWakes) {
                    break;
                }
            }
            let event = outside.next_event(&self.clients.borrow());
            let next = if now < back {
                Some(event.map_or(back, |event| event.min(back)))
            } else if until.is_some_and(|until| until <= now) {
                break;
            } else {
                [event, outside.next_news(), until]
                    .into_iter()
                    .flatten()
                    .min()
            };
            let Some(next) = next else {
                // No event will ever happen again.
                outside.silent = true;
                break;
            };
            let passed = next.saturating_sub(now);
            outside.network.now += passed;
            self.files.advance(passed);
        }
        Polled { extent, sleep }
    }
}

impl World for SimWorld {
    type Files = SimFiles;
    type Socket = SimSocket;

    fn now(&self) -> Instant {
        let outside = self.outside.borrow();
        outside.instant() + outside.lost
    }

    fn wall_clock(&self) -> SystemTime {
        // The clock that stamps files shows the time of day as well.
        self.files.now()
    }

    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<Polled> {
        let mut found = Vec::new();
        let mut polled = None;
        opt_out(|| polled = Some(self.run_outside(&mut found, timeout)));
        log::trace!(
            "{:?}: slept {timeout:?}, woken by {found:?}",
            self.outside.borrow().network.now
        );
        ready.extend_from_slice(&found);
        opt_out(|| drop(found));
        Ok(polled.expect("it was run"))
    }

    fn accept(&mut self, listener: usize) -> io::Result<(SimSocket, Peer)> {
        Outside::panic_by_chance(&self.outside, Fault::AcceptPanics);
        let outside = &mut *self.outside.borrow_mut();
        let network = &mut outside.network;
        if network.faults.strikes(Fault::AcceptInterrupted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        for (fault, errno) in [
            (Fault::AcceptProcessFull, PROCESS_FULL),
            (Fault::AcceptSystemFull, SYSTEM_FULL),
            (Fault::AcceptNoBuffers, NO_BUFFERS),
            (Fault::AcceptNoMemory, NO_MEMORY),
        ] {
            if network.faults.strikes(fault) {
                network.last_refusal = Some(network.now);
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
        if network.held_by_server().count() + outside.open_files >= outside.descriptor_limit {
            network.faults.count(Fault::DescriptorLimit);
            return Err(io::Error::from_raw_os_error(PROCESS_FULL));
        }
        let mut accepted = Err(io::ErrorKind::WouldBlock.into());
        opt_out(|| accepted = outside.network.accept(listener));
        let link = accepted?;
        let peer = Peer::Ip(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | link as u32)));
        Ok((
            SimSocket {
                link,
                outside: self.outside.clone(),
            },
            peer,
        ))
    }

    fn connect(&mut self, _: SocketAddr) -> io::Result<Self::Socket> {
        unreachable!("a server dials nobody")
    }

    fn is_connected(&self, _: &Self::Socket) -> io::Result<bool> {
        unreachable!("a server dials nobody")
    }

    fn stop_listening(&mut self, _count: usize) {
        opt_out(|| self.outside.borrow_mut().network.stop_listening());
    }

    fn register(&mut self, _: &mut SimSocket, _: Token) -> io::Result<()> {
        unreachable!("a server dials nobody")
    }

    fn register_reading(&mut self, socket: &mut SimSocket, token: Token) -> io::Result<()> {
        Outside::panic_by_chance(&self.outside, Fault::RegisterPanics);
        let mut result = Ok(());
        opt_out(|| {
            result = self
                .outside
                .borrow_mut()
                .network
                .register(socket.link, token)
        });
        result
    }

    fn await_room(&mut self, socket: &mut SimSocket, token: Token) -> io::Result<()> {
        let mut result = Ok(());
        opt_out(|| {
            let network = &mut self.outside.borrow_mut().network;
            result = network.await_room(socket.link, token);
        });
        result
    }

    fn read(&mut self, socket: &mut SimSocket, buffer: &mut [u8]) -> io::Result<usize> {
        Outside::panic_by_chance(&self.outside, Fault::ReadPanics);
        let mut result = Ok(0);
        opt_out(|| result = self.outside.borrow_mut().network.read(socket.link, buffer));
        log::trace!("{} read of {}: {result:?}", socket.link, buffer.len());
        result
    }

    fn write(&mut self, socket: &mut SimSocket, bytes: &[u8]) -> io::Result<usize> {
        Outside::panic_by_chance(&self.outside, Fault::WritePanics);
        let mut result = Ok(0);
        opt_out(|| result = self.outside.borrow_mut().network.write(socket.link, bytes));
        log::trace!("{} write of {}: {result:?}", socket.link, bytes.len());
        result
    }

    fn send_file(
        &mut self,
        socket: &mut SimSocket,
        file: &SimFile,
        offset: u64,
        max: usize,
    ) -> io::Result<usize> {
        Outside::panic_by_chance(&self.outside, Fault::WritePanics);
        let mut result = Ok(0);
        opt_out(|| {
            let mut content = Vec::new();
            let most = max.min(MOST_SENT);
            let read = self.files.read(file, offset, &mut content, most);
            let network = &mut self.outside.borrow_mut().network;
            if read.as_ref().map_or(true, |len| *len == 0) {
                network.lose_file(socket.link, file.path().clone());
            }
            result = read.and_then(|len| match len {
                0 => Ok(0),
                _ => network.write(socket.link, &content),
            });
        });
        log::trace!("{} send of {max}: {result:?}", socket.link);
        result
    }

    fn shutdown_write(&mut self, socket: &mut SimSocket) -> io::Result<()> {
        Outside::panic_by_chance(&self.outside, Fault::ShutdownPanics);
        let mut result = Ok(());
        opt_out(|| {
            result = self
                .outside
                .borrow_mut()
                .network
                .shutdown_write(socket.link)
        });
        result
    }

    fn reset_at_close(&mut self, socket: &mut SimSocket) -> io::Result<()> {
        self.outside
            .borrow_mut()
            .network
            .reset_at_close(socket.link);
        Ok(())
    }
}
