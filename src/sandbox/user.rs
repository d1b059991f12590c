//! Another user than root: found in `/etc/passwd` and `/etc/group`, become before serving.
//!
//! The two files are read as they are instead of through the C library, whose answers may come from
//! plugins and sockets; a user that only a directory service knows is given by number.

use super::Report;
use crate::config::User;
use rustix::io::Errno;
use rustix::process::{geteuid, getgid, getgroups, getuid};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use rustix::thread::{Gid, Uid};
use rustix::thread::{clear_ambient_capability_set, remove_capability_from_bounding_set};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::io;

/// The user of `--user NAME[:GROUP]`; both may be numbers. Without a group it is in all of its own,
/// with one only in that.
pub fn find(text: &str) -> Result<User, String> {
    // Without the files, as in a container of one program, numbers still do.
    let read =
        |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    find_in(text, &read("/etc/passwd"), &read("/etc/group"))
}

fn find_in(text: &str, passwd: &str, group: &str) -> Result<User, String> {
    let (name, group_name) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (text, None),
    };
    // name:password:uid:gid:comment:home:shell
    let entry = entry(passwd, name);
    let uid = id(name, entry.as_ref())
        .ok_or_else(|| format!("there is no user '{name}'; add one, or write a number"))?;
    let (gid, groups) = match group_name {
        Some(group_name) => {
            // name:password:gid:members
            let gid = id(group_name, self::entry(group, group_name).as_ref())
                .ok_or_else(|| format!("there is no group '{group_name}'"))?;
            (gid, vec![gid])
        }
        None => {
            let gid = entry.as_ref().and_then(|entry| entry.get(3)?.parse().ok());
            let gid = gid.ok_or_else(|| format!("name a group too, as {name}:GROUP"))?;
            (gid, groups_of(name, gid, group))
        }
    };
    Ok(User {
        name: text.to_owned(),
        uid,
        gid,
        groups,
    })
}

/// The line of a name, or of the number in its third field, taken apart.
fn entry<'a>(file: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let mut entries = file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let of_name = |entry: &Vec<&str>| entry[0] == name || entry.get(2) == Some(&name);
    entries.find(of_name)
}

/// The number in an entry, else the name itself where that is one. The highest is not a number but
/// the system's "no change".
fn id(name: &str, entry: Option<&Vec<&str>>) -> Option<u32> {
    let number = entry.map_or(Some(name), |entry| entry.get(2).copied());
    number?.parse().ok().filter(|&number| number != u32::MAX)
}

/// The groups that list `name` as a member, after its first one.
fn groups_of(name: &str, first: u32, group: &str) -> Vec<u32> {
    let listed = group.lines().filter_map(|line| {
        let (entry, members) = line.rsplit_once(':')?;
        let gid = entry.split(':').nth(2)?.parse().ok()?;
        let is_member = members.split(',').any(|member| member.trim() == name);
        (is_member && gid != first).then_some(gid)
    });
    std::iter::once(first).chain(listed).collect()
}

/// Becomes that user for good: real, effective and saved, with no group of the old one and no
/// capability left, whoever started the program. What could not be given up is told in the report.
pub(super) fn switch(user: &User, report: &mut Report) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    empty_bounding_set();
    let is_already = (getuid(), geteuid(), getgid()) == (uid, uid, gid);
    // The groups first: without root they can no longer be changed.
    if let Some(left) = set_groups(user, is_already)? {
        report.missing.push(left);
    }
    if !is_already {
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
    }
    drop_capabilities()
}

/// Leaves all groups but the user's. Who started as that user may have others, and no right to leave
/// them: then they are told.
fn set_groups(user: &User, is_already: bool) -> io::Result<Option<String>> {
    let wanted: Vec<Gid> = user.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    match set_thread_groups(&wanted) {
        Err(Errno::PERM) if is_already => {
            let foreign = |gid: &Gid| !wanted.contains(gid);
            let foreign: Vec<Gid> = getgroups()?.into_iter().filter(foreign).collect();
            let numbers: Vec<String> = foreign.iter().map(|gid| gid.to_string()).collect();
            let what = format!(
                "still in the groups {} (--user): only root can leave them, start as root",
                numbers.join(", ")
            );
            Ok((!numbers.is_empty()).then_some(what))
        }
        result => Ok(result.map(|()| None)?),
    }
}

/// Takes every capability out of what a program started later could have, as far as there is a right to.
/// It is one more wall only: no program is started.
fn empty_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        // Without the right to, nothing else is lost.
        let _ = remove_capability_from_bounding_set(capability);
    }
}

/// Gives all capabilities up: those that are left of root, of the program's file, or ambient ones.
fn drop_capabilities() -> io::Result<()> {
    match clear_ambient_capability_set() {
        // Before Linux 4.3 there were none.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)?;
    if capabilities(None)? != none {
        return Err(io::Error::other("capabilities are left"));
    }
    Ok(())
}

/// Who the process is now, and for root how it could be less.
pub(super) fn describe(user: Option<&User>) -> String {
    match user {
        Some(user) => format!("user {} (uid {}), no capabilities", user.name, user.uid),
        None if geteuid().is_root() => "still root (--user NAME gives that up)".into(),
        None => format!("uid {}", geteuid().as_raw()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:Web:/srv:/bin/false\n\nbroken";
    const GROUP: &str = "root:x:0:\nweb:x:34:web\nkeys:x:110:alice,web\nadm:x:4:alice\nbroken";

    fn found(text: &str) -> Result<(u32, u32, Vec<u32>), String> {
        find_in(text, PASSWD, GROUP).map(|user| (user.uid, user.gid, user.groups))
    }

    #[test]
    fn a_name_brings_all_of_its_groups() {
        assert_eq!(found("web"), Ok((33, 34, vec![34, 110])));
    }

    #[test]
    fn a_group_that_is_named_is_the_only_one() {
        assert_eq!(found("web:keys"), Ok((33, 110, vec![110])));
        assert_eq!(found("web:5000"), Ok((33, 5000, vec![5000])));
    }

    #[test]
    fn numbers_need_no_entry() {
        assert_eq!(found("33"), Ok((33, 34, vec![34])));
        assert_eq!(found("1000:1000"), Ok((1000, 1000, vec![1000])));
        assert!(found("1000").unwrap_err().contains("1000:GROUP"));
    }

    #[test]
    fn what_is_unknown_is_told() {
        assert!(found("nobody").unwrap_err().contains("no user 'nobody'"));
        assert!(found("web:nobody").unwrap_err().contains("no group"));
        for text in [
            "",
            ":",
            "web:",
            ":web",
            "broken",
            "-1",
            "4294967295:0",
            "4294967296:0",
        ] {
            assert!(found(text).is_err(), "{text}");
        }
    }
}
