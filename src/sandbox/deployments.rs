//! Directories into which deployments will put what a path names next.
//!
//! A Landlock rule belongs to a directory as it is now. A directory that is made anew, or that a link
//! will lead to, is in reach only if one above it was granted: its parent, the directory of each link
//! on the way, and the parent of what each link leads to today.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Links on the way to one directory, as many as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Directories that hold much beside sites, secrets among it. An operator who deploys into one of them
/// itself names it with `--sandbox-read`.
const SHARED: [&str; 9] = [
    "/", "/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/usr", "/var",
];

/// Accounts of people have numbers from here on, those of services smaller ones (login.defs(5)).
const FIRST_PERSON: u32 = 1_000;

/// Directories around a path (the module's text defines them), and those of them that are too much to be
/// granted unasked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Around {
    pub near: Vec<PathBuf>,
    pub too_wide: Vec<PathBuf>,
}

/// The directories around `path`. `homes` are the directories of people.
pub(super) fn around(path: &Path, homes: &[PathBuf]) -> Around {
    let mut around = Around::default();
    let mut add = |directory: Option<&Path>| {
        let Some(directory) = directory else {
            return;
        };
        let shared = SHARED.iter().any(|shared| directory == Path::new(shared));
        let list = if shared || homes.iter().any(|home| home.starts_with(directory)) {
            &mut around.too_wide
        } else {
            &mut around.near
        };
        if !list.iter().any(|known| known == directory) {
            list.push(directory.to_owned());
        }
    };
    let mut at = PathBuf::from("/");
    let reversed = |path: &Path| {
        let components = path.components().rev();
        components
            .map(|part| part.as_os_str().to_owned())
            .collect::<Vec<_>>()
    };
    let mut rest = reversed(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => {
                at.pop();
            }
            Some(Component::Normal(name)) => {
                let next = at.join(name);
                match fs::read_link(&next) {
                    Ok(target) if links < MOST_LINKS => {
                        links += 1;
                        add(Some(&at));
                        add(next.canonicalize().ok().as_deref().and_then(Path::parent));
                        if target.is_absolute() {
                            at = PathBuf::from("/");
                        }
                        rest.extend(reversed(&target));
                    }
                    _ => at = next,
                }
            }
            _ => {}
        }
    }
    add(at.parent());
    around
}

/// The home directories of this machine's people: that of the user who started the process, and those in
/// `/etc/passwd`.
pub(super) fn homes() -> Vec<PathBuf> {
    let passwd = fs::read("/etc/passwd").unwrap_or_default();
    let mine = std::env::var_os("HOME").map(PathBuf::from);
    let of_people = homes_in(&String::from_utf8_lossy(&passwd));
    let all = mine.into_iter().chain(of_people);
    let is_home = |home: &PathBuf| home.is_absolute() && home != Path::new("/");
    all.filter(is_home)
        .map(|home| home.canonicalize().unwrap_or(home))
        .collect()
}

fn homes_in(passwd: &str) -> Vec<PathBuf> {
    // name:password:uid:gid:comment:home:shell
    let home = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let uid: u32 = fields.get(2)?.parse().ok()?;
        let is_person = uid == 0 || uid >= FIRST_PERSON;
        is_person.then(|| PathBuf::from(fields.get(5).copied().unwrap_or_default()))
    };
    passwd.lines().filter_map(home).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_hop_of_links_is_near() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        for name in ["app", "data/rel1/public", "mnt"] {
            fs::create_dir_all(path.join(name)).unwrap();
        }
        let near = |name: &str| {
            let near = around(&path.join(name), &[]).near;
            let short = |near: &PathBuf| near.strip_prefix(&path).unwrap().display().to_string();
            near.iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(near("app/site"), ["app"]);
        symlink("../data/rel1", path.join("app/current")).unwrap();
        assert_eq!(near("app/current"), ["app", "data"]);
        assert_eq!(near("app/current/public"), ["app", "data", "data/rel1"]);
        symlink(path.join("app/current"), path.join("mnt/www")).unwrap();
        assert_eq!(near("mnt/www/public"), ["mnt", "data", "app", "data/rel1"]);
        symlink("loop", path.join("mnt/loop")).unwrap();
        assert_eq!(near("mnt/loop"), ["mnt"]);
    }

    #[test]
    fn neither_the_machine_nor_a_home_directory_is_near() {
        let homes =
            homes_in("root:x:0:0:r:/users/r:/bin/sh\nu:x:1000:1000::/users/u:\nweb:x:33:33::/srv:");
        assert_eq!(homes, [PathBuf::from("/users/r"), "/users/u".into()]);
        for (path, parent) in [
            ("/site", "/"),
            ("/users/u/site", "/users/u"),
            ("/users/site", "/users"),
            ("/users/r/site", "/users/r"),
            ("/var/www", "/var"),
            ("/etc/site", "/etc"),
        ] {
            let around = around(Path::new(path), &homes);
            assert_eq!(
                (around.near, around.too_wide),
                (vec![], vec![parent.into()]),
                "{path}"
            );
        }
        for (path, parent) in [
            ("/srv/site", "/srv"),
            ("/users/u/pages/site", "/users/u/pages"),
            ("/var/www/html", "/var/www"),
            ("/users/u/a/../b/site", "/users/u/b"),
        ] {
            assert_eq!(
                around(Path::new(path), &homes).near,
                [PathBuf::from(parent)],
                "{path}"
            );
        }
    }
}
