//! Names of files in their directory, with and without hidden temporaries.

use super::*;
use crate::exchange::testing::Desks;
use std::fs;

fn within(limits: UploadLimits) -> UploadMeans {
    UploadMeans {
        limits,
        ..UploadMeans::default()
    }
}

/// Begins a file that the server writes.
fn begin(store: &mut UploadStore) -> Result<Temporary, UploadRefusal> {
    Desks::new().lend(|desk| store.begin(&desk.waker()))
}

/// A store of each kind in a directory.
fn stores(directory: &Path) -> [UploadStore; 2] {
    [Naming::Nameless, Naming::Hidden].map(|naming| {
        let mut store = UploadStore::open(directory, UploadMeans::default()).unwrap();
        store.naming = naming;
        store
    })
}

#[test]
fn a_file_system_that_links_nameless_files_has_no_hidden_ones() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = UploadStore::open(directory.path(), UploadMeans::default()).unwrap();
    assert_eq!(store.naming, Naming::Nameless);
    let _file = begin(&mut store).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_file_shows_when_it_is_whole_and_a_dropped_one_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for mut store in stores(directory.path()) {
        let mut file = begin(&mut store).unwrap();
        file.write(b"whole").unwrap();
        assert_eq!(store.names(9).unwrap(), [""; 0]);
        let wanted = Stored::New("a.txt".into());
        assert_eq!(file.store("a.txt", ExistingName::Replace).unwrap(), wanted);
        drop(begin(&mut store).unwrap());
        assert_eq!(fs::read(directory.path().join("a.txt")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        fs::remove_file(directory.path().join("a.txt")).unwrap();
    }
}

#[test]
fn a_name_that_is_taken_is_refused_numbered_or_replaced() {
    for kind in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.txt"), "old").unwrap();
        fs::create_dir(directory.path().join("d")).unwrap();
        let [nameless, hidden] = stores(directory.path());
        let mut store = if kind == 0 { nameless } else { hidden };
        let mut as_told =
            |name, existing| begin(&mut store).unwrap().store(name, existing).unwrap();
        assert_eq!(as_told("a.txt", ExistingName::Refuse), Stored::Taken);
        let number = ExistingName::Number;
        assert_eq!(as_told("a.txt", number), Stored::New("a-1.txt".into()));
        assert_eq!(as_told("a.txt", number), Stored::New("a-2.txt".into()));
        assert_eq!(fs::read(directory.path().join("a.txt")).unwrap(), b"old");
        assert_eq!(
            as_told("a.txt", ExistingName::Replace),
            Stored::Replaced("a.txt".into())
        );
        assert_eq!(fs::read(directory.path().join("a.txt")).unwrap(), b"");
        assert_eq!(as_told("d", ExistingName::Replace), Stored::Taken);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
    }
}

#[test]
fn a_start_removes_leftovers_that_nobody_writes() {
    let directory = tempfile::tempdir().unwrap();
    let [_, mut store] = stores(directory.path());
    let written = begin(&mut store).unwrap();
    let leftover = directory.path().join(format!("{TEMPORARY}left"));
    fs::write(&leftover, "part").unwrap();
    UploadStore::open(directory.path(), UploadMeans::default()).unwrap();
    assert!(!leftover.exists());
    assert!(directory.path().join(&written.name).exists());
}

#[test]
fn all_files_together_have_a_limit_and_fetching_them_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("old"), [0; 60]).unwrap();
    let limits = UploadLimits {
        total_bytes: Some(100),
        ..UploadLimits::default()
    };
    let mut store = UploadStore::open(directory.path(), within(limits)).unwrap();
    let is_full =
        |refused: Result<(), UploadRefusal>| matches!(refused, Err(UploadRefusal::Total(100)));
    assert!(is_full(store.check_announced(41)));
    let mut one = begin(&mut store).unwrap();
    let mut other = begin(&mut store).unwrap();
    one.write(&[1; 20]).unwrap();
    other.write(&[1; 20]).unwrap();
    assert!(is_full(one.write(&[1])));
    drop(other);
    one.write(&[1; 20]).unwrap();
    one.store("old", ExistingName::Replace).unwrap();
    // The file that was replaced counts no more.
    store.check_announced(60).unwrap();
    assert!(is_full(store.check_announced(61)));
}

#[test]
fn space_is_left_free() {
    let directory = tempfile::tempdir().unwrap();
    let limits = UploadLimits {
        free_bytes: u64::MAX,
        ..UploadLimits::default()
    };
    let mut store = UploadStore::open(directory.path(), within(limits)).unwrap();
    let refused = begin(&mut store).err().unwrap();
    assert!(
        matches!(refused, UploadRefusal::Free(u64::MAX)),
        "{refused:?}"
    );
}

#[test]
fn a_directory_that_is_replaced_is_followed_and_nothing_is_stored_where_nobody_looks() {
    for kind in 0..2 {
        let above = tempfile::tempdir().unwrap();
        let (path, old) = (above.path().join("in"), above.path().join("old"));
        fs::create_dir(&path).unwrap();
        let [nameless, hidden] = stores(&path);
        let mut store = if kind == 0 { nameless } else { hidden };
        let half = begin(&mut store).unwrap();
        fs::rename(&path, &old).unwrap();
        let refused = begin(&mut store)
            .err()
            .map(|refusal| refusal.problem().status());
        assert_eq!(refused, Some(503), "nothing has the name");
        fs::create_dir(&path).unwrap();
        let late = half.store("half", ExistingName::Replace).unwrap_err();
        assert_eq!(Errno::from_io_error(&late), Some(Errno::STALE));
        let mut file = begin(&mut store).unwrap();
        file.write(b"whole").unwrap();
        file.store("a", ExistingName::Replace).unwrap();
        assert_eq!(fs::read(path.join("a")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(&old).unwrap().count(), 0);
        assert_eq!(store.names(9).unwrap(), ["a"]);
    }
}
