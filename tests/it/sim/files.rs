//! The site's files, with faults, and their expected contents.

use super::faults::Fault;
use super::outside::Outside;
use super::rng::Rng;
use allocation_counter::opt_out;
use calmd::world::memory_files::{MemoryFile, MemoryFiles, MemoryOpening};
use calmd::world::{Extent, FileReads, Files, HelpAnswer, HelpId, Metadata, Residence};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// Out of descriptors (EMFILE).
pub const PROCESS_FULL: i32 = 24;

/// An error of the disk (EIO).
const BROKEN: i32 = 5;

/// The page that the server looks for if a file is missing.
const NOT_FOUND_PAGE: &str = "404.html";

/// Files in memory that can fail.
pub struct SimFiles {
    tree: MemoryFiles,
    outside: Rc<RefCell<Outside>>,
}

/// An open file. It is counted until it is closed.
pub struct SimFile {
    /// The file. It is absent only while it is being dropped.
    inner: Option<MemoryFile>,
    path: Rc<str>,
    outside: Rc<RefCell<Outside>>,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.outside.borrow_mut().open_files -= 1;
        // Memory of the file tree is not the server's memory.
        opt_out(|| drop(self.inner.take()));
    }
}

/// A file that the helper opens.
pub struct SimOpening(Option<MemoryOpening>);

impl Drop for SimOpening {
    fn drop(&mut self) {
        // The helper's memory is not the server's.
        opt_out(|| drop(self.0.take()));
    }
}

impl SimFile {
    pub fn path(&self) -> &Rc<str> {
        &self.path
    }

    fn inner(&self) -> &MemoryFile {
        self.inner.as_ref().expect("taken only when it is dropped")
    }
}

/// The present and former contents of the site, to judge responses by.
#[derive(Default)]
pub struct Contents {
    /// True if `/echo` is mounted.
    pub has_echo: bool,
    files: BTreeMap<Rc<str>, Content>,
    struck: Vec<Strike>,
}

/// A fault that befell a file.
struct Strike {
    at: Duration,
    path: String,
    fault: Fault,
}

/// A file of the site.
pub struct Content {
    /// All versions of the file with their times. The last is the present one.
    versions: Vec<(Duration, Rc<[u8]>)>,
    pub health: Health,
}

impl Content {
    fn new(bytes: Vec<u8>, health: Health) -> Self {
        Content {
            versions: vec![(Duration::ZERO, bytes.into())],
            health,
        }
    }

    /// The present content of the file.
    pub fn current(&self) -> &Rc<[u8]> {
        let (_, bytes) = self.versions.last().expect("a file begins as something");
        bytes
    }

    /// The versions of the file from a time on.
    pub fn versions_since(&self, time: Duration) -> impl Iterator<Item = &Rc<[u8]>> {
        let past = self.versions.iter().skip(1);
        let past = past.take_while(|(from, _)| *from < time).count();
        self.versions[past..].iter().map(|(_, bytes)| bytes)
    }
}

/// Health of a file: sound files are spared by faults.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The file never changes, and a read never fails for good.
    Sound,
    /// The file is truncated, replaced, or unreadable at times.
    Fragile,
}

impl Contents {
    pub fn of(&self, path: &str) -> Option<&Content> {
        self.files.get(path)
    }

    /// The paths of files, with the leading slash of a target.
    pub fn targets(&self) -> Vec<String> {
        self.files.keys().map(|path| format!("/{path}")).collect()
    }

    /// True if one of the faults befell the file, or a sidecar of it, from a time on.
    pub fn were_struck(&self, path: &str, by: &[Fault], since: Duration) -> bool {
        let is_meant = |strike: &&Strike| {
            let beside = strike.path.starts_with(path) || strike.path == NOT_FOUND_PAGE;
            strike.at >= since && beside && by.contains(&strike.fault)
        };
        self.struck.iter().rev().any(|strike| is_meant(&strike))
    }

    fn path(&self, path: &[u8]) -> Option<Rc<str>> {
        let path = std::str::from_utf8(path).ok()?;
        self.files.get_key_value(path).map(|(path, _)| path.clone())
    }
}

/// Files of all sizes: empty, small, around the bounds of frames and caches, large.
pub fn build(rng: &mut Rng) -> (MemoryFiles, Contents) {
    let tree = MemoryFiles::new();
    let mut contents = Contents::default();
    let mut add = |path: String, health: Health, bytes: Vec<u8>| {
        tree.write(&path, bytes.clone());
        let content = Content::new(bytes, health);
        contents.files.insert(path.into(), content);
    };
    add("index.html".into(), Health::Sound, rng.bytes(300));
    for (number, size) in [0, 1, 1023, 16_384, 16_385, 65_536].into_iter().enumerate() {
        add(format!("edge/{number}.txt"), Health::Sound, rng.bytes(size));
    }
    for number in 0..6 {
        let size = rng.scaled(100_000);
        add(format!("some/{number}.css"), Health::Sound, rng.bytes(size));
    }
    let large = rng.between(300_000, 600_000);
    add("large.bin".into(), Health::Sound, rng.bytes(large));
    let sidecar = rng.bytes(900);
    add("page.html".into(), Health::Sound, rng.bytes(5000));
    add("page.html.br".into(), Health::Sound, sidecar);
    for number in 0..3 {
        let size = rng.between(1, 400_000);
        add(
            format!("fragile/{number}.js"),
            Health::Fragile,
            rng.bytes(size),
        );
    }
    // Files that were just written have not settled yet.
    tree.advance(Duration::from_secs(10));
    (tree, contents)
}

