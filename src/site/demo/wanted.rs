//! The answer that an address of a load test asks for.

use std::time::Duration;

use crate::http::quantity;

/// The most content: 100 GiB keep any link busy for longer than a load test lasts.
const MOST_BYTES: u64 = 100 << 30;

/// The longest delay: half of the time that a handler has by default, behind which the answer is 504.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The most fields behind the content: each costs memory while it waits.
const MOST_TRAILERS: u64 = 16;

/// The longest padding of a head. Clients take heads of 16 KiB at least.
const MOST_PADDING: u64 = 8 << 10;

/// The answer that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedAnswer {
    /// Bytes of content.
    pub(super) size: u64,
    /// Time from the end of the request to the head.
    pub(super) delay: Duration,
    /// The status.
    pub(super) status: u16,
    /// Bytes of each chunk or frame; `None` announces the length and sends as much as there is room for.
    pub(super) chunk: Option<u64>,
    /// Number of fields behind the content.
    pub(super) trailers: u64,
    /// Length of a field in the head.
    pub(super) pad: Option<u64>,
}

impl Default for WantedAnswer {
    fn default() -> Self {
        WantedAnswer {
            size: 0,
            delay: Duration::ZERO,
            status: 200,
            chunk: None,
            trailers: 0,
            pad: None,
        }
    }
}

impl WantedAnswer {
    /// Adds the parameters of a query, `NAME=VALUE` between ampersands. The error says what would be right.
    pub(super) fn add_query(&mut self, query: &str) -> Result<(), String> {
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            self.set(name, value)?;
        }
        Ok(())
    }

    /// Sets one parameter. The error says what would be right.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "size" => self.size = bytes(name, value, 0, MOST_BYTES)?,
            "delay" => {
                let delay = quantity::duration(value).filter(|delay| *delay <= LONGEST_DELAY);
                self.delay = delay.ok_or("delay is a time up to 30s, such as 20ms")?;
            }
            "status" => {
                let status = value.parse().ok();
                let status = status.filter(|status| (200..=599).contains(status));
                self.status = status.ok_or("status is a number from 200 to 599")?;
            }
            "chunk" => self.chunk = Some(bytes(name, value, 1, MOST_BYTES)?),
            "trailers" => self.trailers = bytes(name, value, 0, MOST_TRAILERS)?,
            "pad" => self.pad = Some(bytes(name, value, 0, MOST_PADDING)?),
            _ => {
                return Err(
                    "the parameters are size, delay, status, chunk, trailers and pad".into(),
                );
            }
        }
        Ok(())
    }
}

/// A number with its unit, between two bounds.
fn bytes(name: &str, value: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = quantity::bytes(value).filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{name} is a number from {least} to {most}, such as 8 or 1K"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_everything_of_the_answer() {
        let mut wanted = WantedAnswer::default();
        let query = "size=1M&delay=20ms&status=503&&chunk=1K&trailers=1&pad=64";
        assert_eq!(wanted.add_query(query), Ok(()));
        let all = WantedAnswer {
            size: 1 << 20,
            delay: Duration::from_millis(20),
            status: 503,
            chunk: Some(1024),
            trailers: 1,
            pad: Some(64),
        };
        assert_eq!(wanted, all);
    }

    #[test]
    fn a_wrong_parameter_is_told_with_what_would_be_right() {
        for query in [
            "size=101G",
            "size=-1",
            "size",
            "delay=31s",
            "delay=5",
            "status=100",
            "status=600",
            "chunk=0",
            "trailers=17",
            "pad=9K",
            "colour=red",
        ] {
            let error = WantedAnswer::default().add_query(query).unwrap_err();
            let name = query.split('=').next().unwrap();
            assert!(error.contains(name) || name == "colour", "{query}: {error}");
        }
    }
}
