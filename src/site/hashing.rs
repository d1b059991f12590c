//! Background hashing: content is hashed in slices, after all other work of a turn.
//!
//! A file that is too long to be hashed before its first response has a weak tag until it is hashed. Files
//! up to [`HASHED_SOON`] bytes are hashed here as soon as they are asked for, longer ones only if the
//! operator wants it. One file is open at a time, and a slice takes as long as a few requests. Bytes that a
//! response sends meanwhile go into the hash as well: the [`FileSlot`](crate::content::FileSlot) keeps it.
//!
//! A helper process hashes the first job's file instead, piece by piece, where there is one and as long as it
//! takes the pieces. Whenever it does not, the file is hashed here from its beginning.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::rc::Rc;
use std::time::Duration;

use super::config::EntityTags;
use super::known_hashes::KnownHashes;
use super::resource::Resource;
use super::validators::StateKey;
use crate::content::OpenFile;
use crate::world::{FileReads, Files, HelpAnswer, HelpId, HelpOutcome};

/// The most bytes of a file that is hashed as soon as it is asked for: the length of a large script or
/// picture, and eight slices. Longer files are often downloaded once only.
const HASHED_SOON: u64 = 1 << 20;

/// Number of bytes that are hashed in one turn of the loop. It takes 25 µs, including the way of the
/// pages from the kernel.
const SLICE: usize = 128 << 10;

/// Number of bytes that the helper process hashes in one task. Responses that wait for a disk are behind
/// one such task at most, which takes 5 ms with a disk of 200 MB/s; a message for each mebibyte costs nothing.
const HELPED_PIECE: u64 = 1 << 20;

/// The most reads of one slice, for file systems that give little at a time.
const MOST_READS: usize = 16;

/// The most files that wait to be hashed. A file for which there is no room is added at a later
/// request.
const MOST_JOBS: usize = 64;

/// Time after which a disk that was asked for bytes is tried again. It is the time that a response
/// waits as well.
const DISK_RETRY: Duration = Duration::from_millis(4);

/// Number of tries after which the disk is asked once more.
const ASKED_AGAIN: u16 = 16;

/// Number of tries after which the file keeps its weak tag, because no request waits for the strong one.
const MOST_TRIES: u16 = 1_000;

/// The queue of files whose content is to be hashed.
pub(crate) struct Hashing<F: Files> {
    longest: u64,
    jobs: VecDeque<Job<F>>,
    /// The first job's file.
    file: Option<OpenFile<F>>,
    /// The helper's task for the first job, while it hashes.
    helped: Option<HelpedPiece>,
    /// Number of times that the next bytes of the first job's file were still on the disk.
    tries: u16,
    /// The buffer of a slice, empty while there is nothing to do.
    buffer: Vec<u8>,
}

/// A task of the helper process.
struct HelpedPiece {
    task: HelpId,
    /// The end of the piece in the file.
    end: u64,
}

struct Job<F: Files> {
    resource: Rc<Resource<F>>,
    representation: usize,
    state: StateKey,
}

/// Result of hashing a slice.
enum SliceResult {
    /// The slice is hashed, and more follow.
    Hashed,
    /// The slice is not in memory: the disk was asked for it.
    Cold,
    /// The slice was the last, or no more can be read.
    Over,
}

impl<F: Files> Hashing<F> {
    pub(crate) fn new(tags: EntityTags) -> Self {
        Hashing {
            longest: match tags {
                EntityTags::Auto => HASHED_SOON,
                EntityTags::Content => u64::MAX,
            },
            jobs: VecDeque::new(),
            file: None,
            helped: None,
            tries: 0,
            buffer: Vec::new(),
        }
    }

    /// Queues the hashes that a resource lacks. Each state of a file is hashed once, even if several
    /// resources were made of it meanwhile.
    pub(crate) fn ask(&mut self, resource: &Rc<Resource<F>>, hashes: &mut KnownHashes) {
        for (at, representation) in resource.representations.iter().enumerate() {
            if !representation.lacks_hash() || representation.len() > self.longest {
                continue;
            }
            let state = representation.state();
            if let Some(hash) = hashes.get(state) {
                representation.file.know(hash);
            } else if self.jobs.len() < MOST_JOBS && self.jobs.iter().all(|job| job.state != state)
            {
                self.jobs.push_back(Job {
                    resource: resource.clone(),
                    representation: at,
                    state,
                });
            }
        }
    }

