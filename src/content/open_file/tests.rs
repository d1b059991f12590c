use super::*;
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// Time after which a file that was looked at once is looked at again.
const REST_OVER: Duration = Duration::from_secs(1);

fn slot(
    table: &Rc<FileTable<MemoryFiles>>,
    files: &mut MemoryFiles,
    path: &str,
) -> FileSlot<MemoryFiles> {
    let (_, metadata) = files.open(path.as_bytes()).unwrap();
    FileSlot::new(
        table,
        path.as_bytes(),
        FileState::now(metadata),
        None,
        Digest::Unknown,
    )
}

fn read(file: &OpenFile<MemoryFiles>, files: &mut MemoryFiles) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let file = file.get()?;
    files.read_at(&file, 0, &mut out, 100)?;
    Ok(out)
}

#[test]
fn a_file_rests_after_its_last_share_and_is_closed_if_none_follows() {
    let mut files = MemoryFiles::new();
    files.write("f", "content");
    let table = OpenFiles::new(files.clone(), 9);
    let slot = slot(&table, &mut files, "f");
    let mut now = Instant::now();
    for _ in 0..2 {
        assert_eq!(table.until_rested(now), None);
        let first = slot.share(&mut files).unwrap().unwrap();
        let second = slot.share(&mut files).unwrap().unwrap();
        let third = second.clone();
        assert!(first.is(&third));
        assert_eq!(table.count(), 1);
        drop((first, second));
        assert_eq!(read(&third, &mut files).unwrap(), b"content");
        drop(third);
        let mut looks = 0;
        while let Some(wait) = table.until_rested(now) {
            assert_eq!(table.count(), 1);
            now += wait;
            table.close_rested(now);
            looks += 1;
        }
        assert!(table.count() == 0 && looks >= 2, "{looks} looks");
        now += REST_OVER;
    }
}

#[test]
fn a_file_that_is_used_again_and_again_stays_open_and_one_that_is_in_use_is_not_looked_at() {
    let mut files = MemoryFiles::new();
    files.write("f", "content");
    files.write("g", "content");
    let table = OpenFiles::new(files.clone(), 9);
    let (used, held) = (slot(&table, &mut files, "f"), slot(&table, &mut files, "g"));
    let held = held.share(&mut files).unwrap().unwrap();
    let opens = files.counts().opens;
    let mut now = Instant::now();
    for _ in 0..5 {
        let share = used.share(&mut files).unwrap().unwrap();
        read(&share, &mut files).unwrap();
        drop(share);
        now += REST_OVER;
        table.close_rested(now);
    }
    assert_eq!((files.counts().opens, table.count()), (opens + 1, 2));
    for _ in 0..2 {
        now += REST_OVER;
        table.close_rested(now);
    }
    assert_eq!((table.count(), table.until_rested(now)), (1, None));
    read(&held, &mut files).unwrap();
}

#[test]
fn many_files_that_rest_are_closed_part_by_part_until_none_is_looked_for() {
    let mut files = MemoryFiles::new();
    files.write("f", "content");
    let table = OpenFiles::new(files.clone(), 9_999);
    let slots: Vec<_> = (0..3_000).map(|_| slot(&table, &mut files, "f")).collect();
    let shares: Vec<_> = slots
        .iter()
        .map(|slot| slot.share(&mut files).unwrap())
        .collect();
    drop(shares);
    assert_eq!(table.count(), 3_000);
    let mut now = Instant::now();
    let mut looks = 0;
    while let Some(wait) = table.until_rested(now) {
        now += wait;
        table.close_rested(now);
        looks += 1;
        assert!(looks < 20, "it never ends");
    }
    assert_eq!(table.count(), 0);
}