impl Outside {
    /// Remembers that a fault befell a file.
    fn note(&mut self, path: &str, fault: Fault) {
        self.contents.struck.push(Strike {
            at: self.network.now,
            path: path.to_owned(),
            fault,
        });
    }
}

impl SimFiles {
    pub fn new(tree: MemoryFiles, outside: Rc<RefCell<Outside>>) -> Self {
        SimFiles { tree, outside }
    }

    /// Lets the clock that stamps files run on.
    pub fn advance(&self, by: Duration) {
        self.tree.advance(by);
    }

    /// Sets the clock that stamps files, to a time after 1970.
    pub fn set_clock(&self, since: Duration) {
        self.tree.set_clock(SystemTime::UNIX_EPOCH + since);
    }

    /// Changes a fragile file, even while it is open.
    fn unsettle(&self, path: &Rc<str>) {
        let outside = &mut *self.outside.borrow_mut();
        let Some(content) = outside.contents.files.get_mut(path) else {
            return;
        };
        let (now, faults) = (outside.network.now, &mut outside.network.faults);
        let len = content.current().len();
        let fault = if len > 1 && faults.strikes(Fault::FileShrinks) {
            let bytes = &content.current()[..outside.rng.below(len)];
            self.tree.truncate(path, bytes.len());
            content.versions.push((now, bytes.into()));
            Fault::FileShrinks
        } else if faults.strikes(Fault::FileReplaced) {
            let len = outside.rng.between(1, 100_000);
            let bytes = outside.rng.bytes(len);
            self.tree.write(path, bytes.clone());
            content.versions.push((now, bytes.into()));
            Fault::FileReplaced
        } else {
            return;
        };
        outside.note(path, fault);
    }

    /// Reads a file, for the server or for the world itself.
    pub fn read(
        &mut self,
        file: &SimFile,
        offset: u64,
        out: &mut Vec<u8>,
        mut max: usize,
    ) -> io::Result<usize> {
        if self.strikes(Fault::FileReadSlow) {
            let mut outside = self.outside.borrow_mut();
            let lost = outside.rng.pause(Duration::from_millis(500));
            outside.lose(lost);
        }
        if max > 1 && self.strikes(Fault::FileReadShort) {
            max = self.outside.borrow_mut().rng.between(1, max);
        }
        if self.is_fragile(&file.path) {
            if self.strikes_file(file.path.as_bytes(), Fault::FileReadFails) {
                return Err(io::Error::from_raw_os_error(BROKEN));
            }
            opt_out(|| self.unsettle(&file.path));
        }
        self.tree.read_at(file.inner(), offset, out, max)
    }

    /// The path of a file that is known; empty for others.
    fn known(&self, path: &[u8]) -> Rc<str> {
        let known = self.outside.borrow().contents.path(path);
        known.unwrap_or_default()
    }

    /// Counts a file that is open from here on.
    fn opened(
        &self,
        path: Rc<str>,
        (file, metadata): (MemoryFile, Metadata),
    ) -> (SimFile, Metadata) {
        self.outside.borrow_mut().open_files += 1;
        let file = SimFile {
            inner: Some(file),
            path,
            outside: self.outside.clone(),
        };
        (file, metadata)
    }

    fn is_fragile(&self, path: &str) -> bool {
        let outside = self.outside.borrow();
        outside
            .contents
            .of(path)
            .is_some_and(|content| content.health == Health::Fragile)
    }

    fn count(&self, fault: Fault) {
        self.outside.borrow_mut().network.faults.count(fault);
    }

    fn strikes(&self, fault: Fault) -> bool {
        self.outside.borrow_mut().network.faults.strikes(fault)
    }

    /// Decides if a fault befalls this file.
    fn strikes_file(&self, path: &[u8], fault: Fault) -> bool {
        let strikes = self.strikes(fault);
        if strikes {
            let path = String::from_utf8_lossy(path);
            opt_out(|| self.outside.borrow_mut().note(&path, fault));
        }
        strikes
    }
}

impl FileReads for SimFiles {
    type File = SimFile;

    fn read_at(
        &mut self,
        file: &SimFile,
        offset: u64,
        out: &mut Vec<u8>,
        max: usize,
    ) -> io::Result<usize> {
        Outside::panic_by_chance(&self.outside, Fault::FileReadPanics);
        self.read(file, offset, out, max)
    }

