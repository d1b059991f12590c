//! Listeners: opened, handed down by a service manager, or handed over by the process before.

use super::control::{ControlError, ControlSocket, Offer, Predecessor};
use super::inherited::InheritedListener;
use super::listen_error::ListenError;
use super::tcp;
use super::unix::{self, NamedListener, SocketName};
use super::{CONTROL, OsWorld, Socket};
use crate::world::files::absolute;
use crate::world::{ListenAddress, Peer, Succession};
use mio::Interest;
use mio::event::Source;
use mio::net::TcpListener;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A listener, and the addresses by which a newer process may mean it, divided by tabs.
pub(super) struct OsListener {
    socket: ListenerSocket,
    addresses: String,
}

enum ListenerSocket {
    Tcp(TcpListener),
    Unix(NamedListener),
}

impl ListenerSocket {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            ListenerSocket::Tcp(listener) => listener,
            ListenerSocket::Unix(named) => &mut named.listener,
        }
    }
}

impl AsFd for OsListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            ListenerSocket::Tcp(listener) => listener.as_fd(),
            ListenerSocket::Unix(named) => named.listener.as_fd(),
        }
    }
}

impl OsListener {
    /// Takes the next connection that waits.
    pub fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.socket {
            ListenerSocket::Tcp(listener) => listener.accept().map(|(stream, address)| {
                (Socket::Tcp(stream), Peer::Ip(address.ip().to_canonical()))
            }),
            ListenerSocket::Unix(named) => {
                let accepted = named.listener.accept();
                accepted.map(|(stream, _)| (Socket::Unix(stream), Peer::Unix))
            }
        }
    }

    /// The name in the file system, if it has one.
    fn name(&mut self) -> Option<&mut SocketName> {
        match &mut self.socket {
            ListenerSocket::Tcp(_) => None,
            ListenerSocket::Unix(named) => Some(named.name()),
        }
    }

    /// True if a connection waits to be accepted.
    pub fn has_newcomer(&self) -> bool {
        let mut asked = [PollFd::new(self, PollFlags::IN)];
        poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

/// An address as processes of one server mean it, wherever they were started.
fn meant(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(socket) => format!("unix:{}", absolute(&socket.path).display()),
    }
}

impl<F> OsWorld<F> {
    /// Opens a listener and returns where it is bound (a port of 0 becomes the port that it got), or takes
    /// the one of that address which the process before has handed over. Listeners are numbered in the order
    /// of these calls. For their connections, the kernel takes more to send only while it holds less than
    /// `unsent_bytes` that are not on their way.
    pub fn listen(
        &mut self,
        address: &ListenAddress,
        unsent_bytes: u32,
    ) -> Result<ListenAddress, ListenError> {
        self.try_listen(address, unsent_bytes)
            .map_err(|error| ListenError {
                address: address.clone(),
                error,
            })
    }

    /// Takes over a listener that a service manager has bound, with its backlog, and returns its address. It
    /// is numbered like one that [`listen`](OsWorld::listen) opens.
    pub fn adopt(
        &mut self,
        listener: InheritedListener,
        unsent_bytes: u32,
    ) -> io::Result<ListenAddress> {
        let (socket, bound) = match listener {
            InheritedListener::Tcp(listener) => adopt_tcp(listener, unsent_bytes)?,
            InheritedListener::Unix(listener) => {
                let named = NamedListener::inherited(listener)?;
                let bound = ListenAddress::Unix(named.path().into());
                (ListenerSocket::Unix(named), bound)
            }
        };
        self.add(socket, meant(&bound))?;
        Ok(bound)
    }

    /// Asks the process that listens at the control socket of this name, if there is one, for its listeners,
    /// and listens there instead of it. To be called before [`listen`](OsWorld::listen).
    pub fn open_control(&mut self, path: &Path) -> Result<(), ControlError> {
        self.try_open_control(path).map_err(|reason| ControlError {
            path: path.to_owned(),
            reason,
        })
    }

    fn try_open_control(&mut self, path: &Path) -> io::Result<()> {
        let control = match Predecessor::ask(path)? {
            Some((predecessor, control)) => {
                self.predecessor = Some(predecessor);
                ControlSocket::handed_over(control, path)
            }
            None => ControlSocket::bind(path)?,
        };
        control.watch(self.poll.registry(), CONTROL)?;
        self.control = Some(control);
        Ok(())
    }