#[test]
fn a_resting_file_that_has_changed_is_not_shared() {
    let mut files = MemoryFiles::new();
    files.write("f", "content");
    let table = OpenFiles::new(files.clone(), 9);
    let slot = slot(&table, &mut files, "f");
    drop(slot.share(&mut files).unwrap());
    files.advance(Duration::from_millis(4));
    files.edit("f", |content| content.extend_from_slice(b"more"));
    assert!(slot.share(&mut files).unwrap().is_none());
}

#[test]
fn a_kept_descriptor_that_no_response_takes_leaves_the_table_with_its_file() {
    let mut files = MemoryFiles::new();
    files.write("f", "content");
    let table = OpenFiles::new(files.clone(), 1);
    for _ in 0..3 {
        let slot = slot(&table, &mut files, "f");
        let (file, _) = table.open(b"f").unwrap();
        slot.keep(file);
        assert_eq!(table.count(), 1);
        drop(slot);
        assert_eq!(table.count(), 0);
    }
}

#[test]
fn the_file_that_was_not_used_for_longest_gives_its_descriptor_and_opens_again() {
    let mut files = MemoryFiles::new();
    let table = OpenFiles::new(files.clone(), 2);
    let mut shares = Vec::new();
    for name in ["a", "b", "c", "d"] {
        files.write(name, name);
        let slot = slot(&table, &mut files, name);
        shares.push(slot.share(&mut files).unwrap().unwrap());
        assert!(table.count() <= 2);
    }
    for _ in 0..3 {
        for (share, name) in shares.iter().zip(["a", "b", "c", "d"]) {
            assert_eq!(read(share, &mut files).unwrap(), name.as_bytes());
            assert!(table.count() <= 2);
        }
    }
    drop(shares);
    assert_eq!(table.count(), 0);
}

#[test]
fn a_file_that_changed_while_it_was_closed_is_lost() {
    let mut files = MemoryFiles::new();
    files.write("a", "a");
    files.write("b", "b");
    let table = OpenFiles::new(files.clone(), 1);
    let (a, b) = (slot(&table, &mut files, "a"), slot(&table, &mut files, "b"));
    let first = a.share(&mut files).unwrap().unwrap();
    let second = b.share(&mut files).unwrap().unwrap();
    files.write("a", "other");
    files.write("b", "other");
    assert!(read(&first, &mut files).is_err());
    // The file was open all the time.
    assert_eq!(read(&second, &mut files).unwrap(), b"b");
    assert!(a.share(&mut files).unwrap().is_none());
}

#[test]
fn without_descriptors_those_that_are_open_are_given_up_and_that_is_told() {
    use super::super::supply::Supply;
    let mut files = MemoryFiles::new();
    files.write("a", "a");
    files.write("b", "b");
    let table = OpenFiles::new(files.clone(), 9);
    let (a, b) = (slot(&table, &mut files, "a"), slot(&table, &mut files, "b"));
    let first = a.share(&mut files).unwrap().unwrap();
    assert_eq!(table.take_supply(), Supply::Enough);
    files.fail_open("b", Some(Errno::MFILE.raw_os_error()));
    assert!(b.share(&mut files).is_err());
    assert_eq!((table.count(), table.take_supply()), (0, Supply::Passing));
    files.fail_open("b", None);
    assert_eq!(read(&first, &mut files).unwrap(), b"a");
}

#[test]
fn content_that_was_given_up_comes_from_the_file() {
    let mut files = MemoryFiles::new();
    files.write("a", "a");
    let (_, metadata) = files.open(b"a").unwrap();
    let table = OpenFiles::new(files.clone(), 9);
    let slot = FileSlot::new(
        &table,
        b"a",
        FileState::now(metadata),
        Some(Rc::from(&b"a"[..])),
        Digest::Unknown,
    );
    let share = slot.share(&mut files).unwrap().unwrap();
    assert_eq!(
        (share.content().as_deref(), table.count()),
        (Some(&b"a"[..]), 0)
    );
    slot.forget_content();
    assert!(share.content().is_none());
    assert_eq!(read(&share, &mut files).unwrap(), b"a");
}