    /// Time until the next step is due. The answer of a helper brings the next step by itself.
    pub(crate) fn next_step(&self) -> Option<Duration> {
        if self.helped.is_some() {
            return None;
        }
        let wait = match self.tries {
            0 => Duration::ZERO,
            _ => DISK_RETRY,
        };
        self.jobs.front().map(|_| wait)
    }

    /// Hashes one slice. Returns its number of bytes.
    pub(crate) fn step(&mut self, reads: &mut F::Reads, hashes: &mut KnownHashes) -> usize {
        let Some(job) = self.jobs.front().filter(|_| self.helped.is_none()) else {
            return 0;
        };
        let Some(representation) = job.resource.representations.get(job.representation) else {
            self.finish_job();
            return 0;
        };
        if self.file.is_none() {
            match representation.file.share(reads) {
                Ok(Some(file)) if !file.is_in_memory() => {
                    self.helped = ask_helper(reads, &file, 0, representation.len());
                    self.file = Some(file);
                    if self.helped.is_some() {
                        return 0;
                    }
                }
                // The file is in memory after all, has changed, or cannot be opened.
                _ => {
                    self.finish_job();
                    return 0;
                }
            }
        }
        let mut hashed = 0;
        if let Some(file) = &self.file {
            self.buffer.resize(SLICE, 0);
            let mut slice = SliceResult::Hashed;
            for _ in 0..MOST_READS {
                let mut read = 0;
                slice = hash_slice(reads, file, &mut self.buffer, &mut self.tries, &mut read);
                hashed += read;
                if !matches!(slice, SliceResult::Hashed) || hashed >= SLICE / 2 {
                    break;
                }
            }
            if let SliceResult::Cold | SliceResult::Hashed = slice {
                return hashed;
            }
        }
        if let Some((state, hash)) = representation.hash() {
            hashes.insert(state, hash);
        }
        self.finish_job();
        hashed
    }

    /// Takes an answer of the helper process: has the next piece hashed, or knows the hash of the file.
    pub(crate) fn handle_help(
        &mut self,
        answer: HelpAnswer,
        reads: &mut F::Reads,
        hashes: &mut KnownHashes,
    ) {
        let Some(piece) = self.helped.take_if(|piece| piece.task == answer.id) else {
            return;
        };
        // Without the hash, the next step hashes a slice.
        let HelpOutcome::Hashed(hash) = answer.outcome else {
            return;
        };
        let (Some(job), Some(file)) = (self.jobs.front(), &self.file) else {
            return;
        };
        let Some(representation) = job.resource.representations.get(job.representation) else {
            return;
        };
        if piece.end < representation.len() {
            self.helped = ask_helper(reads, file, piece.end, representation.len());
            return;
        }
        file.adopt(hash);
        let _ = file.confirm(reads);
        if let Some((state, hash)) = representation.hash() {
            hashes.insert(state, hash);
        }
        self.finish_job();
    }

    fn finish_job(&mut self) {
        self.jobs.pop_front();
        self.file = None;
        self.helped = None;
        self.tries = 0;
        if self.jobs.is_empty() {
            self.buffer = Vec::new();
        }
    }
}

/// Has the helper process hash a piece of the file, of `len` bytes, from `offset` on.
fn ask_helper<F: Files>(
    reads: &mut F::Reads,
    file: &OpenFile<F>,
    offset: u64,
    len: u64,
) -> Option<HelpedPiece> {
    let end = len.min(offset + HELPED_PIECE);
    let open = file.get().ok()?;
    let task = reads.hash_by_helper(&open, offset, end - offset)?;
    Some(HelpedPiece { task, end })
}

