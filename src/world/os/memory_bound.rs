//! Memory that this process may take before it is ended: the bound of its control group, and that of its
//! addresses (`ulimit -v`, `LimitAS=`), beyond which no allocation succeeds.

use std::fs;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

use super::cgroup;

/// A bound of memory, and its name for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBound {
    /// The beginning of a sentence.
    pub name: &'static str,
    /// Number of bytes that may still be taken.
    pub bytes: u64,
}

impl MemoryBound {
    /// The least of the bounds that there are.
    pub fn least() -> Option<MemoryBound> {
        let group = cgroup::memory_limit().map(|bytes| MemoryBound {
            name: "the control group's limit of memory",
            bytes,
        });
        let addresses = getrlimit(Resource::As).current.map(|limit| MemoryBound {
            name: "the limit of addresses (ulimit -v)",
            bytes: left(
                limit,
                fs::read_to_string("/proc/self/statm").ok().as_deref(),
            ),
        });
        group
            .into_iter()
            .chain(addresses)
            .min_by_key(|bound| bound.bytes)
    }
}

/// Addresses that are left of a limit, by the text of `/proc/self/statm` (proc(5)), which begins with the number
/// of pages in use. Without that text the program is taken to have used half of the limit.
fn left(limit: u64, pages: Option<&str>) -> u64 {
    let used = pages.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let used = used.map_or(limit / 2, |pages| pages.saturating_mul(page_size() as u64));
    limit.saturating_sub(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_itself_has_its_part_of_a_limit_of_addresses() {
        let page = page_size() as u64;
        assert_eq!(left(100 * page, Some("30 5 4 3 0 2 0\n")), 70 * page);
        assert_eq!(left(20 * page, Some("30 5 4 3 0 2 0\n")), 0);
        assert_eq!(left(100 * page, None), 50 * page);
        assert_eq!(left(100 * page, Some("nonsense")), 50 * page);
    }
}
