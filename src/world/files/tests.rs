//! The real files against a directory full of ways out of it.

mod directory;
mod root;

use super::*;
use crate::site::path::SitePath;
use crate::world::{Extent, FileReads};
use proptest::prelude::*;
use rustix::fs::{CWD, RenameFlags, mknodat, renameat_with};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BOTH: [Resolution; 2] = [Resolution::Kernel, Resolution::ComponentWise];

/// The first names of a directory.
pub(super) fn list(root: &mut Root, path: &[u8], max: usize) -> io::Result<SeenNames> {
    let mut directory = root.open_directory(path)?;
    read_names(root, &mut directory, max)
}

/// The next names of a directory.
fn read_names(root: &mut Root, directory: &mut OpenDirectory, max: usize) -> io::Result<SeenNames> {
    let mut entries = Vec::new();
    let mut take = |name: &[u8], metadata: &Metadata| {
        entries.push(SeenName {
            name: name.to_vec(),
            metadata: *metadata,
        });
    };
    let extent = root.read_directory(directory, max, &mut take)?;
    Ok(SeenNames { entries, extent })
}

/// Names of a directory.
#[derive(Debug)]
pub(super) struct SeenNames {
    pub(super) entries: Vec<SeenName>,
    pub(super) extent: Extent,
}

#[derive(Debug)]
pub(super) struct SeenName {
    pub(super) name: Vec<u8>,
    pub(super) metadata: Metadata,
}

/// A directory with a root in it, and files beside the root that must not be reached.
struct Tree {
    directory: TempDir,
}

