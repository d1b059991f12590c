//! Bodies: reading them, taking slices off them, slow disks.

use super::file_slice::{MOST_TRIES, READ_AHEAD};
use super::*;
use crate::world::memory_files::MemoryFiles;
use crate::world::{FileReads, Files};
use std::io;
use std::rc::Rc;
use std::time::Duration;

fn file_slice(files: &mut MemoryFiles, start: u64, end: u64) -> Slice<MemoryFiles> {
    let file = OpenFile::new(files, "f");
    Slice::File(FileSlice::new(file, start, end))
}

#[test]
fn a_read_gives_at_most_what_is_asked_for_and_ends_with_the_last_byte() {
    let mut files = MemoryFiles::new();
    files.write("f", "0123456789");
    let mut body = Body::One(file_slice(&mut files, 2, 9));
    let mut out = b"-".to_vec();
    assert_eq!(body.len(), Some(7));
    assert_eq!(body.read(&mut files, &mut out, 4).unwrap(), Progress::More);
    assert_eq!(out, b"-2345");
    assert_eq!(body.read(&mut files, &mut out, 4).unwrap(), Progress::End);
    assert_eq!(out, b"-2345678");
    assert!(body.is_empty());
}

#[test]
fn short_reads_of_the_disk_are_no_end() {
    let mut files = MemoryFiles::new();
    files.write("f", "0123456789");
    files.limit_reads(3);
    let mut body = Body::One(file_slice(&mut files, 0, 10));
    let mut out = Vec::new();
    let mut reads = 1;
    while body.read(&mut files, &mut out, 100).unwrap() == Progress::More {
        reads += 1;
    }
    assert_eq!((out.as_slice(), reads), (&b"0123456789"[..], 4));
}

#[test]
fn a_file_that_was_cut_short_is_an_error_and_never_padded() {
    let mut files = MemoryFiles::new();
    files.write("f", "0123456789");
    let mut body = Body::One(file_slice(&mut files, 0, 10));
    let mut out = Vec::new();
    body.read(&mut files, &mut out, 4).unwrap();
    files.truncate("f", 6);
    assert_eq!(body.read(&mut files, &mut out, 4).unwrap(), Progress::More);
    assert_eq!(out, b"012345");
    assert!(matches!(
        body.read(&mut files, &mut out, 4),
        Err(BodyError::Truncated)
    ));
    assert_eq!(out, b"012345");
}

#[test]
fn a_file_that_has_grown_is_sent_up_to_its_promised_length() {
    let mut files = MemoryFiles::new();
    files.write("f", "0123");
    let mut body = Body::One(file_slice(&mut files, 0, 4));
    files.edit("f", |content| content.extend_from_slice(b"more"));
    let mut out = Vec::new();
    assert_eq!(body.read(&mut files, &mut out, 99).unwrap(), Progress::End);
    assert_eq!(out, b"0123");
}

fn several<const N: usize>(slices: [Slice<MemoryFiles>; N]) -> Body<MemoryFiles> {
    let len = slices.iter().map(Slice::len).sum();
    Body::Many(Sequence::new(slices.into_iter(), len, N / 2))
}

#[test]
fn several_slices_are_one_sequence_at_every_size_of_read() {
    for max in 1..12 {
        let mut files = MemoryFiles::new();
        files.write("f", "0123456789");
        let mut body = several([
            Slice::memory(Rc::from(&b"ab"[..])),
            file_slice(&mut files, 4, 7),
            Slice::memory(Rc::from(&b""[..])),
            Slice::memory(Rc::from(&b"cde"[..])),
        ]);
        let mut out = Vec::new();
        loop {
            let before = out.len();
            let progress = body.read(&mut files, &mut out, max).unwrap();
            assert!(out.len() - before <= max);
            assert_eq!(body.len(), Some(8 - out.len() as u64));
            match progress {
                Progress::End => break,
                progress => assert_eq!(progress, Progress::More),
            }
        }
        assert_eq!(out, b"ab456cde");
    }
}

const LEAST: Least = Least {
    memory: 4 << 10,
    file: 64 << 10,
};

/// The next spliced range of a file; `None` before the disk has brought it.
fn take(
    body: &mut Body<MemoryFiles>,
    files: &mut MemoryFiles,
    max: u64,
) -> Result<Option<(u64, u64)>, BodyError> {
    let slice = body.next_slice(max, LEAST).expect("it is worth it");
    Ok(slice.take(files, max)?.map(|taken| match taken {
        Slice::File(file) => (file.offset(), file.offset() + file.len()),
        Slice::Memory { .. } | Slice::Part(_) | Slice::Lent(_) => panic!("memory"),
    }))
}

#[test]
fn ranges_of_files_are_taken_and_the_rest_is_read() {
    let mut files = MemoryFiles::new();
    files.write("f", vec![b'x'; 150_000]);
    let mut body = several([
        Slice::memory(Rc::from(&b"head"[..])),
        file_slice(&mut files, 1_000, 141_000),
        Slice::memory(Rc::from(&b"tail"[..])),
    ]);
    let mut out = Vec::new();
    assert!(body.next_slice(70_000, LEAST).is_none());
    assert_eq!(body.read(&mut files, &mut out, 4).unwrap(), Progress::More);
    for expected in [(1_000, 71_000), (71_000, 141_000)] {
        let range = take(&mut body, &mut files, 70_000).unwrap();
        assert_eq!(range, Some(expected));
    }
    assert!(body.next_slice(70_000, LEAST).is_none());
    assert_eq!(body.read(&mut files, &mut out, 99).unwrap(), Progress::End);
    assert_eq!(out, b"headtail");
    assert_eq!(files.counts().bytes_read, 0);
}

