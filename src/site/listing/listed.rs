//! The content of a listing, made in steps: names are read, sorted, skipped up to the wanted page, and
//! written.
//!
//! ```text
//! Reading ──(the directory has no more)──▶ Choosing ──(the page is full)──▶ Writing ──▶ Done
//! ```

use super::json;
use super::order::ListingQuery;
use super::page::{self, PagePlace};
use super::shares::Share;
use super::sorted::{Batches, EntryPlace, Merge, PageRows};
use super::{HiddenNames, ListingFormat, MOST_BYTES, PAGE, STEP};
use crate::content::{BodyError, ContentStream, FileTable, Progress};
use crate::site::path::is_reachable;
use crate::world::{Extent, Files};
use std::rc::Rc;

/// Number of bytes of text that are made ahead of what is asked for. A page needs few calls, and is
/// never held whole.
const AHEAD: usize = 16 << 10;

/// Number of entries that one step takes out of their batches.
const CHOICES: usize = 2 * STEP;

/// Work on one entry, in bytes of [`Effort`](crate::world::effort::Effort): 0.4 µs.
const CHOICE_EFFORT: usize = 512;

/// Work on a byte of the page's text, in bytes of effort: a row of 100 bytes takes 0.6 µs.
const TEXT_EFFORT: usize = 8;

/// One page of the listing of a directory.
pub(crate) struct Listed<F: Files> {
    /// The tree that the directory is in.
    open_files: Rc<FileTable<F>>,
    path: Vec<u8>,
    form: ListingFormat,
    wanted: ListingQuery,
    hides: HiddenNames,
    state: ListingState<F>,
    /// Text. The bytes from `sent` on are still to be sent.
    text: String,
    sent: usize,
}

enum ListingState<F: Files> {
    Reading {
        directory: F::Directory,
        batches: Batches,
    },
    Choosing {
        merge: Merge,
        /// Number of entries of earlier pages, which are skipped.
        skip: usize,
        chosen: Vec<EntryPlace>,
        place: PagePlace,
    },
    Writing {
        rows: PageRows,
        /// Index of the next row.
        next: usize,
        place: PagePlace,
    },
    Done,
}

impl<F: Files> Listed<F> {
    /// A listing of an open directory.
    pub(crate) fn new(
        open_files: &Rc<FileTable<F>>,
        directory: F::Directory,
        path: &[u8],
        form: ListingFormat,
        wanted: ListingQuery,
        hides: HiddenNames,
    ) -> Self {
        let mut text = String::new();
        match form {
            ListingFormat::Html => page::begin(&mut text, path, wanted.order),
            ListingFormat::Json => text.push('['),
        }
        Listed {
            open_files: open_files.clone(),
            path: path.to_vec(),
            form,
            wanted,
            hides,
            state: ListingState::Reading {
                directory,
                batches: Batches::new(wanted.order),
            },
            text,
            sent: 0,
        }
    }

    /// The whole content, if the directory has no more than one batch of names.
    pub(crate) fn at_once(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        self.step()?;
        if let ListingState::Reading { .. } = self.state {
            return Ok(None);
        }
        while !matches!(self.state, ListingState::Done) {
            self.step()?;
        }
        Ok(Some(std::mem::take(&mut self.text).into_bytes()))
    }

