//! The directory that has the root's name: what it may be, and its replacement by another one.

use super::*;

#[test]
fn a_root_that_cannot_be_served_is_named_with_its_mend() {
    let tree = Tree::new();
    let problem = |path: &str| {
        let error = Root::open(&tree.root().join(path)).unwrap_err().to_string();
        error.replace(tree.root().to_str().unwrap(), "ROOT")
    };
    assert_eq!(
        problem("x"),
        "there is no directory 'ROOT/x'; name the one to serve: calmd DIR, or root of a [[host]]"
    );
    assert_eq!(
        problem("f"),
        "'ROOT/f' is not a directory; name the one to serve: calmd DIR, or root of a [[host]]"
    );
    assert!(problem(&"x".repeat(300)).contains("cannot be opened"));
}

#[test]
fn names_that_come_and_go_in_the_root_are_noticed() {
    let tree = Tree::new();
    let path = tree.directory.path();
    let mut root = Root::open(path).unwrap();
    let age = || {
        let past = SystemTime::now() - Duration::from_secs(60);
        fs::File::open(path).unwrap().set_modified(past).unwrap();
    };
    age();
    assert_eq!(root.follow_root(), RootChange::Touched, "the first look");
    assert_eq!(root.follow_root(), RootChange::Same);
    fs::write(path.join("new"), "").unwrap();
    assert_eq!(root.follow_root(), RootChange::Touched);
    assert_eq!(
        root.follow_root(),
        RootChange::Touched,
        "another may have come"
    );
    age();
    assert_eq!(root.follow_root(), RootChange::Touched);
    assert_eq!(root.follow_root(), RootChange::Same);
}

/// The change of the root's name, and the content that is served then.
fn after(root: &mut Root) -> (RootChange, Option<String>) {
    (root.follow_root(), content(root, "f").ok())
}

#[test]
fn the_directory_that_has_the_roots_name_is_served_and_what_is_open_stays() {
    let tree = Tree::new();
    let path = |name: &str| tree.directory.path().join(name);
    let release = |name: &str| {
        fs::create_dir_all(path(name)).unwrap();
        fs::write(path(name).join("f"), name).unwrap();
    };
    let moved = |content: &str| (RootChange::Moved, Some(content.to_owned()));
    // A directory that is so new may have got names since the last look.
    let same = |content: &str| (RootChange::Touched, Some(content.to_owned()));
    release("one");
    release("two");
    symlink("one", path("current")).unwrap();
    let mut root = Root::open(&path("current")).unwrap();
    assert_eq!(after(&mut root), same("one"));
    let (open, _) = root.open(b"f").unwrap();

    symlink("two", path("next")).unwrap();
    fs::rename(path("next"), path("current")).unwrap();
    assert_eq!(
        content(&mut root, "f").unwrap(),
        "one",
        "until it is looked up"
    );
    assert_eq!(after(&mut root), moved("two"));
    assert_eq!(after(&mut root), same("two"));
    fs::remove_dir_all(path("one")).unwrap();
    let mut out = Vec::new();
    assert_eq!(root.reads().read_at(&open, 0, &mut out, 9).unwrap(), 3);

    fs::rename(path("two"), path("old")).unwrap();
    assert_eq!(
        after(&mut root),
        (RootChange::Same, Some("two".to_owned())),
        "the old one exists, elsewhere"
    );
    assert!(root.trouble.is_some());
    fs::remove_dir_all(path("old")).unwrap();
    assert_eq!(after(&mut root), (RootChange::Same, None));
    fs::write(path("two"), "no directory").unwrap();
    assert_eq!(after(&mut root), (RootChange::Same, None));
    fs::remove_file(path("two")).unwrap();
    release("two");
    assert_eq!(after(&mut root), moved("two"));
    assert!(root.trouble.is_none());
}

#[test]
fn a_link_with_the_roots_name_leads_to_the_present_root() {
    let tree = Tree::new();
    let path = |name: &str| tree.directory.path().join(name);
    symlink("root", path("current")).unwrap();
    symlink(path("current/a/b/f"), tree.root().join("named")).unwrap();
    symlink(path("root/a/b/f"), tree.root().join("real")).unwrap();
    for name in ["current", "root"] {
        let mut root = Root::open(&path(name)).unwrap();
        assert_eq!(content(&mut root, "real").unwrap(), "inside");
        assert_eq!(content(&mut root, "named").is_ok(), name == "current");
    }
}