impl Tree {
    fn new() -> Tree {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree { directory };
        fs::create_dir_all(tree.root().join("a/b")).unwrap();
        fs::create_dir(tree.outside()).unwrap();
        fs::write(tree.outside().join("f"), "outside").unwrap();
        fs::write(tree.root().join("f"), "root").unwrap();
        fs::write(tree.root().join("a/b/f"), "inside").unwrap();
        tree
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    /// The root with one of the methods to stay beneath it. The kernel's may be missing.
    fn open(&self, resolution: Resolution) -> Root {
        let mut root = Root::open(&self.root()).unwrap();
        if resolution == Resolution::ComponentWise {
            root.place.resolution = resolution;
        }
        root
    }
}

fn content(root: &mut Root, path: &str) -> io::Result<String> {
    let (file, metadata) = root.open(path.as_bytes())?;
    let mut out = Vec::new();
    let read = root.reads().read_at(&file, 0, &mut out, 100)?;
    assert_eq!((read as u64, read), (metadata.len, out.len()));
    Ok(String::from_utf8(out).unwrap())
}

fn is_missing(root: &mut Root, path: impl AsRef<[u8]>) -> bool {
    let error = root.open(path.as_ref()).err();
    error.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[test]
fn files_and_directories_beneath_the_root_are_opened() {
    let tree = Tree::new();
    for mut root in BOTH.map(|resolution| tree.open(resolution)) {
        assert_eq!(content(&mut root, "f").unwrap(), "root");
        assert_eq!(content(&mut root, "a/b/f").unwrap(), "inside");
        for path in ["", "a", "a/b"] {
            let (_, metadata) = root.open(path.as_bytes()).unwrap();
            assert_eq!(metadata.kind, FileKind::Directory, "{path}");
        }
        let (_, metadata) = root.open(b"f").unwrap();
        let expected = fs::metadata(tree.root().join("f")).unwrap();
        assert_eq!((metadata.kind, metadata.len), (FileKind::File, 4));
        assert_eq!(metadata.modified, expected.modified().unwrap());
        assert_eq!(metadata.identity.0, expected.dev());
        assert_eq!(metadata.identity.1, expected.ino());
    }
}

#[test]
fn paths_that_lead_out_or_nowhere_are_not_there() {
    let tree = Tree::new();
    let long = "x".repeat(300);
    let deep = "x/".repeat(5000);
    for mut root in BOTH.map(|resolution| tree.open(resolution)) {
        for path in [
            "..",
            "../outside/f",
            "a/../../outside/f",
            "/etc/passwd",
            "//etc/passwd",
            "f/",
            "f/x",
            "x",
            "a\0b",
            "f\0",
            &long,
            &deep,
        ] {
            assert!(is_missing(&mut root, path), "{path:?}");
        }
        let absolute = tree.outside().join("f");
        assert!(is_missing(&mut root, absolute.to_str().unwrap()));
    }
}

#[test]
fn symlinks_are_followed_beneath_the_root_only() {
    let tree = Tree::new();
    let link = |target: &str, name: &str| symlink(target, tree.root().join(name)).unwrap();
    let absolute = |beneath: &str| tree.root().join(beneath).to_str().unwrap().to_owned();
    let inside = ["near", "chain", "dir/f", "absdir/f", "far"];
    link("a/b/f", "near");
    link("../f", "a/up");
    link("near", "chain");
    link("a/b", "dir");
    link(&absolute("a/../f"), "absin");
    link(&absolute("./a//b"), "absdir");
    link("absdir/f", "far");
    link(&absolute(""), "self");
    let outside = [
        "out",
        "outdir/f",
        "abs",
        "absout",
        "loop",
        "dangling",
        "proc",
        "a/out",
        "aroundloop",
    ];
    link("../outside/f", "out");
    link("../outside", "outdir");
    link("/etc/passwd", "abs");
    link(&absolute("../outside/f"), "absout");
    link("loop", "loop");
    link(&absolute("aroundloop"), "aroundloop");
    link("nothing", "dangling");
    link("/proc/self/exe", "proc");
    link("../../outside/f", "a/out");

    for mut root in BOTH.map(|resolution| tree.open(resolution)) {
        for path in inside.iter().chain(["self/self/near"].iter()) {
            assert_eq!(
                content(&mut root, path).unwrap(),
                "inside",
                "{path} {root:?}"
            );
        }
        for path in ["a/up", "absin", "self/absin"] {
            assert_eq!(content(&mut root, path).unwrap(), "root", "{path} {root:?}");
        }
        for path in outside {
            assert!(is_missing(&mut root, path), "{path} {root:?}");
        }
        let listing = list(&mut root, b"", 100).unwrap();
        let mut names: Vec<_> = listing
            .entries
            .iter()
            .map(|entry| entry.name.escape_ascii().to_string())
            .collect();
        names.sort_unstable();
        let expected = [
            "a", "absdir", "absin", "chain", "dir", "f", "far", "near", "self",
        ];
        assert_eq!(names, expected);
    }
}

#[test]
fn each_link_that_leads_out_is_told_of_once_up_to_a_bound() {
    let tree = Tree::new();
    symlink("../outside", tree.root().join("out")).unwrap();
    symlink(".", tree.root().join("self")).unwrap();
    for mut root in BOTH.map(|resolution| tree.open(resolution)) {
        for path in ["out/f", "out/g", "out", "self/self/out/f"] {
            assert!(is_missing(&mut root, path));
        }
        assert_eq!(root.told, HashSet::from([b"out".to_vec()]));
        for at in 0..2 * MOST_TOLD {
            let name = format!("out{at}");
            let _ = symlink("../outside", tree.root().join(&name));
            assert!(is_missing(&mut root, name));
        }
        assert_eq!(root.told.len(), MOST_TOLD);
    }
}

#[test]
fn a_symlink_that_is_swapped_while_it_is_followed_leads_nowhere_else() {
    let tree = Tree::new();
    let (swapped, other) = (tree.root().join("s"), tree.directory.path().join("other"));
    fs::create_dir(&swapped).unwrap();
    fs::write(swapped.join("f"), "inside").unwrap();
    symlink("../outside", &other).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &swapped, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let patience = Instant::now() + Duration::from_secs(30);
        let contents = BOTH.map(|resolution| {
            let mut root = tree.open(resolution);
            let mut contents = HashSet::new();
            let mut tries = 0;
            // On a busy machine the other thread may win for long.
            while tries < 3000 || contents.is_empty() && Instant::now() < patience {
                tries += 1;
                contents.extend(content(&mut root, "s/f"));
            }
            contents
        });
        stop.store(true, Ordering::Relaxed);
        for contents in contents {
            assert_eq!(contents, HashSet::from(["inside".into()]));
        }
    });
}

#[test]
fn what_is_no_file_is_not_there_at_once() {
    let tree = Tree::new();
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, tree.root().join("fifo"), FileType::Fifo, mode, 0).unwrap();
    let _socket = UnixListener::bind(tree.root().join("socket")).unwrap();
    symlink("/dev/zero", tree.root().join("zero")).unwrap();
    symlink("fifo", tree.root().join("link")).unwrap();
    let start = Instant::now();
    for mut root in BOTH.map(|resolution| tree.open(resolution)) {
        for name in ["fifo", "socket", "zero", "link", "fifo/x"] {
            assert!(is_missing(&mut root, name), "{name}");
        }
        let listing = list(&mut root, b"", 100).unwrap();
        assert_eq!(listing.entries.len(), 2, "only a and f are listed");
    }
    // The answer comes at once or never. Half a second is allowed for a busy machine.
    assert!(start.elapsed() < Duration::from_millis(500));
}

