//! Forms of values: numbers, sizes, durations, fields, words.
//!
//! Each function takes the text as it was written and returns the value, or a sentence that says what is
//! wrong and what would be right. The setting and the value are told by the caller.

use std::time::Duration;

use crate::http::quantity;
#[cfg(feature = "panel")]
use crate::inspect::TraceConfig;
use crate::server::Timeouts;
use crate::site::{self, CacheRule, Charset, EntityTags, TypeRule};
use crate::telemetry::LogFormat;
use crate::tls::ClientDemand;

/// A whole number between two bounds.
pub fn number(text: &str, least: u32, most: u32) -> Result<u32, String> {
    // Wide enough that a number with any digits that somebody types is one, and told its bounds.
    let number: i128 = text.parse().map_err(|_| "write a whole number")?;
    u32::try_from(number)
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("write a number from {least} to {most}"))
}

/// True or false, in the words that people use for it.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("write true or false".into()),
    }
}

/// The demand for certificates of clients, if there is to be one.
pub fn client_demand(text: &str) -> Result<Option<ClientDemand>, String> {
    match text {
        "required" => Ok(Some(ClientDemand::Required)),
        "optional" => Ok(Some(ClientDemand::Optional)),
        "off" => Ok(None),
        _ => Err("write required, optional or off".into()),
    }
}

/// Bytes: a number, alone or with `K`, `M` or `G` (powers of 1024).
pub fn size(text: &str) -> Result<u64, String> {
    let bytes = quantity::bytes(text);
    let bytes = bytes.ok_or("write a number of bytes such as 65536, 64K, 1M or 2G")?;
    // The largest number stands for all beyond it.
    let is_addressable = bytes < u64::MAX && usize::try_from(bytes).is_ok();
    is_addressable.then_some(bytes).ok_or(TOO_MUCH.into())
}

/// Bytes in memory, in the form of a [`size`].
pub fn memory(text: &str) -> Result<usize, String> {
    usize::try_from(size(text)?).map_err(|_| TOO_MUCH.into())
}

const TOO_MUCH: &str = "that is more than this machine can address";

/// The memory of all connections together. Under 1 MiB a single client that reads slowly could meet
/// it.
pub fn memory_limit(text: &str) -> Result<usize, String> {
    match memory(text)? {
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

/// The path of health checks: from its slash on, as it is in a request's target.
pub fn health_path(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#".contains(&byte);
    if !text.starts_with('/') || !text.bytes().all(is_plain) {
        return Err("write a path such as /healthz, without a query".into());
    }
    Ok(text.into())
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
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("the unit is missing, write {text}s"));
    }
    let duration = quantity::duration(text)
        .ok_or("write a number and its unit, such as 500ms, 30s, 2m or 1h")?;
    let is_bounded = duration <= Timeouts::LONGEST;
    is_bounded
        .then_some(duration)
        .ok_or_else(|| "write a number and its unit, up to 30d".into())
}

/// `NAME: VALUE` of every response, unless it is a field that calmd computes.
pub fn header(text: &str) -> Result<(String, String), String> {
    site::parse_header(text).map_err(|error| error.problem().to_owned())
}

/// `PATTERN=VALUE`: the `Cache-Control` of the paths that match.
pub fn cache_rule(text: &str) -> Result<CacheRule, String> {
    CacheRule::parse(text).map_err(|error| error.problem().to_owned())
}

/// `EXTENSION=TYPE`
pub fn type_rule(text: &str) -> Result<TypeRule, String> {
    TypeRule::parse(text).map_err(|error| error.problem().to_owned())
}

/// `STATUS=FILE`: the page of an error.
pub fn error_page(text: &str) -> Result<(u16, String), String> {
    let (status, file) = text
        .split_once('=')
        .ok_or("write a status and a file of the site, as '404=404.html'")?;
    let status = number(status.trim(), 400, 599)?;
    let status = u16::try_from(status).map_err(|_| "write a status from 400 to 599")?;
    Ok((status, site_file(file)?))
}

/// The name of a file of the site.
pub fn site_file(text: &str) -> Result<String, String> {
    let name = text.trim().trim_start_matches('/');
    let is_plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_plain && !name.contains(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err("write the name of a file of the site, relative to its root".into())
    }
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

/// `auto` or `content`: the files that get a strong entity tag.
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
        "extended" => Ok(LogFormat::Extended),
        "json" => Ok(LogFormat::Json),
        _ => Err("write combined, extended or json".into()),
    }
}

/// A file, and the networks of clients behind `,address=`.
#[cfg(feature = "panel")]
pub fn qlog(text: &str) -> Result<TraceConfig, String> {
    let mut parts = text.split(",address=");
    let mut config = TraceConfig {
        file: parts.next().unwrap_or_default().into(),
        ..TraceConfig::default()
    };
    if config.file.as_os_str().is_empty() || text.contains(char::is_control) {
        return Err(
            "a file is wanted, as 'trace.sqlog' or 'trace.sqlog,address=192.0.2.0/24'".into(),
        );
    }
    for network in parts {
        config.peers.add(network)?;
    }
    Ok(config)
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

    #[cfg(feature = "panel")]
    #[test]
    fn a_trace_has_a_file_and_networks_behind_it() {
        let config = qlog("/tmp/a,b.sqlog").unwrap();
        assert_eq!(config.file.to_str(), Some("/tmp/a,b.sqlog"));
        assert!(config.peers.is_empty());
        let config = qlog("a,address=192.0.2.0/24,address=::1").unwrap();
        assert!(
            config
                .peers
                .contains(crate::world::Peer::Ip([192, 0, 2, 9].into()))
        );
        assert!(
            !config
                .peers
                .contains(crate::world::Peer::Ip([192, 0, 3, 9].into()))
        );
        assert!(qlog("").is_err() && qlog("a,address=nobody").is_err());
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
    fn numbers_are_whole_and_within_bounds() {
        assert_eq!(number("1", 1, 9), Ok(1));
        assert_eq!(number("9", 1, 9), Ok(9));
        let out_of_bounds = "write a number from 1 to 9";
        for text in ["0", "10", "-1", "99999999999", "99999999999999999999"] {
            assert_eq!(number(text, 1, 9).unwrap_err(), out_of_bounds);
        }
        for text in ["", "many", "1.5", "0x1"] {
            assert_eq!(number(text, 1, 9).unwrap_err(), "write a whole number");
        }
    }

    #[test]
    fn a_switch_takes_the_words_that_people_use() {
        for (text, value) in [
            ("true", true),
            ("On", true),
            ("1", true),
            ("NO", false),
            ("f", false),
        ] {
            assert_eq!(boolean(text), Ok(value));
        }
        assert_eq!(boolean("maybe").unwrap_err(), "write true or false");
        assert!(boolean("").is_err());
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
        assert_eq!(duration("30d"), Ok(Timeouts::LONGEST));
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
