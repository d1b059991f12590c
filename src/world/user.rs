//! Users of this machine, found in `/etc/passwd` and `/etc/group`.
//!
//! The two files are read as they are instead of through the C library, whose answers may come from
//! plugins and sockets; a user that only a directory service knows is given by number.

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name and the group as the operator wrote them.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
    /// All of its groups, the first one among them.
    pub groups: Vec<u32>,
}

impl User {
    /// The user of `NAME[:GROUP]`, both of which may be numbers. Without a group it is in all of its own,
    /// with one only in that. The error says what is wrong and the mend.
    pub fn find(text: &str) -> Result<User, String> {
        // Without the files, as in a container of one program, numbers still do.
        let read =
            |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        find_in(text, &read("/etc/passwd"), &read("/etc/group"))
    }
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
    let of_name = |entry: &Vec<&str>| entry.first() == Some(&name) || entry.get(2) == Some(&name);
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
