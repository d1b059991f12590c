//! The content of a listing, made in steps: names are read, sorted, skipped up to the wanted page, and
//! written.
//!
//! ```text
//! Reading ──(the directory has no more)──▶ Choosing ──(the page is full)──▶ Writing ──▶ Done
//! ```
//!
//! All responses with a listing read one [`Listed`], each from its own place. The one that has come to the end of
//! the text makes the next step. The text of a page of ordinary names is held as a whole until the last response
//! has it. Of a longer one the beginning is held, and each response has the rows behind it written for itself.

use super::day::DayText;
use super::entries::{ListedEntries, ListedEntry};
use super::json;
use super::order::ListingQuery;
use super::page::{self, PagePlace};
use super::shares::{Share, SharedContent};
use super::sorted::{Batches, EntryPlace, Merge, PageRows};
use super::{HiddenNames, ListingFormat, MOST_BYTES, PAGE, STEP};
use crate::content::{BodyError, ContentStream, FileTable, Progress};
use crate::site::path::is_reachable;
use crate::world::{Extent, Files, Metadata, NamesDirectory};
use std::rc::Rc;

/// Number of bytes of text that one step makes at least. A page needs few calls.
const AHEAD: usize = 16 << 10;

/// The length of text from which on no more is held, in bytes: a page of names of 20 bytes is shorter.
const MOST_HELD: usize = 1 << 20;

/// Bytes of a row's text beside the name, which stands in it twice: the tags, a length, a date.
const ROW_TEXT: usize = 66;

/// Length of an ordinary name, in bytes: there is room for as many of it as a step takes.
const NAME_LEN: usize = 24;

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
    /// The beginning of the page, as far as it was made, and is held.
    text: String,
    day: DayText,
}

/// The content of one response with a listing, from its place on.
pub(crate) struct ListingReader<F: Files> {
    share: Share<Listed<F>>,
    place: ReaderPlace,
}

/// The next byte of a page that a response has not got yet.
#[derive(Clone, Copy, Debug)]
enum ReaderPlace {
    /// Of the text that is held.
    Text(usize),
    /// Behind it: of a row's text.
    Row { row: usize, byte: usize },
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
            day: DayText::default(),
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
                let before = self.text.len();
                let state = self.write(rows, next, place);
                let written = self.text.len() - before;
                self.open_files.tree().add_effort(written * TEXT_EFFORT);
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
        let mut batch = ListedEntries::with_room(STEP, STEP * NAME_LEN);
        let mut take = |name: &[u8], metadata: &Metadata| {
            if is_reachable(name, &self.path) && !(self.hides)(name) {
                batch.push(ListedEntry::new(name, metadata));
            }
        };
        let mut tree = self.open_files.tree();
        let extent = tree.read_directory(&mut directory, STEP, &mut take)?;
        batches.push(&batch);
        let is_cut = extent == Extent::Partial && batches.bytes() > MOST_BYTES;
        if extent == Extent::Partial && !is_cut {
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
        if next == 0 {
            let text = rows.len() * ROW_TEXT + 2 * rows.name_bytes();
            self.text.reserve(text.min(MOST_HELD) + AHEAD);
        }
        let full = self.text.len() + AHEAD;
        while self.text.len() < full {
            if push_row(
                &mut self.text,
                &mut self.day,
                self.form,
                (&rows, next, place),
            ) {
                return ListingState::Done;
            }
            next += 1;
        }
        ListingState::Writing { rows, next, place }
    }

