//! The grammar of listeners.
//!
//! ```text
//! LISTENERS = ADDR *("," OPTION) *("," LISTENERS)
//! ADDR      = [HOST] ":" PORT | "[" IPv6 "]:" PORT | PORT | "unix:" PATH
//! OPTION    = KEY "=" VALUE              ; belongs to the address before it; KEY is one of OPTIONS
//! PROXY     = "unix" | NETWORK *("+" NETWORK)                                  ; the value of proxy
//! ```
//!
//! `unix:/run/calmd.sock,mode=0660,owner=www:www,:8080` is two listeners, the first with two options.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::world::{ListenAddress, PeerSet, UnixSocket, User};

/// An address with the options that are no part of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AddressWithOptions {
    pub address: ListenAddress,
    /// Balancers that begin each connection with a PROXY header; empty where clients come by themselves.
    pub balancers: PeerSet,
}

impl From<ListenAddress> for AddressWithOptions {
    fn from(address: ListenAddress) -> Self {
        AddressWithOptions {
            address,
            balancers: PeerSet::default(),
        }
    }
}

/// An option of a listener.
struct ListenOption {
    /// The word before `=`.
    key: &'static str,
    /// Sets it for the addresses that one name stands for. The error says what would be right.
    set: fn(&mut [AddressWithOptions], &str) -> Result<(), String>,
}

/// All options of listeners. The grammar is the same for each: a new one is an entry here.
const OPTIONS: [ListenOption; 3] = [
    ListenOption {
        key: "mode",
        set: |addresses, value| {
            let socket = unix_socket(addresses, "mode", value)?;
            let mode = u32::from_str_radix(value, 8).ok();
            let mode = mode.filter(|mode| *mode <= 0o777);
            let mode = mode.ok_or("write mode as three or four octal digits, such as 0660")?;
            socket.mode = Some(mode);
            Ok(())
        },
    },
    ListenOption {
        key: "owner",
        set: |addresses, value| {
            let socket = unix_socket(addresses, "owner", value)?;
            socket.owner = Some(User::find(value)?);
            Ok(())
        },
    },
    ListenOption {
        key: "proxy",
        set: set_balancers,
    },
];

/// The Unix socket that an option is for.
fn unix_socket<'a>(
    addresses: &'a mut [AddressWithOptions],
    key: &str,
    value: &str,
) -> Result<&'a mut UnixSocket, String> {
    match addresses {
        [
            AddressWithOptions {
                address: ListenAddress::Unix(socket),
                ..
            },
        ] => Ok(socket),
        _ => Err(format!(
            "'{key}' belongs to a Unix socket, write unix:PATH,{key}={value}"
        )),
    }
}

/// Has connections begin with the PROXY header of one of these balancers.
fn set_balancers(listeners: &mut [AddressWithOptions], value: &str) -> Result<(), String> {
    let mut balancers = PeerSet::default();
    for peers in value.split('+') {
        balancers.add(peers)?;
    }
    for listener in listeners {
        let is_unix = matches!(listener.address, ListenAddress::Unix(_));
        if is_unix && balancers.has_networks() {
            return Err(
                "peers of a Unix socket have no addresses, write unix:PATH,proxy=unix".into(),
            );
        }
        if !is_unix && balancers.has_unix() {
            return Err("'proxy=unix' belongs to a Unix socket, write the balancers' networks, such as :8080,proxy=10.0.0.0/8".into());
        }
        listener.balancers = balancers.clone();
    }
    Ok(())
}

/// The addresses of one text. A name such as `localhost` has several.
pub(super) fn parse(text: &str) -> Result<Vec<AddressWithOptions>, String> {
    let mut all: Vec<AddressWithOptions> = Vec::new();
    // Those of the last name, to which options belong.
    let mut last: Vec<AddressWithOptions> = Vec::new();
    for part in text.split(',') {
        match part.split_once('=').filter(|(key, _)| is_key(key)) {
            Some((key, value)) => set_option(&mut last, key, value)?,
            None => {
                all.append(&mut last);
                last = address(part)?
                    .into_iter()
                    .map(AddressWithOptions::from)
                    .collect();
            }
        }
    }
    all.append(&mut last);
    Ok(all)
}

fn is_key(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_letter)
}

fn set_option(addresses: &mut [AddressWithOptions], key: &str, value: &str) -> Result<(), String> {
    let Some(option) = OPTIONS.iter().find(|option| option.key == key) else {
        let known = OPTIONS.map(|option| option.key).join(", ");
        return Err(format!(
            "there is no option '{key}' of an address; there are {known}"
        ));
    };
    (option.set)(addresses, value)
}

