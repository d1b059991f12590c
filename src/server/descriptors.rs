//! Shares in the descriptors that the system lets this process have (RLIMIT_NOFILE), so that connections
//! leave some for the files that are sent on them.

use super::event_loop::LEAVING;

/// Descriptors of the server's own: standard streams, poll, signals, listeners, logs, the root, and what is
/// open for the length of a call: a file with its sidecars, a directory that is listed. Rounded up twice.
const OWN: usize = 32;

/// Where descriptors are scarce, files have this part of what is left of them. Four connections to a file:
/// most are idle, most files that are sent are in memory, and a file whose reader waits is closed.
const FILES_PART: usize = 4;

/// More than these are not kept from connections: whoever reads more files at the same time does so by
/// turns.
const FILES_RESERVE: usize = 1_024;

/// With fewer connections than this there is no server.
const LEAST: usize = 8;

/// How many descriptors may be taken for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Connections at a time.
    pub connections: usize,
    /// Files that responses are sent from.
    pub files: usize,
}

impl Shares {
    /// Divides so many descriptors, `None` being any number, among at most so many connections and files.
    pub fn of(limit: Option<u64>, most: Shares) -> Shares {
        let limit = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        // Those that were sent away linger beyond their number.
        let left = limit.saturating_sub(OWN + LEAVING);
        let reserve = (left / FILES_PART).min(FILES_RESERVE).min(most.files);
        let connections = most.connections.min((left - reserve).max(LEAST));
        Shares {
            connections,
            files: most.files.min(left.saturating_sub(connections).max(LEAST)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Shares = Shares {
        connections: 20_000,
        files: 20_000,
    };

    #[test]
    fn connections_and_files_never_take_more_than_there_are_and_leave_each_other_some() {
        assert_eq!(Shares::of(None, MOST), MOST);
        assert_eq!(Shares::of(Some(1 << 20), MOST), MOST);
        for limit in [256, 1_024, 4_096, 25_000, 40_000] {
            let Shares { connections, files } = Shares::of(Some(limit), MOST);
            assert!(
                (connections + files + OWN + LEAVING) as u64 <= limit,
                "{limit}"
            );
            let reserve = (limit as usize / 8 - 10).min(FILES_RESERVE);
            assert!(connections >= files && files >= reserve, "{limit}");
        }
    }

    #[test]
    fn few_connections_leave_the_rest_to_files() {
        let most = Shares {
            connections: 100,
            files: 20_000,
        };
        let shares = Shares::of(Some(1_024), most);
        assert_eq!(
            (shares.connections, shares.files),
            (100, 1_024 - OWN - LEAVING - 100)
        );
    }

    #[test]
    fn a_limit_that_is_next_to_nothing_still_serves_somebody() {
        let shares = Shares::of(Some(3), MOST);
        assert_eq!((shares.connections, shares.files), (LEAST, LEAST));
    }
}
