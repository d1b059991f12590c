//! Own files in and beside a root, by every name that can lead to them.

use super::super::Root;
use super::super::tests::list;
use super::*;
use crate::world::Files;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A directory with a root, `site`, in it.
struct Place(TempDir);

impl Place {
    fn new(files: &[&str]) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir(place.at("site")).unwrap();
        for file in files {
            place.write(file);
        }
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), path).unwrap();
    }

    fn root(&self, own: &[(&str, OwnExtent)]) -> Root {
        let mut root = Root::open(&self.at("site")).unwrap();
        let own = own.iter().map(|(path, extent)| OwnFile {
            path: self.at(path),
            extent: *extent,
            what: "it",
            mend: "move it",
        });
        root.keep_private(own.collect::<Vec<_>>());
        root
    }
}

fn opens(root: &mut Root, path: &str) -> bool {
    root.open(path.as_bytes()).is_ok()
}

fn names(root: &mut Root) -> Vec<String> {
    let entries = list(root, b"", 100).unwrap().entries;
    let mut names: Vec<_> = entries
        .into_iter()
        .map(|entry| String::from_utf8(entry.name).unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn an_own_file_is_hidden_under_every_name_that_leads_to_it() {
    let place = Place::new(&["site/key", "outside", "site/page", "site/a/x"]);
    symlink("key", place.at("site/soft")).unwrap();
    symlink(place.at("site/key"), place.at("site/absolute")).unwrap();
    symlink("..", place.at("site/a/up")).unwrap();
    fs::hard_link(place.at("site/key"), place.at("site/hard")).unwrap();
    fs::hard_link(place.at("outside"), place.at("site/twin")).unwrap();
    let own = [
        ("site/key", OwnExtent::Namesakes),
        ("outside", OwnExtent::Namesakes),
    ];
    let mut root = place.root(&own);
    for path in ["key", "soft", "absolute", "hard", "twin", "a/up/key"] {
        assert!(!opens(&mut root, path), "{path}");
    }
    assert!(opens(&mut root, "page") && opens(&mut root, "a/up/page"));
    assert_eq!(names(&mut root), ["a", "page"]);
}

#[test]
fn what_takes_the_place_of_an_own_file_is_own_before_anybody_says_so() {
    let place = Place::new(&["keys/key", "site/page"]);
    fs::hard_link(place.at("keys/key"), place.at("site/old")).unwrap();
    let mut root = place.root(&[("keys/key", OwnExtent::Namesakes)]);
    assert!(!opens(&mut root, "old"));
    place.write("keys/next");
    fs::rename(place.at("keys/next"), place.at("keys/key")).unwrap();
    fs::hard_link(place.at("keys/key"), place.at("site/new")).unwrap();
    assert!(!opens(&mut root, "new"));
}

#[test]
fn a_key_stays_private_after_another_took_its_name() {
    let place = Place::new(&["keys/key", "site/page"]);
    let mut root = place.root(&[("keys/key", OwnExtent::Neighbours)]);
    for at in 0..3 * MOST_KEYS {
        let old = format!("old{at}");
        fs::hard_link(place.at("keys/key"), place.at("site").join(&old)).unwrap();
        place.write("keys/next");
        fs::rename(place.at("keys/next"), place.at("keys/key")).unwrap();
        root.look_up_private();
        assert!(!opens(&mut root, &old));
        assert!(root.private.own.as_ref().unwrap().0.borrow().keys.len() <= MOST_KEYS);
    }
    for at in 0..3 * MOST_KEYS {
        fs::remove_file(place.at(&format!("site/old{at}"))).unwrap();
    }
    root.look_up_private();
    assert_eq!(
        root.private.own.as_ref().unwrap().0.borrow().keys.len(),
        1,
        "what has no name needs not be held"
    );
    assert_eq!(names(&mut root), ["page"]);
}

#[test]
fn rotated_logs_are_hidden_and_other_names_are_not() {
    let place = Place::new(&[
        "site/access",
        "site/access.1",
        "site/access.2.gz",
        "site/accessible",
    ]);
    let mut root = place.root(&[("site/access", OwnExtent::Namesakes)]);
    assert_eq!(names(&mut root), ["accessible"]);
    fs::rename(place.at("site/access"), place.at("site/access-2026")).unwrap();
    place.write("site/access");
    root.look_up_private();
    assert_eq!(names(&mut root), ["accessible"]);
    assert!(!opens(&mut root, "access-2026") && opens(&mut root, "accessible"));
}

#[test]
fn the_directory_of_a_key_is_hidden_with_whatever_comes_into_it() {
    let place = Place::new(&["site/tls/key", "site/tls/old/key0", "site/page"]);
    symlink("tls", place.at("site/other")).unwrap();
    symlink("tls/old", place.at("site/deeper")).unwrap();
    for extent in [OwnExtent::Neighbours, OwnExtent::Directory] {
        let own = match extent {
            OwnExtent::Directory => "site/tls",
            _ => "site/tls/key",
        };
        let mut root = place.root(&[(own, extent)]);
        place.write("site/tls/key2");
        for path in [
            "tls",
            "tls/key",
            "tls/old/key0",
            "tls/key2",
            "other",
            "other/key2",
            "deeper/key0",
        ] {
            assert!(!opens(&mut root, path), "{path} {extent:?}");
        }
        assert_eq!(names(&mut root), ["page"]);
        assert!(list(&mut root, b"tls", 9).is_err());
    }
}

#[test]
fn a_key_in_the_root_itself_does_not_hide_the_site() {
    let place = Place::new(&["site/key", "site/page", "site/key.old"]);
    let own = [
        ("site/key", OwnExtent::Neighbours),
        ("site", OwnExtent::Directory),
    ];
    let mut root = place.root(&own);
    assert_eq!(names(&mut root), ["page"]);
}

#[test]
fn links_of_acme_clients_hide_where_they_lead() {
    let place = Place::new(&[
        "site/archive/key1",
        "site/archive/key2",
        "site/page",
        "site/live/README",
    ]);
    symlink("../archive/key1", place.at("site/live/key")).unwrap();
    let mut root = place.root(&[("site/live/key", OwnExtent::Neighbours)]);
    for path in ["live/key", "archive/key1", "archive/key2", "live/README"] {
        assert!(!opens(&mut root, path), "{path}");
    }
    assert_eq!(names(&mut root), ["page"]);
}