/// The addresses of one name.
fn address(text: &str) -> Result<Vec<ListenAddress>, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return Err("the path is missing, write unix:/run/calmd.sock".into());
        }
        return Ok(vec![ListenAddress::Unix(path.into())]);
    }
    for (scheme, option) in [("http://", ""), ("https://", ", by --listen-tls")] {
        if let Some(rest) = text.strip_prefix(scheme) {
            let rest = rest.trim_end_matches('/');
            return Err(format!("leave out {scheme}, write {rest}{option}"));
        }
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(vec![ListenAddress::Tcp(address)]);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port
        .parse()
        .map_err(|_| "write HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH, with a port up to 65535")?;
    match host {
        // The unspecified IPv6 address takes IPv4 too.
        "" => {
            let unspecified = SocketAddr::from(([0u16; 8], port));
            return Ok(vec![ListenAddress::Tcp(unspecified)]);
        }
        "*" => return Err(format!("for all addresses of this machine write :{port}")),
        _ if host.contains(':') => {
            return Err(format!("put an IPv6 address in brackets, [{host}]:{port}"));
        }
        _ => {}
    }
    let found = (host, port)
        .to_socket_addrs()
        .map_err(|_| format!("no address is known for the host '{host}'"))?;
    Ok(found.map(ListenAddress::Tcp).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Peer;

    fn tcp(text: &str) -> Vec<ListenAddress> {
        vec![ListenAddress::Tcp(text.parse().unwrap())]
    }

    /// The addresses of a text alone.
    fn parse(text: &str) -> Result<Vec<ListenAddress>, String> {
        let listeners = super::parse(text)?;
        Ok(listeners
            .into_iter()
            .map(|listener| listener.address)
            .collect())
    }

    #[test]
    fn a_listener_behind_balancers_names_them() {
        let found =
            super::parse(":80,proxy=10.0.0.0/8+::1,unix:/a,mode=660,proxy=unix,:81").unwrap();
        let [tcp, unix, open] = &found[..] else {
            panic!("{found:?}");
        };
        let peer = |text: &str| Peer::Ip(text.parse().unwrap());
        assert!(tcp.balancers.contains(peer("10.1.1.1")) && tcp.balancers.contains(peer("::1")));
        assert!(!tcp.balancers.contains(peer("11.1.1.1")) && !tcp.balancers.contains(Peer::Unix));
        assert!(unix.balancers.contains(Peer::Unix));
        assert!(open.balancers.is_empty());
    }

    #[test]
    fn addresses_come_in_five_forms() {
        assert_eq!(parse("127.0.0.1:80"), Ok(tcp("127.0.0.1:80")));
        assert_eq!(parse("[::1]:80"), Ok(tcp("[::1]:80")));
        assert_eq!(parse(":8080"), Ok(tcp("[::]:8080")));
        assert_eq!(parse("8080"), Ok(tcp("[::]:8080")));
        assert_eq!(
            parse("unix:/run/calmd.sock"),
            Ok(vec![ListenAddress::Unix("/run/calmd.sock".into())])
        );
    }

    #[test]
    fn a_list_of_addresses_has_options_behind_the_sockets() {
        let owner = User::find("65534:65533").unwrap();
        assert_eq!(
            parse(":80,unix:/run/a,mode=0660,owner=65534:65533,unix:/run/b,mode=600,:81"),
            Ok(vec![
                ListenAddress::Tcp("[::]:80".parse().unwrap()),
                ListenAddress::Unix(UnixSocket {
                    path: "/run/a".into(),
                    mode: Some(0o660),
                    owner: Some(owner),
                }),
                ListenAddress::Unix(UnixSocket {
                    path: "/run/b".into(),
                    mode: Some(0o600),
                    owner: None,
                }),
                ListenAddress::Tcp("[::]:81".parse().unwrap()),
            ])
        );
        for (text, part) in [
            (
                "unix:/a,modus=0660",
                "there is no option 'modus' of an address; there are mode, owner, proxy",
            ),
            (":80,proxy=10.0.0.1/8", "write 10.0.0.0/8"),
            (":80,proxy=", "write an address"),
            (":80,proxy=unix", "belongs to a Unix socket"),
            ("unix:/a,proxy=10.0.0.0/8", "write unix:PATH,proxy=unix"),
            ("unix:/a,mode=rw", "octal digits"),
            ("unix:/a,mode=7777", "octal digits"),
            ("unix:/a,owner=no such user", "there is no user"),
            (":80,mode=0660", "belongs to a Unix socket"),
            (":80,owner=www", "write unix:PATH,owner=www"),
            ("mode=0660", "belongs to a Unix socket"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_stands_for_all_its_addresses() {
        let found = parse("localhost:80").unwrap();
        assert!(!found.is_empty());
        for address in found {
            assert!(matches!(address, ListenAddress::Tcp(a) if a.ip().is_loopback()));
        }
    }

    #[test]
    fn a_wrong_address_is_told_what_would_be_right() {
        for text in ["", "localhost", "1.2.3.4:70000", "host:", "unix:", ":-1"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for (text, said) in [
            ("::1:80", "put an IPv6 address in brackets, [::1]:80"),
            ("*:80", "for all addresses of this machine write :80"),
            (
                "http://localhost:8080/",
                "leave out http://, write localhost:8080",
            ),
            (
                "https://[::1]:443",
                "leave out https://, write [::1]:443, by --listen-tls",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), said);
        }
    }
}
