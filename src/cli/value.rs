//! What an option's value may look like: addresses, sizes, durations, fields.
//!
//! Each function takes the text as it was written and returns the value, or a sentence that says
//! what is wrong and what would be right; clap puts the option and the value in front of it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::site::{self, CacheRule, Charset, EntityTags, TypeRule};
use crate::telemetry::LogFormat;
use crate::world::{ListenAddress, User};

/// The longest duration that may be asked for. Far beyond any use, and far from where adding it to
/// the clock could overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The addresses of one `--listen`: a name such as `localhost` has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(pub Vec<ListenAddress>);

/// Addresses separated by commas, each `unix:PATH`, `HOST:PORT`, `[IPv6]:PORT`, or for all addresses of
/// the machine `:PORT` or `PORT`. A part of the form `key=value` belongs to the address before it:
/// `unix:/run/calmd.sock,mode=0660,owner=www:www`.
pub fn addresses(text: &str) -> Result<Addresses, String> {
    let mut all: Vec<ListenAddress> = Vec::new();
    // Those of the last name, to which options belong.
    let mut last: Vec<ListenAddress> = Vec::new();
    for part in text.split(',') {
        match part.split_once('=').filter(|(key, _)| is_key(key)) {
            Some((key, value)) => set_option(&mut last, key, value)?,
            None => {
                all.append(&mut last);
                last = address(part)?;
            }
        }
    }
    all.append(&mut last);
    let mut addresses = Vec::new();
    for address in all {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(Addresses(addresses))
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// Sets an option of the addresses that one name stands for.
fn set_option(addresses: &mut [ListenAddress], key: &str, value: &str) -> Result<(), String> {
    if !["mode", "owner"].contains(&key) {
        return Err(format!(
            "there is no option '{key}' of an address; there are mode and owner"
        ));
    }
    let [ListenAddress::Unix(socket)] = addresses else {
        return Err(format!(
            "'{key}' belongs to a Unix socket, write unix:PATH,{key}={value}"
        ));
    };
    match key {
        "mode" => {
            let mode = u32::from_str_radix(value, 8)
                .ok()
                .filter(|mode| *mode <= 0o777);
            let mode = mode.ok_or("write mode as three or four octal digits, such as 0660")?;
            socket.mode = Some(mode);
        }
        _ => socket.owner = Some(User::find(value)?),
    }
    Ok(())
}

/// The addresses of one name.
fn address(text: &str) -> Result<Vec<ListenAddress>, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return Err("the path is missing, write unix:/run/calmd.sock".into());
        }
        return Ok(vec![ListenAddress::Unix(path.into())]);
    }
    for scheme in ["http://", "https://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            let rest = rest.trim_end_matches('/');
            let option = match scheme {
                "https://" => ", by --listen-tls",
                _ => "",
            };
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
            return Ok(vec![ListenAddress::Tcp(SocketAddr::from((
                [0u16; 8], port,
            )))]);
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

/// Bytes: a number, alone or with `K`, `M` or `G` (powers of 1024).
pub fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "write a number of bytes such as 65536, 64K, 1M or 2G")?;
    number
        .checked_mul(1 << shift)
        .filter(|&bytes| usize::try_from(bytes).is_ok())
        .ok_or_else(|| "that is more than this machine can address".into())
}

/// The memory of all connections together. Under 1 MiB a single client that reads slowly could meet
/// it.
pub fn memory_limit(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes if bytes < 1 << 20 => Err("it must be at least 1M".into()),
        bytes => Ok(bytes),
    }
}

/// A size between two bounds that the protocol or good sense sets.
fn size_within(text: &str, least: u64, most: u64) -> Result<u32, String> {
    let bytes = size(text)?;
    u32::try_from(bytes)
        .ok()
        .filter(|_| (least..=most).contains(&bytes))
        .ok_or_else(|| format!("it must be from {least} to {most} bytes"))
}

/// SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.5.2); none at all would refuse every upload.
pub fn window_size(text: &str) -> Result<u32, String> {
    size_within(text, 1, (1 << 31) - 1)
}

/// SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2).
pub fn frame_size(text: &str) -> Result<u32, String> {
    size_within(text, 1 << 14, (1 << 24) - 1)
}