fn hash_slice<F: Files>(
    reads: &mut F::Reads,
    file: &OpenFile<F>,
    buffer: &mut [u8],
    tries: &mut u16,
    read: &mut usize,
) -> SliceResult {
    let Some(offset) = file.hashed() else {
        // A response has sent the rest meanwhile. It checks the file for changes, or has done so.
        let _ = file.confirm(reads);
        return SliceResult::Over;
    };
    let mut parts = [IoSliceMut::new(buffer)];
    let Ok(open) = file.get() else {
        return SliceResult::Over;
    };
    let resident = match reads.read_resident(&open, offset, &mut parts) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            if tries.is_multiple_of(ASKED_AGAIN) {
                let _ = reads.ask_for(&open, offset, SLICE as u64);
            }
            *tries += 1;
            return if *tries < MOST_TRIES {
                SliceResult::Cold
            } else {
                SliceResult::Over
            };
        }
        // Some kernels and some file systems cannot tell.
        Err(_) => reads.read_scattered(&open, offset, &mut parts),
        resident => resident,
    };
    let Ok(len @ 1..) = resident else {
        return SliceResult::Over;
    };
    drop(open);
    *tries = 0;
    *read = len;
    file.pass(offset, &parts, len);
    if file.hashed().is_some() {
        return SliceResult::Hashed;
    }
    let _ = file.confirm(reads);
    SliceResult::Over
}

#[cfg(test)]
mod tests {
    use crate::site::EntityTags;
    use crate::site::testing::TestSite;
    use crate::world::FileReads;
    use std::time::Duration;
    use xxhash_rust::xxh3::xxh3_128;

    fn tag(site: &mut TestSite, target: &str) -> String {
        let head = site.request("HEAD", target, &[]);
        head.field("etag").unwrap().to_owned()
    }

    fn strong(content: &[u8]) -> String {
        format!("\"{:032x}\"", xxh3_128(content))
    }

    /// Does all the steps that are due, as the loop does. Returns the number of slices.
    fn work(site: &mut TestSite) -> usize {
        let mut steps = 0;
        while let Some(wait) = site.site.next_work() {
            site.advance(wait);
            site.site.work();
            steps += 1;
            assert!(steps < 10_000, "it never ends");
        }
        steps
    }

    #[test]
    fn a_file_of_a_mebibyte_is_hashed_in_slices_once() {
        let content = "0123456789abcdef".repeat(1 << 16);
        let mut site = TestSite::new(&[("a", &content)]);
        assert!(tag(&mut site, "/a").starts_with("W/"));
        assert_eq!(work(&mut site), 8);
        assert_eq!(tag(&mut site, "/a"), strong(content.as_bytes()));
        site.site.hot.forget(b"a");
        let read = site.files.counts().bytes_read;
        assert_eq!(tag(&mut site, "/a"), strong(content.as_bytes()));
        assert_eq!((work(&mut site), site.files.counts().bytes_read), (0, read));
    }

    #[test]
    fn longer_files_are_hashed_if_the_operator_wants_it() {
        let content = "0123456789abcdef".repeat((1 << 16) + 1);
        for (tags, is_strong) in [(EntityTags::Auto, false), (EntityTags::Content, true)] {
            let mut site = TestSite::with(&[("a", &content)], |config| config.entity_tags = tags);
            tag(&mut site, "/a");
            assert_eq!(work(&mut site) > 0, is_strong);
            assert_eq!(
                tag(&mut site, "/a") == strong(content.as_bytes()),
                is_strong
            );
        }
    }

    #[test]
    fn one_state_is_hashed_once_though_nothing_is_kept_in_memory() {
        let content = "0123456789abcdef".repeat(1 << 16);
        let mut site = TestSite::with(&[("a", &content)], |config| config.cache_memory = 0);
        for _ in 0..9 {
            assert!(tag(&mut site, "/a").starts_with("W/"));
        }
        assert_eq!(work(&mut site), 8);
        assert_eq!(tag(&mut site, "/a"), strong(content.as_bytes()));
        assert_eq!(work(&mut site), 0);
    }

