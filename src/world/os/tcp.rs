//! TCP ports that are listened on.

use mio::net::TcpListener;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Connections that the kernel completes while we are busy. It caps this at `somaxconn`.
const BACKLOG: i32 = 4096;

/// Processes that may listen on a TCP port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PortUse {
    /// This process alone.
    Alone,
    /// Every process of this user that says so too (SO_REUSEPORT).
    Shared,
}

/// A listener with the options that accepted connections inherit, so that accepting one costs no
/// further system call.
pub(super) fn bind(
    address: SocketAddr,
    unsent_bytes: u32,
    ports: PortUse,
) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match net::socket_with(family, SocketType::STREAM, flags, None) {
        // A machine without IPv6: all of its addresses are the IPv4 ones.
        Err(rustix::io::Errno::AFNOSUPPORT) if address.ip().is_unspecified() => {
            let any = SocketAddr::from(([0, 0, 0, 0], address.port()));
            return bind(any, unsent_bytes, ports);
        }
        socket => socket?,
    };
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, ports == PortUse::Shared)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    prepare(&socket, unsent_bytes)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from_std(std::net::TcpListener::from(socket)))
}

/// Sets the options of a listener that accepted connections inherit.
pub(super) fn prepare(socket: &impl AsFd, unsent_bytes: u32) -> io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    SockRef::from(socket).set_tcp_notsent_lowat(unsent_bytes)
}