/// SETTINGS_HEADER_TABLE_SIZE. Every connection may fill its table, so 64 KiB is as much as a server
/// with thousands of them should offer.
pub fn table_size(text: &str) -> Result<u32, String> {
    size_within(text, 0, 64 << 10)
}

/// SETTINGS_MAX_HEADER_LIST_SIZE. Under 1 KiB browsers are refused; beyond 64 KiB a header section
/// is an attack, and would not fit the CONTINUATION frames that we take.
pub fn header_list_size(text: &str) -> Result<u32, String> {
    size_within(text, 1 << 10, 64 << 10)
}

/// A duration that may not be zero: `500ms`, `30s`, `2m`, `1h`, `1d`.
pub fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        timeout => Ok(timeout),
    }
}

/// A duration: `0s`, `500ms`, `30s`, `2m`, `1h`, `1d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if !text.is_empty() => return Err(format!("the unit is missing, write {text}s")),
        _ => return Err("write a number and its unit, such as 500ms, 30s, 2m or 1h".into()),
    };
    text[..text.len() - unit.len()]
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| "write a number and its unit, up to 30d".into())
}

/// `NAME: VALUE` of every response, unless it is a field that calmd computes.
pub fn header(text: &str) -> Result<(String, String), String> {
    site::parse_header(text).map_err(|error| error.problem().to_owned())
}

/// What HTTP/2 has other means for (RFC 9113 §8.2.2).
const NOT_IN_HTTP2: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// `NAME:VALUE` of a request.
pub fn request_field(text: &str) -> Result<(String, String), String> {
    let (name, value) = field(text)?;
    match NOT_IN_HTTP2.contains(&name.as_str()) {
        true => Err(format!("HTTP/2 has no '{name}'; leave it out")),
        false => Ok((name, value)),
    }
}

/// A method (RFC 9110 §9.1), which is written as it is: methods are case-sensitive.
pub fn method(text: &str) -> Result<String, String> {
    match text {
        "CONNECT" => Err("calmd get makes no tunnels".into()),
        _ if text.is_empty() || !text.bytes().all(is_token) => {
            Err("a method has letters and hyphens, such as PUT".into())
        }
        _ => Ok(text.to_owned()),
    }
}

/// A byte of a token (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("the colon is missing, write 'NAME: VALUE'")?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a name has letters, digits and hyphens, and nothing before the colon".into());
    }
    let name = name.to_ascii_lowercase();
    let value = value.trim_matches([' ', '\t']);
    if value.bytes().any(|b| b != b'\t' && b.is_ascii_control()) {
        return Err("the value holds a control character".into());
    }
    Ok((name, value.to_owned()))
}

/// `PATTERN=VALUE`: the `Cache-Control` of the paths that match.
pub fn cache_rule(text: &str) -> Result<CacheRule, String> {
    CacheRule::parse(text).map_err(|error| error.problem().to_owned())
}

/// `EXTENSION=TYPE`
pub fn type_rule(text: &str) -> Result<TypeRule, String> {
    TypeRule::parse(text).map_err(|error| error.problem().to_owned())
}

/// The name of a character set, or `none`.
pub fn charset(text: &str) -> Result<Charset, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    match text {
        "none" => Ok(Charset::Unsaid),
        name if !name.is_empty() && name.bytes().all(is_token) => Ok(Charset::Name(name.into())),
        _ => Err("write the name of a character set, such as utf-8, or none".into()),
    }
}

/// Which files get a strong entity tag.
pub fn entity_tags(text: &str) -> Result<EntityTags, String> {
    match text {
        "auto" => Ok(EntityTags::Auto),
        "content" => Ok(EntityTags::Content),
        _ => Err("write auto or content".into()),
    }
}

/// The name of a log format.
pub fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "combined" => Ok(LogFormat::Combined),
        "json" => Ok(LogFormat::Json),
        _ => Err("write combined or json".into()),
    }
}

/// `on` or `off`.
pub fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".into()),
    }
}