/// A connection that has seen a request keeps room for the next body, so a word more is 150 bytes more
/// for each idle connection.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_slice_is_five_words() {
    assert_eq!(size_of::<Slice<crate::world::files::Root>>(), 5 * 8);
}

/// Reads up to `max` bytes of a file of `x`. Returns their number; none if the disk has them.
fn read(body: &mut Body<MemoryFiles>, files: &mut MemoryFiles, max: usize) -> Option<usize> {
    let mut out = Vec::new();
    let progress = body.read(files, &mut out, max).unwrap();
    assert!(out.iter().all(|byte| *byte == b'x'));
    (progress != Progress::Cold).then_some(out.len())
}

#[test]
fn what_a_disk_has_to_bring_is_neither_taken_nor_read_before_it_is_there() {
    let mut files = MemoryFiles::new();
    files.write("f", vec![b'x'; 100_000]);
    files.slow_disk(Duration::from_millis(20));
    let mut taking = Body::One(file_slice(&mut files, 0, 100_000));
    let mut reading = Body::One(file_slice(&mut files, 0, 100_000));
    for _ in 0..4 {
        assert_eq!(take(&mut taking, &mut files, 70_000).unwrap(), None);
        assert_eq!(read(&mut reading, &mut files, 70_000), None);
        files.advance(Duration::from_millis(5));
    }
    assert_eq!(
        take(&mut taking, &mut files, 70_000).unwrap(),
        Some((0, 70_000))
    );
    assert_eq!(read(&mut reading, &mut files, 70_000), Some(70_000));
}

#[test]
fn what_is_in_memory_is_read_as_far_as_it_is() {
    let mut files = MemoryFiles::new();
    files.write("f", vec![b'x'; 100_000]);
    files.slow_disk(Duration::from_millis(20));
    let (file, _) = files.open(b"f").unwrap();
    files.ask_for(&file, 0, 8_192).unwrap();
    files.ask_for(&file, 90_000, 10_000).unwrap();
    files.advance(Duration::from_millis(20));
    let mut body = Body::One(file_slice(&mut files, 2, 100_000));
    assert_eq!(read(&mut body, &mut files, 100_000), Some(8_190));
    assert_eq!(read(&mut body, &mut files, 100_000), None);
}

#[test]
fn where_nobody_can_tell_what_is_in_memory_it_is_read_all_the_same() {
    let mut files = MemoryFiles::new();
    files.write("f", vec![b'x'; 100_000]);
    // Every other read is the one that must not wait.
    let mut waits = true;
    files.before_reads(move |_| {
        waits = !waits;
        if waits {
            Ok(())
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    });
    let mut body = Body::One(file_slice(&mut files, 0, 100_000));
    assert_eq!(read(&mut body, &mut files, 60_000), Some(60_000));
    assert_eq!(read(&mut body, &mut files, 60_000), Some(40_000));
    assert!(body.is_empty());
}

#[test]
fn a_disk_that_was_needed_brings_the_next_bytes_while_these_are_sent() {
    let len = 3 * READ_AHEAD as usize;
    let mut files = MemoryFiles::new();
    files.write("f", vec![b'x'; len]);
    files.slow_disk(Duration::from_millis(20));
    let mut body = Body::One(file_slice(&mut files, 0, len as u64));
    assert_eq!(read(&mut body, &mut files, len), None);
    let mut left = len;
    while left > 0 {
        files.advance(Duration::from_millis(20));
        left -= read(&mut body, &mut files, 64 << 10).expect("it is there in time");
        body.look_again();
    }
}

#[test]
fn a_disk_that_never_says_that_it_is_done_is_read_in_the_end() {
    let mut files = MemoryFiles::new();
    files.write("f", vec![b'x'; 100_000]);
    files.slow_disk(Duration::from_secs(3600));
    let mut body = Body::One(file_slice(&mut files, 0, 100_000));
    // A wait for one read is no reason not to wait for the next.
    for _ in 0..2 {
        let mut tries = 0;
        while read(&mut body, &mut files, 50_000).is_none() {
            tries += 1;
        }
        assert_eq!(tries, MOST_TRIES);
    }
    assert!(body.is_empty());
}

#[test]
fn a_disk_is_not_waited_for_when_the_file_was_truncated_meanwhile() {
    let mut files = MemoryFiles::new();
    files.write("f", vec![b'x'; 100_000]);
    files.slow_disk(Duration::from_secs(3600));
    let mut body = Body::One(file_slice(&mut files, 0, 100_000));
    assert_eq!(read(&mut body, &mut files, 50_000), None);
    files.truncate("f", 99_999);
    let mut out = Vec::new();
    let mut tries = 0;
    while let Ok(progress) = body.read(&mut files, &mut out, 50_000) {
        assert_eq!(progress, Progress::Cold);
        tries += 1;
        assert!(tries < 20, "it waits for bytes that may never come");
    }
    assert!(out.is_empty());
}

#[test]
fn a_range_that_the_file_has_lost_is_not_given_out() {
    let mut files = MemoryFiles::new();
    files.write("f", vec![b'x'; 100_000]);
    let mut body = Body::One(file_slice(&mut files, 0, 100_000));
    files.truncate("f", 99_999);
    assert!(matches!(
        take(&mut body, &mut files, 100_000),
        Err(BodyError::Truncated)
    ));
}
