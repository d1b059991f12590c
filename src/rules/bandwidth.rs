//! Limits of bandwidth: the content that each address is sent in a second.
//!
//! Each address has a line, of which responses reserve one piece after another: a piece is sent when those before
//! it have had their time. So all responses to an address have the rate together, in turns, and a response that
//! waits is asked once, when its piece is due.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Visit;
use super::buckets::AddressTable;
use super::path_glob::PathGlob;
use crate::http::quantity;
use crate::world::Peer;

/// The time of the line that may be used at once behind a pause: a page appears at once, and a timer that is late
/// costs nothing of the rate.
const BURST: Duration = Duration::from_millis(250);

/// The number of pieces that a second of the line has: few enough that a slow response costs nothing, and enough
/// that a player does not notice them.
const PIECES: u64 = 20;

/// The largest piece: one output.
const MOST_PIECE: u64 = 64 << 10;

/// The least rate, in bytes a second: a piece is then of 50 bytes.
const LEAST_RATE: u64 = 1000;

/// A limit of the content that each address is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BandwidthRule {
    /// The paths whose responses count.
    pub path: PathGlob,
    /// Bytes in a second.
    pub per_second: u64,
}

impl BandwidthRule {
    /// Reads a rate: `1MB/s`, `512KiB/s`, `64K/s`.
    pub fn parse_rate(text: &str) -> Result<u64, String> {
        let wrong = || format!("write a rate such as 1MB/s, 512KiB/s or 64K/s, not '{text}'");
        let number = text.strip_suffix("/s").ok_or_else(wrong)?.trim();
        let decimal = [("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)];
        let decimal = decimal.iter().find_map(|(unit, factor)| {
            let number: u64 = number.strip_suffix(unit)?.trim().parse().ok()?;
            number.checked_mul(*factor)
        });
        let per_second = match decimal {
            Some(bytes) => bytes,
            None => quantity::bytes(number.trim_end_matches("iB")).ok_or_else(wrong)?,
        };
        if per_second < LEAST_RATE {
            return Err("a rate is at least 1KB/s; to send nothing, write a 'deny'".into());
        }
        Ok(per_second)
    }
}

/// The lines of the addresses of one rule.
#[derive(Debug)]
struct AddressLines {
    per_second: u64,
    /// The end of what is reserved of each line.
    ends: AddressTable<Instant>,
}

impl AddressLines {
    /// The time that so many bytes take.
    fn time_of(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.per_second as f64)
    }

    fn piece(&self) -> u64 {
        (self.per_second / PIECES).min(MOST_PIECE)
    }
}

/// The limits of a host. The first of a path decides.
#[derive(Debug, Default)]
pub(super) struct Bandwidths(Vec<(PathGlob, Rc<RefCell<AddressLines>>)>);

impl Bandwidths {
    pub fn new(rules: &[BandwidthRule]) -> Self {
        let lines = |rule: &BandwidthRule| {
            let lines = AddressLines {
                per_second: rule.per_second,
                ends: AddressTable::default(),
            };
            (rule.path.clone(), Rc::new(RefCell::new(lines)))
        };
        Bandwidths(rules.iter().map(lines).collect())
    }

    /// The paths that are limited.
    pub fn paths(&self) -> impl Iterator<Item = &PathGlob> {
        self.0.iter().map(|(path, _)| path)
    }

    /// Goes on with the lines of limits that are the same in `former`: responses that are open have their share.
    pub fn follow(&mut self, former: &Bandwidths) {
        for (path, lines) in &mut self.0 {
            let rate = lines.borrow().per_second;
            let mut known = former.0.iter();
            let known = known.find(|(of, old)| of == path && old.borrow().per_second == rate);
            if let Some((_, known)) = known {
                *lines = known.clone();
            }
        }
    }

    /// The pace of the response to a request. Clients of a Unix socket have no address, and all the bandwidth.
    pub fn pace(&self, visit: &Visit<'_>) -> Option<Pace> {
        let Peer::Ip(address) = visit.request.peer else {
            return None;
        };
        let mut rules = self.0.iter();
        let (_, lines) = rules.find(|(path, _)| path.matches(visit.path))?;
        Some(Pace {
            lines: lines.clone(),
            address,
            state: PaceState::Idle,
        })
    }
}

/// The pace of a response: its share of the line of its client's address.
#[derive(Debug)]
pub struct Pace {
    lines: Rc<RefCell<AddressLines>>,
    address: IpAddr,
    state: PaceState,
}

/// The reservation of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PaceState {
    /// None.
    Idle,
    /// A number of bytes, from then on.
    Reserved { bytes: u64, from: Instant },
}

impl Pace {
    /// The number of bytes that may be sent now, at least one; or the time at which some may.
    pub(super) fn allowed(&mut self, now: Instant) -> Result<u64, Instant> {
        let (bytes, from) = match self.state {
            PaceState::Reserved { bytes, from } => (bytes, from),
            PaceState::Idle => {
                let mut lines = self.lines.borrow_mut();
                let bytes = lines.piece();
                let time = lines.time_of(bytes);
                let earliest = now.checked_sub(BURST).unwrap_or(now);
                let end = lines.ends.entry(self.address, earliest);
                let from = (*end).max(earliest);
                *end = from + time;
                self.state = PaceState::Reserved { bytes, from };
                (bytes, from)
            }
        };
        if from <= now { Ok(bytes) } else { Err(from) }
    }