    #[test]
    fn a_file_that_changes_while_it_is_hashed_has_no_hash() {
        let content = "0123456789abcdef".repeat(1 << 16);
        let mut site = TestSite::new(&[("a", &content)]);
        tag(&mut site, "/a");
        site.site.work();
        site.files.edit("a", |content| content[0] = b'x');
        work(&mut site);
        assert!(tag(&mut site, "/a").starts_with("W/"));
        // The file is hashed once its stamps have settled.
        site.advance(Duration::from_secs(3));
        tag(&mut site, "/a");
        work(&mut site);
        let changed = format!("x{}", &content[1..]);
        assert_eq!(tag(&mut site, "/a"), strong(changed.as_bytes()));
    }

    #[test]
    fn what_a_disk_must_bring_is_not_waited_for() {
        let content = "0123456789abcdef".repeat(1 << 16);
        let mut site = TestSite::new(&[("a", &content)]);
        site.files.slow_disk(Duration::from_millis(20));
        tag(&mut site, "/a");
        assert!(work(&mut site) > 8);
        assert_eq!(tag(&mut site, "/a"), strong(content.as_bytes()));
    }

    /// Answers to the helper's tasks, as the event loop takes them. Returns their number.
    fn take_answers(site: &mut TestSite) -> usize {
        let mut answers = 0;
        while let Some(answer) = site.site.reads().take_answer() {
            site.site.handle_help(answer);
            answers += 1;
        }
        answers
    }

    #[test]
    fn a_helper_hashes_piece_by_piece_while_nothing_is_to_be_done_here() {
        let content = "0123456789abcdef".repeat((2 << 16) + 1);
        let mut site = TestSite::with(&[("a", &content)], |config| {
            config.entity_tags = EntityTags::Content;
        });
        site.files.help_with(usize::MAX);
        assert!(tag(&mut site, "/a").starts_with("W/"));
        assert_eq!(work(&mut site), 1, "the first piece was asked for");
        assert_eq!(site.site.next_work(), None);
        assert_eq!(take_answers(&mut site), 3);
        assert_eq!(tag(&mut site, "/a"), strong(content.as_bytes()));
        assert_eq!(work(&mut site), 0);
    }

    #[test]
    fn a_file_is_hashed_in_slices_when_the_helper_fails_or_takes_no_more() {
        let content = "0123456789abcdef".repeat(2 << 16);
        for tasks in 0..2 {
            for fails in [false, true] {
                let mut site = TestSite::with(&[("a", &content)], |config| {
                    config.entity_tags = EntityTags::Content;
                });
                site.files.help_with(tasks);
                tag(&mut site, "/a");
                work(&mut site);
                if fails {
                    site.files.fail_help();
                }
                assert_eq!(take_answers(&mut site), tasks);
                work(&mut site);
                assert_eq!(tag(&mut site, "/a"), strong(content.as_bytes()));
            }
        }
    }

    #[test]
    fn a_file_that_changes_while_the_helper_hashes_it_has_no_hash() {
        let content = "0123456789abcdef".repeat(1 << 16);
        let mut site = TestSite::new(&[("a", &content)]);
        site.files.help_with(usize::MAX);
        tag(&mut site, "/a");
        work(&mut site);
        site.files.edit("a", |content| content[0] = b'x');
        assert_eq!(take_answers(&mut site), 1);
        assert!(tag(&mut site, "/a").starts_with("W/"));
    }

    #[test]
    fn many_files_wait_in_bounds_and_are_asked_for_again() {
        let content = "0123456789abcdef".repeat(1 << 15);
        let mut site = TestSite::new(&[]);
        for at in 0..super::MOST_JOBS + 9 {
            site.files.write(&format!("{at}"), content.as_str());
        }
        site.advance(Duration::from_secs(9));
        for _ in 0..2 {
            for at in 0..super::MOST_JOBS + 9 {
                tag(&mut site, &format!("/{at}"));
            }
            work(&mut site);
            site.advance(Duration::from_millis(20));
        }
        for at in 0..super::MOST_JOBS + 9 {
            assert_eq!(
                tag(&mut site, &format!("/{at}")),
                strong(content.as_bytes())
            );
        }
    }
}