/// The name of a log level.
pub fn log_level(text: &str) -> Result<log::LevelFilter, String> {
    text.parse()
        .map_err(|_| "write off, error, warn, info, debug or trace".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::UnixSocket;

    fn tcp(text: &str) -> Addresses {
        Addresses(vec![ListenAddress::Tcp(text.parse().unwrap())])
    }

    #[test]
    fn addresses_come_in_five_forms() {
        assert_eq!(addresses("127.0.0.1:80"), Ok(tcp("127.0.0.1:80")));
        assert_eq!(addresses("[::1]:80"), Ok(tcp("[::1]:80")));
        assert_eq!(addresses(":8080"), Ok(tcp("[::]:8080")));
        assert_eq!(addresses("8080"), Ok(tcp("[::]:8080")));
        assert_eq!(
            addresses("unix:/run/calmd.sock"),
            Ok(Addresses(vec![ListenAddress::Unix(
                "/run/calmd.sock".into()
            )]))
        );
    }

    #[test]
    fn a_list_of_addresses_has_options_behind_the_sockets() {
        let owner = User::find("65534:65533").unwrap();
        assert_eq!(
            addresses(":80,unix:/run/a,mode=0660,owner=65534:65533,unix:/run/b,mode=600,:81"),
            Ok(Addresses(vec![
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
            ]))
        );
        for (text, part) in [
            ("unix:/a,modus=0660", "there is no option 'modus'"),
            ("unix:/a,mode=rw", "octal digits"),
            ("unix:/a,mode=7777", "octal digits"),
            ("unix:/a,owner=no such user", "there is no user"),
            (":80,mode=0660", "belongs to a Unix socket"),
            ("mode=0660", "belongs to a Unix socket"),
        ] {
            let error = addresses(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_stands_for_all_its_addresses() {
        let Addresses(found) = addresses("localhost:80").unwrap();
        assert!(!found.is_empty());
        for address in found {
            assert!(matches!(address, ListenAddress::Tcp(a) if a.ip().is_loopback()));
        }
    }

    #[test]
    fn a_wrong_address_is_told_what_would_be_right() {
        for text in ["", "localhost", "1.2.3.4:70000", "host:", "unix:", ":-1"] {
            assert!(addresses(text).is_err(), "{text}");
        }
        assert_eq!(
            addresses("::1:80").unwrap_err(),
            "put an IPv6 address in brackets, [::1]:80"
        );
        assert_eq!(
            addresses("*:80").unwrap_err(),
            "for all addresses of this machine write :80"
        );
        assert_eq!(
            addresses("http://localhost:8080/").unwrap_err(),
            "leave out http://, write localhost:8080"
        );
        assert_eq!(
            addresses("https://[::1]:443").unwrap_err(),
            "leave out https://, write [::1]:443, by --listen-tls"
        );
    }

    #[test]
    fn sizes_are_counted_in_powers_of_1024() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("64K"), Ok(65_536));
        assert_eq!(size("1m"), Ok(1 << 20));
        assert_eq!(size("2G"), Ok(2 << 30));
        for text in ["", "K", "1.5M", "-1", "1T", "é", "99999999999999G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn s6_5_2_settings_stay_within_the_protocol() {
        assert_eq!(frame_size("16384"), Ok(16_384));
        assert_eq!(frame_size("16777215"), Ok(16_777_215));
        assert_eq!(
            frame_size("16383").unwrap_err(),
            "it must be from 16384 to 16777215 bytes"
        );
        assert!(frame_size("16M").is_err());
        assert_eq!(window_size("2147483647"), Ok(2_147_483_647));
        assert!(window_size("2G").is_err());
        assert!(window_size("0").is_err());
        assert_eq!(table_size("0"), Ok(0));
        assert!(header_list_size("1M").is_err());
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("30d"), Ok(LONGEST));
        assert_eq!(
            duration("30").unwrap_err(),
            "the unit is missing, write 30s"
        );
        for text in ["", "s", "31d", "1y", "-1s", "99999999999999999999s", "1 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(timeout("0s").is_err());
    }

    #[test]
    fn a_header_is_checked_and_its_name_lowercased() {
        assert_eq!(
            header("X-Robots-Tag:  noindex "),
            Ok(("x-robots-tag".into(), "noindex".into()))
        );
        assert_eq!(header("x-empty:"), Ok(("x-empty".into(), String::new())));
        for text in [
            "",
            "x",
            ": a",
            ":path: a",
            "a b: c",
            "a : c",
            "a: b\r\nc: d",
            "a: b\0",
            "Content-Length: 5",
            "ETag: x",
            "location: /",
            "connection: close",
        ] {
            assert!(header(text).is_err(), "{text}");
        }
    }
}