    /// Memory that the listing takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let entries = match &self.state {
            ListingState::Reading { batches, .. } => batches.bytes(),
            ListingState::Choosing { merge, chosen, .. } => {
                merge.bytes() + chosen.capacity() * size_of::<EntryPlace>()
            }
            ListingState::Writing { rows, .. } => rows.bytes(),
            ListingState::Done => 0,
        };
        size_of::<Self>() + entries + self.text.capacity()
    }

    /// Makes one step of bounded work.
    fn step(&mut self) -> Result<(), BodyError> {
        self.state = match std::mem::replace(&mut self.state, ListingState::Done) {
            ListingState::Reading { directory, batches } => self.read_names(directory, batches)?,
            ListingState::Choosing {
                merge,
                skip,
                chosen,
                place,
            } => {
                self.open_files.tree().add_effort(CHOICES * CHOICE_EFFORT);
                choose(merge, skip, chosen, place)
            }
            ListingState::Writing { rows, next, place } => {
                let state = self.write(rows, next, place);
                self.open_files
                    .tree()
                    .add_effort(self.text.len() * TEXT_EFFORT);
                state
            }
            ListingState::Done => ListingState::Done,
        };
        Ok(())
    }

    fn read_names(
        &self,
        mut directory: F::Directory,
        mut batches: Batches,
    ) -> Result<ListingState<F>, BodyError> {
        let mut batch = self
            .open_files
            .tree()
            .read_directory(&mut directory, STEP)?;
        batch
            .entries
            .retain(|entry| is_reachable(&entry.name, &self.path) && !(self.hides)(&entry.name));
        batches.push(batch.entries);
        let is_cut = batch.extent == Extent::Partial && batches.bytes() > MOST_BYTES;
        if batch.extent == Extent::Partial && !is_cut {
            return Ok(ListingState::Reading { directory, batches });
        }
        let place = PagePlace {
            wanted: self.wanted,
            pages: batches.count().div_ceil(PAGE).max(1),
            entries: batches.count(),
            is_cut,
        };
        Ok(ListingState::Choosing {
            merge: batches.merge(),
            skip: (self.wanted.page - 1).saturating_mul(PAGE),
            chosen: Vec::new(),
            place,
        })
    }

    fn write(&mut self, rows: PageRows, mut next: usize, place: PagePlace) -> ListingState<F> {
        let full = self.text.len() + AHEAD;
        while self.text.len() < full {
            let entry = rows.get(next);
            next += 1;
            match (entry, self.form) {
                (Some(entry), ListingFormat::Html) => page::row(&mut self.text, entry),
                (Some(entry), ListingFormat::Json) => {
                    json::row(&mut self.text, entry);
                    let is_last = next == rows.len();
                    self.text.push_str(if is_last { "\n" } else { ",\n" });
                }
                (None, form) => {
                    match form {
                        ListingFormat::Html => page::end(&mut self.text, place),
                        ListingFormat::Json => self.text.push_str("]\n"),
                    }
                    return ListingState::Done;
                }
            }
        }
        ListingState::Writing { rows, next, place }
    }
}

fn choose<F: Files>(
    mut merge: Merge,
    mut skip: usize,
    mut chosen: Vec<EntryPlace>,
    place: PagePlace,
) -> ListingState<F> {
    for _ in 0..CHOICES {
        match merge.next() {
            Some(_) if skip > 0 => skip -= 1,
            Some(place) if chosen.len() < PAGE => chosen.push(place),
            _ => {
                // Only the entries of the page are held from here on.
                return ListingState::Writing {
                    rows: merge.into_rows(chosen),
                    next: 0,
                    place,
                };
            }
        }
    }
    ListingState::Choosing {
        merge,
        skip,
        chosen,
        place,
    }
}

impl<F: Files> ContentStream<F> for Share<Listed<F>> {
    fn read(
        &mut self,
        _reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Progress, BodyError> {
        let mut listed = self.take().ok_or(BodyError::Displaced)?;
        if listed.sent == listed.text.len() {
            listed.text.clear();
            listed.sent = 0;
            listed.step()?;
        }
        let rest = listed
            .text
            .as_bytes()
            .get(listed.sent..)
            .unwrap_or_default();
        let taken = rest.get(..max).unwrap_or(rest);
        out.extend_from_slice(taken);
        listed.sent += taken.len();
        let is_silent = taken.is_empty();
        let is_sent = listed.sent == listed.text.len();
        if is_sent && matches!(listed.state, ListingState::Done) {
            return Ok(Progress::End);
        }
        let bytes = listed.bytes();
        self.put_back(listed, bytes);
        Ok(if is_silent {
            Progress::Cold
        } else {
            Progress::More
        })
    }
}