#[test]
fn a_file_that_may_not_be_read_says_so() {
    let tree = Tree::new();
    let file = tree.root().join("f");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&file).is_ok() {
        eprintln!("not proven: this user (root) may read everything");
        return;
    }
    for mut root in BOTH.map(|resolution| tree.open(resolution)) {
        let error = root.open(b"f").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn offsets_are_64_bits_wide() {
    let tree = Tree::new();
    let file = fs::File::create(tree.root().join("big")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", 5 << 30).unwrap();
    let mut root = tree.open(Resolution::Kernel);
    let (file, metadata) = root.open(b"big").unwrap();
    assert_eq!(metadata.len, (5 << 30) + 3);
    let mut out = b"-".to_vec();
    assert_eq!(
        root.reads()
            .read_at(&file, (5 << 30) - 1, &mut out, 99)
            .unwrap(),
        4
    );
    assert_eq!(out, b"-\0end");
}

#[test]
fn a_read_gives_at_most_what_was_asked_for_whatever_is_free() {
    let tree = Tree::new();
    let mut root = tree.open(Resolution::Kernel);
    let (file, _) = root.open(b"a/b/f").unwrap();
    for capacity in 0..16 {
        let mut out = Vec::with_capacity(capacity);
        assert_eq!(root.reads().read_at(&file, 0, &mut out, 4).unwrap(), 4);
        assert_eq!(root.reads().read_at(&file, 4, &mut out, 4).unwrap(), 2);
        assert_eq!(root.reads().read_at(&file, 6, &mut out, 4).unwrap(), 0);
        assert_eq!(root.reads().read_at(&file, 99, &mut out, 4).unwrap(), 0);
        assert_eq!(out, b"inside");
    }
}

#[test]
fn stamps_of_any_year_have_room_for_more_behind_them() {
    let much = Duration::from_secs(u64::from(u32::MAX));
    let at = |seconds| time(seconds, 999_999_999);
    for seconds in [i64::MIN, -1, 0, 253_402_300_799, 253_402_300_800, i64::MAX] {
        assert!(at(seconds).checked_add(much).is_some(), "{seconds}");
    }
    // Those that dates can tell are told, and order is kept.
    assert_eq!(
        time(784_111_777, 5),
        UNIX_EPOCH + Duration::new(784_111_777, 5)
    );
    assert_eq!(time(-1, 0), UNIX_EPOCH - Duration::from_secs(1));
    assert!(at(i64::MIN) < at(-2) && at(0) < at(253_402_300_799));
    assert_eq!(at(253_402_300_800), at(i64::MAX));
}

#[test]
fn a_listing_looks_at_no_more_names_than_it_is_told_to() {
    let tree = Tree::new();
    for at in 0..10 {
        fs::write(tree.root().join(format!("a/{at}")), "x").unwrap();
    }
    for mut root in BOTH.map(|resolution| tree.open(resolution)) {
        let listing = list(&mut root, b"a", 5).unwrap();
        assert_eq!(
            (listing.entries.len(), listing.extent),
            (5, Extent::Partial)
        );
        let listing = list(&mut root, b"a", 12).unwrap();
        assert_eq!((listing.entries.len(), listing.extent), (11, Extent::Whole));
        for path in ["f", "x", "f/x", ".."] {
            let error = list(&mut root, path.as_bytes(), 5).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}");
        }
    }
}

/// The inodes beneath a directory, without following symlinks.
fn inodes(directory: &Path, found: &mut HashSet<(u64, u64)>) {
    let metadata = fs::symlink_metadata(directory).unwrap();
    found.insert((metadata.dev(), metadata.ino()));
    if metadata.is_dir() {
        for entry in fs::read_dir(directory).unwrap() {
            inodes(&entry.unwrap().path(), found);
        }
    }
}

#[test]
fn whatever_is_asked_for_the_inodes_opened_or_listed_lie_beneath_the_root() {
    let tree = Tree::new();
    symlink("../outside", tree.root().join("o")).unwrap();
    symlink("..", tree.root().join("a/u")).unwrap();
    symlink("../../..", tree.root().join("a/b/t")).unwrap();
    symlink("/", tree.root().join("a/r")).unwrap();
    symlink(tree.root(), tree.root().join("a/b/i")).unwrap();
    symlink(tree.root().join("../outside"), tree.root().join("p")).unwrap();
    symlink("/proc/self/cwd", tree.root().join("c")).unwrap();
    let mut beneath = HashSet::new();
    inodes(&tree.root(), &mut beneath);
    let roots = RefCell::new(BOTH.map(|resolution| tree.open(resolution)));

    let piece = prop_oneof![
        Just("/"),
        Just(".."),
        Just("."),
        Just("%2e"),
        Just("%2E%2e"),
        Just("%2f"),
        Just("%5c"),
        Just("\\"),
        Just("%00"),
        Just("%c0%ae"),
        Just("a"),
        Just("b"),
        Just("o"),
        Just("u"),
        Just("t"),
        Just("r"),
        Just("i"),
        Just("p"),
        Just("c"),
        Just("f"),
        Just("outside"),
        Just("root"),
        Just("etc"),
        Just("passwd"),
        Just("%ff"),
        Just("%"),
        Just("?"),
    ];
    let pieces = proptest::collection::vec(prop_oneof![3 => piece, 2 => Just("/")], 0..12);
    let (opened, listed) = (Cell::new(0), Cell::new(0));
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let check = |pieces: Vec<&str>| {
        let raw = pieces.concat();
        let mut path = SitePath::default();
        let parsed = path.parse(format!("/{raw}").as_bytes()).is_ok();
        let candidates = [Some(raw.as_bytes()), parsed.then(|| path.as_bytes())];
        for root in roots.borrow_mut().iter_mut() {
            for candidate in candidates.into_iter().flatten() {
                let seen = root.open(candidate).map(|(_, metadata)| metadata);
                if let Ok(metadata) = seen {
                    let (device, inode, _) = metadata.identity;
                    prop_assert!(beneath.contains(&(device, inode)), "{raw}");
                    opened.set(opened.get() + 1);
                }
                match (root.open_resident(candidate), seen) {
                    (Ok((_, again)), Ok(metadata)) => prop_assert_eq!(again, metadata),
                    (Err(again), Err(error)) => {
                        let kinds = [error.kind(), io::ErrorKind::WouldBlock];
                        prop_assert!(kinds.contains(&again.kind()), "{again}");
                    }
                    (Err(again), Ok(_)) => {
                        prop_assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
                    }
                    (Ok(_), Err(error)) => prop_assert!(false, "{raw}: {error}"),
                }
                // Listed entries have metadata, symlinks that of their targets.
                for entry in list(root, candidate, 100).map_or(vec![], |list| list.entries) {
                    let (device, inode, _) = entry.metadata.identity;
                    prop_assert!(beneath.contains(&(device, inode)), "{raw} lists {entry:?}");
                    listed.set(listed.get() + 1);
                }
            }
        }
        Ok(())
    };
    runner.run(&pieces, check).unwrap();
    assert!(
        opened.get() > 100 && listed.get() > 100,
        "{opened:?}, {listed:?}"
    );
}

#[test]
fn names_that_nobody_has_looked_up_are_cold_and_those_that_were_are_not() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("sub")).unwrap();
    fs::write(directory.path().join("sub/page"), "content").unwrap();
    symlink(
        directory.path().join("sub/page"),
        directory.path().join("link"),
    )
    .unwrap();
    let mut root = Root::open(directory.path()).unwrap();
    for path in [&b"sub/page"[..], b"sub", b"", b"link"] {
        // The kernel cannot tell at once where it has to note that it followed a link, or while something is mounted.
        let is_known = |_| {
            let (_, metadata) = root.open(path).unwrap();
            let again = root.open_resident(path).map(|(_, again)| again);
            let again = again.map_err(|error| error.kind());
            assert!([Ok(metadata), Err(io::ErrorKind::WouldBlock)].contains(&again));
            again.is_ok()
        };
        assert!((0..100).any(is_known), "{}", path.escape_ascii());
    }
    let kind = |opened: io::Result<(OwnedFd, Metadata)>| opened.map(drop).unwrap_err().kind();
    if kind(root.open_resident(b"sub/none")) != io::ErrorKind::WouldBlock {
        eprintln!("not proved on this machine: its kernel does not know RESOLVE_CACHED");
        return;
    }
    assert_eq!(kind(root.open(b"sub/none")), io::ErrorKind::NotFound);
    // A file system in memory keeps no names that are not there.
    let again = kind(root.open_resident(b"sub/none"));
    assert!([io::ErrorKind::NotFound, io::ErrorKind::WouldBlock].contains(&again));
}
