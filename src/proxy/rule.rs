//! Rules of the operator: the paths that are forwarded, and the upstreams that they are forwarded to.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::scheme::UpstreamScheme;
use super::secure::UpstreamTls;

/// A path whose requests are forwarded, and one server that takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRule {
    /// The path, from a slash on, without a slash at its end: empty for all requests.
    pub path: String,
    /// The server's address.
    pub address: UpstreamAddress,
    /// The protocol that it is spoken to in.
    pub scheme: UpstreamScheme,
    /// The path that takes the place of [`ProxyRule::path`], without a slash at its end; `None` leaves paths as
    /// they are.
    pub replacement: Option<String>,
}

/// The address of an upstream server as the operator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// A host's name or address, without brackets, and a port.
    Host(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ProxyRule {
    /// The server's URL, without a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.name();
        match &self.address {
            UpstreamAddress::Host(host, port) if host.contains(':') => {
                write!(f, "{scheme}://[{host}]:{port}")
            }
            UpstreamAddress::Host(host, port) => write!(f, "{scheme}://{host}:{port}"),
            UpstreamAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialAddress {
    /// A port of a host.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Servers of which any can answer a request.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// The name of the host whose requests it answers, in metrics.
    pub host: String,
    /// The path that it is mounted at, in metrics.
    pub mount: String,
    /// The servers, at least one.
    pub servers: Vec<UpstreamServer>,
}

/// A server of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamServer {
    /// Its name in messages.
    pub name: String,
    /// The protocol that it is spoken to in.
    pub scheme: UpstreamScheme,
    /// Its addresses, at least one, the one to be tried first first.
    pub addresses: Vec<DialAddress>,
    /// The means of TLS with it, where the scheme has TLS.
    pub tls: Option<UpstreamTls>,
}

impl ProxyRule {
    /// Reads `PATH=URL`, or says what would be right.
    pub fn parse(text: &str) -> Result<ProxyRule, String> {
        const FORM: &str = "write a path and an upstream, such as /api=http://127.0.0.1:3000 or /=unix:/run/app.sock";
        let (path, url) = text.split_once('=').ok_or(FORM)?;
        let path = clean_path(path).ok_or(FORM)?;
        if let Some(socket) = url.strip_prefix("unix:") {
            if socket.is_empty() {
                return Err("the path of the socket is missing, write unix:PATH".into());
            }
            return Ok(ProxyRule {
                path,
                address: UpstreamAddress::Unix(socket.into()),
                scheme: UpstreamScheme::Http,
                replacement: None,
            });
        }
        let of_name = |(name, scheme): (&str, UpstreamScheme)| {
            Some((scheme, url.strip_prefix(name)?.strip_prefix("://")?))
        };
        let (scheme, rest) = UpstreamScheme::ALL.into_iter().find_map(of_name).ok_or(
            "write the upstream as http://HOST:PORT, https://, h2c://, h2:// or unix:PATH",
        )?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, replacement) = rest.split_at(end);
        let replacement = match replacement {
            "" => None,
            path => Some(clean_path(path).ok_or("an upstream's path has no query and no dots")?),
        };
        let (host, port) = host_and_port(authority)?;
        Ok(ProxyRule {
            path,
            address: UpstreamAddress::Host(host, port.unwrap_or(scheme.port())),
            scheme,
            replacement,
        })
    }
}

/// A path without the slash at its end, if it can be compared with those of requests and be put before their
/// rest: unreserved characters and slashes (RFC 3986 §2.3), no dot segment.
fn clean_path(path: &str) -> Option<String> {
    let is_clean = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(String::new());
    }
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
    (path.bytes().all(is_clean) && path.split('/').all(is_segment)).then(|| format!("/{path}"))
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match authority.rfind(':') {
        // A colon within the brackets of an IPv6 address begins no port.
        Some(colon) if !authority[colon..].contains(']') => {
            (&authority[..colon], Some(&authority[colon + 1..]))
        }
        _ => (authority, None),
    };
    let port = match port {
        None => None,
        Some(port) => Some(
            port.parse()
                .ok()
                .filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))
                .filter(|port| *port != 0)
                .ok_or_else(|| format!("'{port}' is no port, which is a number from 1 to 65535"))?,
        ),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(address) if address.parse::<std::net::Ipv6Addr>().is_err() => {
            Err(format!("'{address}' is no IPv6 address"))
        }
        Some(address) => Ok((address.to_owned(), port)),
        None if host.is_empty() => Err("the host is missing, write http://HOST:PORT".into()),
        None if host.contains([':', '@', '?', '#']) => {
            Err("write the upstream as http://HOST:PORT, an IPv6 address in brackets".into())
        }
        None => Ok((host.to_owned(), port)),
    }
}