    /// Counts bytes that are sent, of those that were allowed.
    pub(super) fn spend(&mut self, sent: u64) {
        if let PaceState::Reserved { bytes, from } = self.state {
            self.state = match bytes.saturating_sub(sent) {
                0 => PaceState::Idle,
                bytes => PaceState::Reserved { bytes, from },
            };
        }
    }
}

impl Drop for Pace {
    /// Gives back what is not used: others are waiting behind it.
    fn drop(&mut self) {
        if let PaceState::Reserved { bytes, from } = self.state {
            let mut lines = self.lines.borrow_mut();
            let time = lines.time_of(bytes);
            let end = lines.ends.entry(self.address, from);
            *end = end.checked_sub(time).unwrap_or(*end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Request;
    use crate::http::{Fields, Scheme};

    fn pace(all: &Bandwidths, address: [u8; 4]) -> Pace {
        let fields = Fields::new();
        let request = Request::new(&fields, Peer::Ip(address.into()));
        let visit = Visit {
            request: &request,
            path: b"/x",
            scheme: Scheme::Http,
        };
        all.pace(&visit).unwrap()
    }

    /// Limits of 20,000 bytes a second: a piece has 1,000 bytes and takes 50 ms, and five are a burst.
    fn limits() -> Bandwidths {
        Bandwidths::new(&[BandwidthRule {
            path: PathGlob::parse("/**").unwrap(),
            per_second: 20_000,
        }])
    }

    /// Bytes that the responses send in a time, each when it may.
    fn sent(paces: &mut [Pace], from: Instant, time: Duration) -> Vec<u64> {
        let mut sent = vec![0; paces.len()];
        for tick in 0..=time.as_millis() as u32 {
            let now = from + Duration::from_millis(1) * tick;
            for (pace, sent) in paces.iter_mut().zip(&mut sent) {
                while let Ok(bytes) = pace.allowed(now) {
                    pace.spend(bytes);
                    *sent += bytes;
                }
            }
        }
        sent
    }

    #[test]
    fn rates_have_units() {
        for (text, bytes) in [
            ("1MB/s", 1_000_000),
            ("512 KB/s", 512_000),
            ("2GB/s", 2_000_000_000),
            ("1MiB/s", 1 << 20),
            ("64K/s", 64 << 10),
            ("5000/s", 5000),
        ] {
            assert_eq!(BandwidthRule::parse_rate(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "1MB",
            "MB/s",
            "1MB/m",
            "0/s",
            "999/s",
            "-1K/s",
            "99999999999GB/s",
        ] {
            assert!(BandwidthRule::parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_has_a_burst_and_then_its_rate_whatever_the_number_of_responses() {
        let (all, now) = (limits(), Instant::now());
        let mut paces: Vec<_> = (0..4).map(|_| pace(&all, [192, 0, 2, 1])).collect();
        let each = sent(&mut paces, now, Duration::from_secs(10));
        let total: u64 = each.iter().sum();
        assert!((200_000..=206_000).contains(&total), "{each:?}");
        // In turns, but for the burst, which the first one has.
        assert!(each.iter().all(|sent| *sent > 45_000), "{each:?}");
        let mut other = [pace(&all, [192, 0, 2, 2])];
        let alone = sent(&mut other, now, Duration::from_secs(1));
        assert!((20_000..=26_000).contains(&alone[0]), "{alone:?}");
    }

    #[test]
    fn a_response_that_is_given_up_gives_its_place_back() {
        let (all, now) = (limits(), Instant::now());
        for _ in 0..1000 {
            let _ = pace(&all, [192, 0, 2, 1]).allowed(now);
        }
        let mut last = pace(&all, [192, 0, 2, 1]);
        assert_eq!(last.allowed(now), Ok(1000));
        // Half of a piece is still allowed, without another reservation.
        last.spend(500);
        assert_eq!(last.allowed(now), Ok(500));
    }

    #[test]
    fn a_response_is_asked_again_when_its_piece_is_due() {
        let (all, now) = (limits(), Instant::now());
        let mut paces: Vec<_> = (0..100).map(|_| pace(&all, [192, 0, 2, 1])).collect();
        let mut due: Vec<_> = paces
            .iter_mut()
            .filter_map(|it| it.allowed(now).err())
            .collect();
        due.dedup();
        assert_eq!(due.len(), 94, "each has a time of its own but the burst");
        assert!(
            due.windows(2)
                .all(|two| two[1] - two[0] > Duration::from_millis(49))
        );
    }

    #[test]
    fn a_limit_that_stays_goes_on_with_its_lines_and_another_begins_anew() {
        let now = Instant::now();
        let former = limits();
        let mut open = pace(&former, [10, 0, 0, 1]);
        while open.allowed(now).is_ok() {
            open.spend(1_000);
        }
        let mut same = limits();
        same.follow(&former);
        assert!(pace(&same, [10, 0, 0, 1]).allowed(now).is_err());
        let mut other = Bandwidths::new(&[BandwidthRule {
            path: PathGlob::parse("/**").unwrap(),
            per_second: 30_000,
        }]);
        other.follow(&former);
        assert!(pace(&other, [10, 0, 0, 1]).allowed(now).is_ok());
    }
}
