//! From a URL to a connected socket: its host's addresses, in order, until one answers.

use super::Resolve;
use super::error::Error;
use super::trace::Tracer;
use super::url::Url;
use crate::world::{Ready, Token, World};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Instant;

/// Connects to the URL's host. `serial` names the sockets.
pub fn connect<W: World>(
    world: &mut W,
    resolve: Resolve,
    url: &Url,
    serial: &mut u32,
    limit: Instant,
    trace: Option<&Tracer>,
) -> Result<(W::Socket, Token), Error> {
    let mut addresses = resolve(url)?.into_iter().peekable();
    let mut reason = io::ErrorKind::AddrNotAvailable.into();
    while let Some(address) = addresses.next() {
        if let Some(trace) = trace {
            trace.note(world.now(), &format!("connecting to {address}"));
        }
        *serial += 1;
        let token = Token::upstream(0, *serial);
        // An address that swallows packets must leave time for the others.
        let now = world.now();
        let until = match addresses.peek() {
            Some(_) => now + limit.saturating_duration_since(now) / 2,
            None => limit,
        };
        match attempt(world, address, token, until) {
            Ok(socket) => return Ok((socket, token)),
            Err(error) => {
                if let Some(trace) = trace {
                    trace.note(world.now(), &format!("{address}: {error}"));
                }
                reason = error;
            }
        }
    }
    match reason.kind() {
        io::ErrorKind::TimedOut => Err(Error::TimedOut(url.authority())),
        _ => Err(Error::Connect(authority_with_port(url), reason)),
    }
}

/// The addresses in the order that the system prefers, each once.
pub fn resolve(url: &Url) -> Result<Vec<SocketAddr>, Error> {
    let found = (url.host(), url.port())
        .to_socket_addrs()
        .map_err(|error| Error::Resolve(url.host().into(), error))?;
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn attempt<W: World>(
    world: &mut W,
    address: SocketAddr,
    token: Token,
    until: Instant,
) -> io::Result<W::Socket> {
    let mut socket = world.connect(address)?;
    world.register(&mut socket, token)?;
    let mut ready = Vec::new();
    loop {
        let left = until.saturating_duration_since(world.now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        ready.clear();
        world.poll(&mut ready, Some(left))?;
        let ours = |ready: &Ready| matches!(ready, Ready::Socket { token: t, .. } if *t == token);
        if ready.iter().any(ours) && world.is_connected(&socket)? {
            return Ok(socket);
        }
    }
}

/// The authority with its port, also where the URL leaves the port out.
fn authority_with_port(url: &Url) -> String {
    match url.authority() {
        authority if authority.ends_with(&format!(":{}", url.port())) => authority,
        authority => format!("{authority}:{}", url.port()),
    }
}