/// The rules by their paths, in the order in which requests are to be compared with them: the longest path
/// first. Rules with equal paths are one upstream of several servers, and the first of them says how paths are
/// changed.
pub fn group(rules: &[ProxyRule]) -> Vec<Vec<&ProxyRule>> {
    let mut groups: Vec<Vec<&ProxyRule>> = Vec::new();
    for rule in rules {
        let of_path = |group: &&mut Vec<&ProxyRule>| {
            group.first().is_some_and(|first| first.path == rule.path)
        };
        match groups.iter_mut().find(of_path) {
            Some(group) => group.push(rule),
            None => groups.push(vec![rule]),
        }
    }
    let length = |group: &Vec<&ProxyRule>| group.first().map_or(0, |rule| rule.path.len());
    groups.sort_by_key(|group| std::cmp::Reverse(length(group)));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: u16) -> UpstreamAddress {
        UpstreamAddress::Host(host.into(), port)
    }

    #[test]
    fn a_rule_is_a_path_and_an_upstream() {
        let unix = UpstreamAddress::Unix("/run/app.sock".into());
        for (text, path, address, replacement) in [
            (
                "/api=http://127.0.0.1:3000",
                "/api",
                host("127.0.0.1", 3000),
                None,
            ),
            ("/api/=http://app", "/api", host("app", 80), None),
            ("/=http://[::1]:9/", "", host("::1", 9), Some("")),
            ("/a/b=http://h:1/c/d/", "/a/b", host("h", 1), Some("/c/d")),
            ("/=unix:/run/app.sock", "", unix, None),
        ] {
            let rule = ProxyRule {
                path: path.into(),
                address,
                scheme: UpstreamScheme::Http,
                replacement: replacement.map(str::to_owned),
            };
            assert_eq!(ProxyRule::parse(text), Ok(rule), "{text}");
        }
    }

    #[test]
    fn an_upstream_has_a_protocol_and_is_named_by_its_url() {
        for (text, scheme, name) in [
            ("/=http://app", UpstreamScheme::Http, "http://app:80"),
            ("/=https://app", UpstreamScheme::Https, "https://app:443"),
            ("/=h2c://[::1]:9/x", UpstreamScheme::H2c, "h2c://[::1]:9"),
            ("/=h2://app:1", UpstreamScheme::H2, "h2://app:1"),
            ("/=unix:/a", UpstreamScheme::Http, "unix:/a"),
        ] {
            let rule = ProxyRule::parse(text).unwrap();
            assert_eq!((rule.scheme, &*rule.to_string()), (scheme, name), "{text}");
        }
    }

    #[test]
    fn a_wrong_rule_is_told_its_mend() {
        for (text, word) in [
            ("http://127.0.0.1:3000", "write a path"),
            ("api=http://h:1", "write a path"),
            ("/a/../b=http://h:1", "write a path"),
            ("/a%20b=http://h:1", "write a path"),
            ("/=ftp://h", "http://HOST:PORT"),
            ("/=http://h:0", "no port"),
            ("/=http://h:+1", "no port"),
            ("/=http://:1", "host is missing"),
            ("/=http://u@h:1", "http://HOST:PORT"),
            ("/=http://[::g]:1", "no IPv6 address"),
            ("/=http://::1", "in brackets"),
            ("/=http://h:1/?q", "no query"),
            ("/=unix:", "unix:PATH"),
        ] {
            let error = ProxyRule::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn servers_of_one_path_are_one_upstream_and_longer_paths_come_first() {
        let rules = [
            "/=http://a",
            "/api/v2=http://b",
            "/api=http://c",
            "/api=http://d",
        ];
        let rules = rules.map(|rule| ProxyRule::parse(rule).unwrap());
        let groups = group(&rules);
        let paths: Vec<_> = groups
            .iter()
            .map(|group| (&*group[0].path, group.len()))
            .collect();
        assert_eq!(paths, [("/api/v2", 1), ("/api", 2), ("", 1)]);
    }
}
