//! The product's own client in the simulation: `calmd get`, over a world whose poll runs the server.
//!
//! The client blocks in its poll. There, turns of the server's event loop advance the time, until the
//! client's connection has news or its wait is over: [`Waiter`] looks for that among the other clients, and
//! ends the server's poll.

use super::clients::Client;
use super::files::SimFile;
use super::files::SimFiles;
use super::network::{LinkId, Received};
use super::outside::Outside;
use super::run::Run;
use super::{CLEARTEXT, TLS};
use calmd::world::{Extent, Peer, Polled, Ready, Sleep, Token, World};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// Size of the buffers of the client's socket, at least, as a number of bits.
const LEAST_BITS: usize = 12;

/// The wait of the client's poll.
#[derive(Default)]
pub struct Wait {
    links: Vec<LinkId>,
    until: Option<Duration>,
}

/// The blocked client, as the simulation sees it.
pub struct Waiter(pub Rc<RefCell<Wait>>);

impl Client for Waiter {
    fn run(&mut self, outside: &mut Outside) {
        let mut wait = self.0.borrow_mut();
        let is_over = wait.until.is_some_and(|until| until <= outside.network.now);
        let has_news = |id: &LinkId| outside.network.client_has_news(*id);
        if is_over || wait.links.iter().any(has_news) {
            *wait = Wait::default();
            outside.client_woken = true;
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        self.0.borrow().until
    }

    fn is_content(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "calmd get".to_owned()
    }
}

/// The client's view of the simulated world.
pub struct DialWorld {
    outside: Rc<RefCell<Outside>>,
    run: Rc<RefCell<Run>>,
    wait: Rc<RefCell<Wait>>,
    /// All connections so far, which the caller may ask about.
    links: Rc<RefCell<Vec<LinkId>>>,
    registered: Vec<(LinkId, Token)>,
}

/// The client's socket: its end of a link.
pub struct DialSocket {
    link: LinkId,
    outside: Rc<RefCell<Outside>>,
}

impl Drop for DialSocket {
    fn drop(&mut self) {
        let network = &mut self.outside.borrow_mut().network;
        network.client_close(self.link);
        network.client_leaves(self.link);
    }
}

impl DialWorld {
    pub fn new(
        outside: Rc<RefCell<Outside>>,
        run: Rc<RefCell<Run>>,
        wait: Rc<RefCell<Wait>>,
        links: Rc<RefCell<Vec<LinkId>>>,
    ) -> Self {
        DialWorld {
            outside,
            run,
            wait,
            links,
            registered: Vec::new(),
        }
    }

    fn collect(&mut self, ready: &mut Vec<Ready>) {
        let network = &mut self.outside.borrow_mut().network;
        for (link, token) in &self.registered {
            if network.client_wakes(*link) {
                ready.push(Ready::Socket {
                    token: *token,
                    readable: true,
                    writable: true,
                    read_closed: network.client_sees_end(*link),
                });
            }
        }
    }
}

impl World for DialWorld {
    type Files = SimFiles;
    type Socket = DialSocket;

    fn now(&self) -> Instant {
        self.outside.borrow().instant()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn poll(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<Polled> {
        let until = timeout.map(|timeout| self.outside.borrow().network.now + timeout);
        let before = ready.len();
        loop {
            self.collect(ready);
            let now = self.outside.borrow().network.now;
            if ready.len() > before || until.is_some_and(|until| until <= now) {
                return Ok(Polled {
                    extent: Extent::Whole,
                    sleep: Sleep::Undisturbed,
                });
            }
            assert!(!self.outside.borrow().silent, "the client sleeps for ever");
            *self.wait.borrow_mut() = Wait {
                links: self.registered.iter().map(|(link, _)| *link).collect(),
                until,
            };
            self.run.borrow_mut().turn();
        }
    }

    fn accept(&mut self, _: usize) -> io::Result<(DialSocket, Peer)> {
        unreachable!("a client accepts nobody")
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<DialSocket> {
        let listener = if address.port() == 443 {
            TLS
        } else {
            CLEARTEXT
        };
        let link = self
            .outside
            .borrow_mut()
            .network
            .connect(listener, LEAST_BITS);
        let link = link.ok_or(io::ErrorKind::ConnectionRefused)?;
        self.links.borrow_mut().push(link);
        Ok(DialSocket {
            link,
            outside: self.outside.clone(),
        })
    }

    fn is_connected(&self, _: &DialSocket) -> io::Result<bool> {
        Ok(true)
    }

    fn stop_listening(&mut self) {
        unreachable!("a client does not listen")
    }

    fn register(&mut self, socket: &mut DialSocket, token: Token) -> io::Result<()> {
        assert_eq!(token, Token::upstream(0, token.serial), "the client dials");
        self.registered = vec![(socket.link, token)];
        Ok(())
    }

    fn read(&mut self, socket: &mut DialSocket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut came = Vec::new();
        let network = &mut self.outside.borrow_mut().network;
        match network.client_receive(socket.link, &mut came, buffer.len()) {
            Received::Bytes(len) => {
                buffer[..len].copy_from_slice(&came);
                Ok(len)
            }
            Received::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            Received::End => Ok(0),
            Received::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn write(&mut self, socket: &mut DialSocket, bytes: &[u8]) -> io::Result<usize> {
        let network = &mut self.outside.borrow_mut().network;
        if network.client_cannot_send(socket.link) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match network.client_send(socket.link, bytes) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }

    fn send_file(
        &mut self,
        _: &mut DialSocket,
        _: &SimFile,
        _: u64,
        _: usize,
    ) -> io::Result<usize> {
        unreachable!("a client splices no file")
    }

    fn shutdown_write(&mut self, socket: &mut DialSocket) -> io::Result<()> {
        self.outside.borrow_mut().network.client_finish(socket.link);
        Ok(())
    }
}