    /// Appends up to `max` bytes from a response's place on to `out`.
    fn give(
        &mut self,
        place: &mut ReaderPlace,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Progress, BodyError> {
        let mut may_step = true;
        loop {
            let begin = match place {
                ReaderPlace::Text(begin) => begin,
                ReaderPlace::Row { row, byte } => return Ok(self.give_rows(row, byte, out, max)),
            };
            let rest = self.text.as_bytes().get(*begin..).unwrap_or_default();
            let taken = rest.get(..max).unwrap_or(rest);
            out.extend_from_slice(taken);
            *begin += taken.len();
            let is_all = taken.len() == rest.len();
            match &self.state {
                ListingState::Done if is_all => return Ok(Progress::End),
                _ if !taken.is_empty() => return Ok(Progress::More),
                ListingState::Writing { next, .. } if self.text.len() >= MOST_HELD => {
                    *place = ReaderPlace::Row {
                        row: *next,
                        byte: 0,
                    };
                }
                _ if may_step => {
                    self.step()?;
                    may_step = false;
                }
                _ => return Ok(Progress::Unfinished),
            }
        }
    }

    /// Appends up to `max` bytes of rows, which are written for one response alone.
    fn give_rows(
        &self,
        next: &mut usize,
        byte: &mut usize,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Progress {
        let ListingState::Writing { rows, place, .. } = &self.state else {
            return Progress::End;
        };
        let max = max.min(AHEAD);
        self.open_files.tree().add_effort(max * TEXT_EFFORT);
        let full = out.len() + max;
        let mut line = String::new();
        let mut day = DayText::default();
        while out.len() < full {
            line.clear();
            let is_last = push_row(&mut line, &mut day, self.form, (rows, *next, *place));
            let rest = line.as_bytes().get(*byte..).unwrap_or_default();
            let taken = rest.get(..full - out.len()).unwrap_or(rest);
            out.extend_from_slice(taken);
            if taken.len() < rest.len() {
                *byte += taken.len();
                break;
            }
            if is_last {
                return Progress::End;
            }
            (*next, *byte) = (*next + 1, 0);
        }
        Progress::More
    }
}

impl<F: Files> SharedContent for Listed<F> {
    fn bytes(&self) -> usize {
        let entries = match &self.state {
            ListingState::Reading { directory, batches } => directory.bytes() + batches.bytes(),
            ListingState::Choosing { merge, chosen, .. } => {
                merge.bytes() + chosen.capacity() * size_of::<EntryPlace>()
            }
            ListingState::Writing { rows, .. } => rows.bytes(),
            ListingState::Done => 0,
        };
        size_of::<Self>() + entries + self.text.capacity()
    }

    fn is_open(&self) -> bool {
        matches!(&self.state, ListingState::Reading { directory, .. } if directory.is_open())
    }

    fn close(&mut self) {
        if let ListingState::Reading { directory, .. } = &mut self.state {
            directory.close();
        }
    }
}

/// Appends a row of the page, or its end behind the last row. True for the end.
fn push_row(
    out: &mut String,
    day: &mut DayText,
    form: ListingFormat,
    (rows, row, place): (&PageRows, usize, PagePlace),
) -> bool {
    let entry = rows.get(row);
    match (entry, form) {
        (Some(entry), ListingFormat::Html) => page::row(out, entry, day),
        (Some(entry), ListingFormat::Json) => {
            json::row(out, entry);
            let is_last = row + 1 == rows.len();
            out.push_str(if is_last { "\n" } else { ",\n" });
        }
        (None, ListingFormat::Html) => page::end(out, place),
        (None, ListingFormat::Json) => out.push_str("]\n"),
    }
    entry.is_none()
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

impl<F: Files> ListingReader<F> {
    /// A response with a listing from its beginning on.
    pub(crate) fn new(share: Share<Listed<F>>) -> Self {
        let place = ReaderPlace::Text(0);
        ListingReader { share, place }
    }
}

impl<F: Files> ContentStream<F> for ListingReader<F> {
    fn read(
        &mut self,
        _reads: &mut F::Reads,
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<Progress, BodyError> {
        let mut listed = self.share.take().ok_or(BodyError::Displaced)?;
        let progress = listed.give(&mut self.place, out, max)?;
        self.share.put_back(listed);
        Ok(progress)
    }
}
