//! The memory that this process's control group may take: where a container's limit stands, which ends a
//! process that passes it (cgroups(7)).

use std::fs;
use std::path::Path;

/// Mount points of control groups: of version 2, and of the memory controller's own hierarchy in version 1.
const UNIFIED: &str = "/sys/fs/cgroup";
const MEMORY: &str = "/sys/fs/cgroup/memory";

/// The least limit of the process's group and those above it, in bytes; `None` where there is none.
pub fn memory_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_of(&groups, |path| fs::read_to_string(path).ok())
}

/// The least limit of the groups in the text of `/proc/self/cgroup`; `read` gives the texts of other files.
/// A container that does not see the groups above its own has its own at the mount.
fn limit_of(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let (mount, file) = match controllers {
            "" => (UNIFIED, "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                (MEMORY, "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let above = Path::new(group.trim_start_matches('/')).ancestors();
        // Version 2 says "max" where there is no limit, version 1 a number beyond all memory.
        above
            .filter_map(|group| read(&Path::new(mount).join(group).join(file)))
            .filter_map(|text| text.trim().parse().ok())
            .collect()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit where these files have these texts.
    fn limit(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        limit_of(groups, |path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| format!("{text}\n"))
        })
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let groups = "0::/system.slice/calmd.service\n";
        let own = "/sys/fs/cgroup/system.slice/calmd.service/memory.max";
        let above = "/sys/fs/cgroup/system.slice/memory.max";
        assert_eq!(
            limit(groups, &[(own, "16777216"), (above, "max")]),
            Some(16 << 20)
        );
        assert_eq!(limit(groups, &[(own, "max"), (above, "1000")]), Some(1000));
        assert_eq!(limit(groups, &[(own, "2000"), (above, "1000")]), Some(1000));
        assert_eq!(limit(groups, &[(own, "max"), (above, "max")]), None);
        assert_eq!(limit(groups, &[]), None);
    }

    #[test]
    fn a_container_has_its_limit_at_the_mount() {
        assert_eq!(
            limit("0::/\n", &[("/sys/fs/cgroup/memory.max", "1000")]),
            Some(1000)
        );
        let groups = "3:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n1:name=systemd:/\n";
        let mount = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(limit(groups, &[(mount, "1000")]), Some(1000));
    }

    #[test]
    fn other_controllers_and_other_texts_say_nothing() {
        let files = [("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000")];
        assert_eq!(limit("2:cpu:/\n", &files), None);
        assert_eq!(limit("", &files), None);
        assert_eq!(limit("nonsense\n", &files), None);
    }
}
