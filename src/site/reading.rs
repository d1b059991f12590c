//! The first look at a file: its state, and the content that is read and hashed at once.

use std::io::{self, IoSliceMut};
use std::rc::Rc;
use std::time::SystemTime;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::known_hashes::KnownHashes;
use super::validators::{Settling, StateKey, settling};
use crate::world::{FileReads, Metadata};

/// Files up to this length are hashed before their first response, and may be kept in memory. Pages,
/// styles, scripts and fonts are shorter. Reading and hashing 256 KiB takes about 50 µs, the longest
/// time that one request may keep the others waiting for a tag.
pub(crate) const HASHED_LEN: u64 = 256 << 10;

/// Bytes of a file that are hashed at a time, where they are not kept.
const SLICE: usize = 64 << 10;

/// Number of times that a file is read if it changes while it is read. After that it is sent without
/// having been read.
const READ_ATTEMPTS: usize = 3;

/// Result of opening a file.
pub(crate) struct Reading {
    pub(crate) metadata: Metadata,
    pub(crate) settling: Settling,
    pub(crate) state: StateKey,
    pub(crate) hash: Option<u128>,
    pub(crate) content: Option<Rc<[u8]>>,
}

impl Reading {
    /// Reads a file that is small enough to be hashed at once, so that content and metadata belong
    /// together. Content that is still on the disk is asked for and not waited for.
    pub(crate) fn new<R: FileReads>(
        reads: &mut R,
        file: &R::File,
        mut metadata: Metadata,
        now: SystemTime,
        keep: u64,
        hashes: &mut KnownHashes,
    ) -> io::Result<Self> {
        for _ in 0..READ_ATTEMPTS {
            let settling = settling(&metadata, now);
            let state = StateKey::new(&metadata, settling, now);
            let known = match settling {
                Settling::Settled => hashes.get(state),
                Settling::Unsettled => None,
            };
            let reading = |hash, content| Reading {
                metadata,
                settling,
                state,
                hash,
                content,
            };
            let is_needed = metadata.len <= HASHED_LEN && (known.is_none() || metadata.len <= keep);
            if !is_needed {
                return Ok(reading(known, None));
            }
            let (hash, len, content) = if metadata.len <= keep {
                let Some(content) = read(reads, file, metadata.len)? else {
                    return Ok(reading(known, None));
                };
                let hash = known.unwrap_or_else(|| xxh3_128(&content));
                (hash, content.len() as u64, Some(content))
            } else {
                let Some((hash, len)) = hash(reads, file, metadata.len)? else {
                    return Ok(reading(known, None));
                };
                (hash, len, None)
            };
            reads.note_hashed(len as usize);
            let after = reads.metadata(file)?;
            if after == metadata && len == metadata.len {
                if settling == Settling::Settled {
                    hashes.insert(state, hash);
                }
                return Ok(reading(Some(hash), content));
            }
            metadata = after;
        }
        Ok(Reading {
            metadata,
            settling: Settling::Unsettled,
            state: StateKey::new(&metadata, Settling::Unsettled, now),
            hash: None,
            content: None,
        })
    }
}

/// The first `len` bytes of a file, or all if it is shorter; `None` if the disk has to bring some of them,
/// which it was then asked for.
pub(crate) fn read<R: FileReads>(
    reads: &mut R,
    file: &R::File,
    len: u64,
) -> io::Result<Option<Rc<[u8]>>> {
    let mut content = vec![0; len as usize];
    let mut filled = 0;
    while let Some(rest) = content.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reads.read_resident(file, filled as u64, &mut [IoSliceMut::new(rest)]) {
            // The file has become shorter.
            Ok(0) => content.truncate(filled),
            Ok(read) => filled += read,
            Err(error) => {
                let _ = reads.ask_for(file, 0, len);
                return match error.kind() {
                    io::ErrorKind::WouldBlock => Ok(None),
                    // Some kernels and some file systems cannot tell. Bytes that have to be waited for
                    // come in as few pieces as possible, since they were asked for.
                    _ => read_waiting(reads, file, len as usize).map(Some),
                };
            }
        }
    }
    Ok(Some(content.into()))
}

/// The hash of the first `len` bytes of a file and their number, which is less if the file is shorter; `None` as
/// [`read`]. What is not kept goes through a buffer that stays in the processor's cache: memory of its own for each
/// file would be cleared by the kernel, copied and given back.
fn hash<R: FileReads>(reads: &mut R, file: &R::File, len: u64) -> io::Result<Option<(u128, u64)>> {
    let mut buffer = vec![0; SLICE];
    let (mut hash, mut done) = (Xxh3::new(), 0);
    while done < len {
        let most = usize::try_from(len - done).map_or(SLICE, |left| left.min(SLICE));
        let Some(slice) = buffer.get_mut(..most) else {
            break;
        };
        match reads.read_resident(file, done, &mut [IoSliceMut::new(slice)]) {
            // The file has become shorter.
            Ok(0) => break,
            Ok(read) => {
                hash.update(slice.get(..read).unwrap_or_default());
                done += read as u64;
            }
            Err(error) => {
                let _ = reads.ask_for(file, 0, len);
                if error.kind() == io::ErrorKind::WouldBlock {
                    return Ok(None);
                }
                let content = read_waiting(reads, file, len as usize)?;
                return Ok(Some((xxh3_128(&content), content.len() as u64)));
            }
        }
    }
    Ok(Some((hash.digest128(), done)))
}

/// The first `len` bytes of a file, or all if it is shorter, even if the disk has to bring them.
fn read_waiting<R: FileReads>(reads: &mut R, file: &R::File, len: usize) -> io::Result<Rc<[u8]>> {
    let mut content = Vec::with_capacity(len);
    while content.len() < len {
        let left = len - content.len();
        if reads.read_at(file, content.len() as u64, &mut content, left)? == 0 {
            break;
        }
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Files;
    use crate::world::memory_files::MemoryFiles;

    #[test]
    fn content_that_is_not_kept_is_hashed_without_memory_for_all_of_it() {
        let content: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let mut files = MemoryFiles::new();
        files.write("f", content.clone());
        let (file, metadata) = files.open(b"f").unwrap();
        let mut reads = files.reads();
        let mut hashes = KnownHashes::default();
        // The slice, and the copy of it that files in memory read: less than the content.
        for (keep, most) in [(0, 140 << 10), (HASHED_LEN, 1 << 20)] {
            let mut reading = None;
            let now = SystemTime::now();
            let allocated = allocation_counter::measure(|| {
                reading = Reading::new(&mut reads, &file, metadata, now, keep, &mut hashes).ok();
            });
            let reading = reading.unwrap();
            assert_eq!(reading.hash, Some(xxh3_128(&content)));
            assert_eq!(reading.content.is_some(), keep > 0);
            assert!(allocated.bytes_max < most, "{allocated:?} for {keep}");
        }
    }
}
