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
use calmd::client;
use calmd::client::url::Url;
use calmd::world::{Extent, Peer, Polled, Ready, Sleep, Token, World};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// Size of the buffers of the client's socket, at least, as a number of bits.
const LEAST_BITS: usize = 12;

/// Longest time after which an address answers.
const ANSWER: Duration = Duration::from_secs(2);

/// The addresses of the server's host: nobody listens at the first.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// The addresses of a URL's host, that of nobody first.
pub fn resolve(url: &Url) -> Result<Vec<SocketAddr>, client::Error> {
    let addresses = [NOBODY, SERVER];
    Ok(addresses.map(|ip| SocketAddr::new(ip, url.port())).into())
}

/// The hosts that the client reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The server, at one of its addresses.
    Server,
    /// None: each address refuses, or is silent.
    Nobody,
}

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
    reach: Reach,
    registered: Option<Registered>,
}

/// The socket that the poll looks at.
struct Registered {
    peer: DialledPeer,
    token: Token,
    /// True once the poll has told of the peer's answer to the attempt to connect.
    is_told: bool,
}

/// The other end of an attempt to connect, with the time of its answer.
#[derive(Clone, Copy)]
enum DialledPeer {
    /// The server. It may have accepted the connection before the client knows of it.
    Server { link: LinkId, at: Duration },
    /// A machine where nobody listens.
    Refusing { at: Duration },
    /// Nothing.
    Silent,
}

impl DialledPeer {
    fn answers_at(self) -> Option<Duration> {
        match self {
            DialledPeer::Server { at, .. } | DialledPeer::Refusing { at } => Some(at),
            DialledPeer::Silent => None,
        }
    }

    fn link(self) -> Option<LinkId> {
        match self {
            DialledPeer::Server { link, .. } => Some(link),
            DialledPeer::Refusing { .. } | DialledPeer::Silent => None,
        }
    }
}

/// The client's socket: its end of a link.
pub struct DialSocket {
    peer: DialledPeer,
    outside: Rc<RefCell<Outside>>,
}

impl DialSocket {
    fn link(&self) -> LinkId {
        self.peer.link().expect("it was found to be connected")
    }
}

impl Drop for DialSocket {
    fn drop(&mut self) {
        if let Some(link) = self.peer.link() {
            let network = &mut self.outside.borrow_mut().network;
            network.client_close(link);
            network.client_leaves(link);
        }
    }
}

impl DialWorld {
    pub fn new(
        outside: Rc<RefCell<Outside>>,
        run: Rc<RefCell<Run>>,
        wait: Rc<RefCell<Wait>>,
        links: Rc<RefCell<Vec<LinkId>>>,
        reach: Reach,
    ) -> Self {
        DialWorld {
            outside,
            run,
            wait,
            links,
            reach,
            registered: None,
        }
    }

    fn collect(&mut self, ready: &mut Vec<Ready>) {
        let network = &mut self.outside.borrow_mut().network;
        let Some(registered) = &mut self.registered else {
            return;
        };
        let link = registered.peer.link();
        let has_answered = registered
            .peer
            .answers_at()
            .is_some_and(|at| at <= network.now);
        let is_news = has_answered && !std::mem::replace(&mut registered.is_told, has_answered);
        let has_woken = link.is_some_and(|link| network.client_wakes(link));
        if is_news || has_woken {
            ready.push(Ready::Socket {
                token: registered.token,
                readable: true,
                read_closed: link.is_some_and(|link| network.client_sees_end(link)),
            });
        }
    }

    /// Time at which the poll has an answer to an attempt to connect to tell of.
    fn next_answer(&self) -> Option<Duration> {
        let registered = self.registered.as_ref()?;
        let is_due = !registered.is_told;
        registered.peer.answers_at().filter(|_| is_due)
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
            let link = self.registered.as_ref().and_then(|it| it.peer.link());
            *self.wait.borrow_mut() = Wait {
                links: link.into_iter().collect(),
                until: [until, self.next_answer()].into_iter().flatten().min(),
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
        let outside = &mut *self.outside.borrow_mut();
        let pause = match outside.rng.below(3) {
            0 => Duration::ZERO,
            1 => outside.rng.pause(Duration::from_millis(20)),
            _ => outside.rng.pause(ANSWER),
        };
        let at = outside.network.now + pause;
        let peer = if address.ip() == SERVER && self.reach == Reach::Server {
            let link = outside.network.connect(listener, LEAST_BITS);
            let link = link.ok_or(io::ErrorKind::ConnectionRefused)?;
            self.links.borrow_mut().push(link);
            DialledPeer::Server { link, at }
        } else {
            match outside.rng.below(8) {
                0 => DialledPeer::Silent,
                1 | 2 => DialledPeer::Refusing { at },
                // A machine of the client's own network answers at once.
                _ => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
        };
        Ok(DialSocket {
            peer,
            outside: self.outside.clone(),
        })
    }

    fn is_connected(&self, socket: &DialSocket) -> io::Result<bool> {
        let now = self.outside.borrow().network.now;
        match socket.peer {
            DialledPeer::Server { at, .. } => Ok(at <= now),
            DialledPeer::Refusing { at } if at <= now => {
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            DialledPeer::Refusing { .. } | DialledPeer::Silent => Ok(false),
        }
    }

    fn stop_listening(&mut self, _count: usize) {
        unreachable!("a client does not listen")
    }

    fn register(&mut self, socket: &mut DialSocket, token: Token) -> io::Result<()> {
        assert_eq!(token, Token::upstream(0, token.serial), "the client dials");
        self.registered = Some(Registered {
            peer: socket.peer,
            token,
            is_told: false,
        });
        Ok(())
    }

    fn read(&mut self, socket: &mut DialSocket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut came = Vec::new();
        let network = &mut self.outside.borrow_mut().network;
        match network.client_receive(socket.link(), &mut came, buffer.len()) {
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
        if network.client_cannot_send(socket.link()) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match network.client_send(socket.link(), bytes) {
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
        self.outside
            .borrow_mut()
            .network
            .client_finish(socket.link());
        Ok(())
    }

    fn reset_at_close(&mut self, _: &mut DialSocket) -> io::Result<()> {
        unreachable!("a client answers nobody")
    }
}