    fn read_resident(
        &mut self,
        file: &SimFile,
        offset: u64,
        slices: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        match self.residence(file, offset, 1) {
            Ok(Residence::Disk) => Err(io::ErrorKind::WouldBlock.into()),
            _ => self.read_scattered(file, offset, slices),
        }
    }

    fn residence(&mut self, file: &SimFile, offset: u64, len: u64) -> io::Result<Residence> {
        let residence = self.tree.residence(file.inner(), offset, len);
        if let Ok(Residence::Disk) = residence {
            self.count(Fault::FileCold);
        }
        residence
    }

    fn ask_for(&mut self, file: &SimFile, offset: u64, len: u64) -> io::Result<()> {
        let mut result = Ok(());
        // Requests to the disk are not the server's memory.
        opt_out(|| result = self.tree.ask_for(file.inner(), offset, len));
        result
    }

    fn is_helped(&self) -> bool {
        self.tree.is_helped()
    }

    fn take_needed(&mut self) -> Option<HelpId> {
        self.tree.take_needed()
    }

    fn take_answer(&mut self) -> Option<HelpAnswer> {
        let mut answer = None;
        opt_out(|| answer = self.tree.take_answer());
        answer
    }

    fn help_timeout(&self) -> Option<Duration> {
        self.tree.help_timeout()
    }

    fn metadata(&mut self, file: &SimFile) -> io::Result<Metadata> {
        self.tree.metadata(file.inner())
    }

    fn note_hashed(&mut self, len: usize) {
        self.tree.note_hashed(len);
    }

    fn note_slice(&mut self) {
        self.tree.note_slice();
    }

    fn take_effort(&mut self) -> usize {
        FileReads::take_effort(&mut self.tree)
    }
}

impl Files for SimFiles {
    type File = SimFile;
    type Reads = Self;
    type Directory = <MemoryFiles as Files>::Directory;
    type Opening = SimOpening;

    fn reads(&self) -> Self {
        SimFiles::new(self.tree.clone(), self.outside.clone())
    }

    fn open(&mut self, path: &[u8]) -> io::Result<(SimFile, Metadata)> {
        Outside::panic_by_chance(&self.outside, Fault::OpenPanics);
        if self.strikes_file(path, Fault::OpenProcessFull) {
            return Err(io::Error::from_raw_os_error(PROCESS_FULL));
        }
        let path_name = self.known(path);
        if self.is_fragile(&path_name) {
            if self.strikes_file(path, Fault::OpenFails) {
                return Err(io::Error::from_raw_os_error(BROKEN));
            }
            opt_out(|| self.unsettle(&path_name));
        }
        let opened = self.tree.open(path)?;
        Ok(self.opened(path_name, opened))
    }

    fn open_resident(&mut self, path: &[u8]) -> io::Result<(SimFile, Metadata)> {
        if self.tree.is_cold(path) {
            self.count(Fault::NameCold);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.open(path)
    }

    fn need_open(&mut self, reads: &mut Self, path: &[u8]) -> Option<SimOpening> {
        let mut opening = None;
        opt_out(|| opening = self.tree.need_open(&mut reads.tree, path));
        opening.map(|opening| SimOpening(Some(opening)))
    }

    fn open_helped(
        &mut self,
        path: &[u8],
        opening: &SimOpening,
    ) -> io::Result<(SimFile, Metadata)> {
        if self.strikes(Fault::HelperLosesFile) {
            return self.open(path);
        }
        // A descriptor is duplicated.
        if self.strikes_file(path, Fault::OpenProcessFull) {
            return Err(io::Error::from_raw_os_error(PROCESS_FULL));
        }
        let path_name = self.known(path);
        if self.is_fragile(&path_name) && self.strikes_file(path, Fault::OpenFails) {
            return Err(io::Error::from_raw_os_error(BROKEN));
        }
        let opening = opening.0.as_ref().expect("taken only when it is dropped");
        let opened = self.tree.open_helped(path, opening)?;
        Ok(self.opened(path_name, opened))
    }

    fn is_same_root(&self, other: &Self) -> bool {
        self.tree.is_same_root(&other.tree)
    }

    fn open_directory(&mut self, path: &[u8]) -> io::Result<Self::Directory> {
        self.tree.open_directory(path)
    }

    fn read_directory(
        &mut self,
        directory: &mut Self::Directory,
        max: usize,
        take: &mut dyn FnMut(&[u8], &Metadata),
    ) -> io::Result<Extent> {
        self.tree.read_directory(directory, max, take)
    }

    fn add_effort(&mut self, bytes: usize) {
        self.tree.add_effort(bytes);
    }

    fn take_effort(&mut self) -> usize {
        Files::take_effort(&mut self.tree)
    }

    fn now(&self) -> SystemTime {
        self.tree.now()
    }
}