    fn try_listen(
        &mut self,
        address: &ListenAddress,
        unsent_bytes: u32,
    ) -> io::Result<ListenAddress> {
        let handed = self.predecessor.as_mut();
        let handed = handed.and_then(|before| before.take(&meant(address)));
        let (socket, bound) = match (handed, address) {
            (Some(socket), address) => take_over(socket, address, unsent_bytes)?,
            (None, ListenAddress::Tcp(address)) => {
                let listener = tcp::bind(*address, unsent_bytes, self.ports)?;
                let bound = ListenAddress::Tcp(listener.local_addr()?);
                (ListenerSocket::Tcp(listener), bound)
            }
            (None, ListenAddress::Unix(socket)) => {
                (ListenerSocket::Unix(unix::bind(socket)?), address.clone())
            }
        };
        let addresses = format!("{}\t{}", meant(address), meant(&bound));
        self.add(socket, addresses)?;
        Ok(bound)
    }

    fn add(&mut self, mut socket: ListenerSocket, addresses: String) -> io::Result<()> {
        let token = mio::Token(self.listeners.len());
        let registry = self.poll.registry();
        registry.register(socket.source(), token, Interest::READABLE)?;
        self.listeners.push(Some(OsListener { socket, addresses }));
        Ok(())
    }

    /// Tells the process before, if there is one, to go. The names of its sockets are ours from then on.
    pub(super) fn dismiss_predecessor(&mut self) -> io::Result<()> {
        let Some(predecessor) = self.predecessor.take() else {
            return Ok(());
        };
        predecessor.dismiss()?;
        let listeners = self.listeners.iter_mut().flatten();
        let listeners = listeners.filter_map(OsListener::name);
        let control = self.control.as_mut().map(ControlSocket::name);
        listeners.chain(control).for_each(SocketName::take);
        Ok(())
    }

    /// Hears what a newer process says.
    pub(super) fn hear_successor(&mut self) -> Succession {
        let Some(control) = &mut self.control else {
            return Succession::None;
        };
        let listeners = &self.listeners;
        let offers = || {
            let offer = |listener| offer(listener);
            listeners.iter().flatten().map(offer).collect()
        };
        let Some(taken) = control.hear((self.poll.registry(), CONTROL), offers) else {
            return Succession::None;
        };
        control.name().keep();
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if taken.contains(&index)
                && let Some(name) = listener.as_mut().and_then(OsListener::name)
            {
                name.keep();
            }
        }
        Succession::Complete
    }

    /// Closes the first listeners, and the control socket.
    pub(super) fn close_listeners(&mut self, count: usize) {
        let closed = self.listeners.iter_mut().take(count);
        // Closing alone does not end the poll's interest in a socket that others have open as well.
        for mut listener in closed.filter_map(Option::take) {
            let _ = self.poll.registry().deregister(listener.socket.source());
        }
        if let Some(control) = self.control.take() {
            control.forget(self.poll.registry());
        }
    }
}

fn offer(listener: &OsListener) -> Offer<'_> {
    Offer {
        socket: listener.as_fd(),
        addresses: &listener.addresses,
    }
}

fn adopt_tcp(
    listener: std::net::TcpListener,
    unsent_bytes: u32,
) -> io::Result<(ListenerSocket, ListenAddress)> {
    tcp::prepare(&listener, unsent_bytes)?;
    let bound = ListenAddress::Tcp(listener.local_addr()?);
    let listener = TcpListener::from_std(listener);
    Ok((ListenerSocket::Tcp(listener), bound))
}

/// The listener of a socket that the process before has handed over for this address.
fn take_over(
    socket: OwnedFd,
    address: &ListenAddress,
    unsent_bytes: u32,
) -> io::Result<(ListenerSocket, ListenAddress)> {
    match address {
        ListenAddress::Tcp(_) => adopt_tcp(socket.into(), unsent_bytes),
        ListenAddress::Unix(name) => {
            let named = NamedListener::handed_over(socket.into(), name)?;
            Ok((ListenerSocket::Unix(named), address.clone()))
        }
    }
}
