//! Shares in the descriptors that the system allows this process (RLIMIT_NOFILE). Connections leave
//! some for the files that are sent on them.

use crate::server::LEAVING;

/// Descriptors of the server's own: standard streams, poll, signals, listeners, logs, the root, and
/// those that are open for the length of a call, which are a file with its sidecars and a directory
/// that is listed. Rounded up generously.
const OWN: usize = 32;

/// Files get one of this many parts where descriptors are scarce: three connections to a file. That
/// suffices, because most connections are idle, most files that are sent are in memory, and a file
/// whose reader waits is closed.
const FILES_PART: usize = 4;

/// The most descriptors that are kept back for files. A server that sends more files at once reads them
/// by turns.
const FILES_RESERVE: usize = 1_024;

/// The fewest connections that the server runs with.
const LEAST: usize = 8;

/// The lowest limit that the server runs with. Below it, connections would fail in ways that name no reason.
pub(super) const LEAST_LIMIT: u64 = (OWN + LEAST) as u64;

/// Number of descriptors for each use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DescriptorShares {
    /// Connections at a time.
    pub connections: usize,
    /// Files that responses are sent from.
    pub files: usize,
}

impl DescriptorShares {
    /// Divides `limit` descriptors among connections and files, at most as many as `most` names. `None`
    /// is no limit.
    pub fn of(limit: Option<u64>, most: DescriptorShares) -> DescriptorShares {
        let limit = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        // Connections that linger after a refusal are not among `connections`.
        let left = limit.saturating_sub(OWN + LEAVING);
        let reserve = (left / FILES_PART).min(FILES_RESERVE).min(most.files);
        let connections = most.connections.min((left - reserve).max(LEAST));
        DescriptorShares {
            connections,
            files: most.files.min(left.saturating_sub(connections).max(LEAST)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: DescriptorShares = DescriptorShares {
        connections: 20_000,
        files: 20_000,
    };

    #[test]
    fn connections_and_files_never_take_more_than_there_are_and_leave_each_other_some() {
        assert_eq!(DescriptorShares::of(None, MOST), MOST);
        assert_eq!(DescriptorShares::of(Some(1 << 20), MOST), MOST);
        for limit in [256, 1_024, 4_096, 25_000, 40_000] {
            let DescriptorShares { connections, files } = DescriptorShares::of(Some(limit), MOST);
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
        let most = DescriptorShares {
            connections: 100,
            files: 20_000,
        };
        let shares = DescriptorShares::of(Some(1_024), most);
        assert_eq!(
            (shares.connections, shares.files),
            (100, 1_024 - OWN - LEAVING - 100)
        );
    }

    #[test]
    fn a_limit_that_is_next_to_nothing_still_serves_somebody() {
        let shares = DescriptorShares::of(Some(3), MOST);
        assert_eq!((shares.connections, shares.files), (LEAST, LEAST));
    }
}
