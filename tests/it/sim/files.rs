//! The site's files, with faults, and what everybody may expect of them.

use super::faults::Fault;
use super::outside::Outside;
use super::rng::Rng;
use allocation_counter::opt_out;
use calmd::world::memory_files::{MemoryFile, MemoryFiles};
use calmd::world::{Files, Listing, Metadata, Residence};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// Out of descriptors (EMFILE).
pub const PROCESS_FULL: i32 = 24;

/// An error of the disk (EIO).
const BROKEN: i32 = 5;

/// What is looked for where something is missing.
const NOT_FOUND_PAGE: &str = "404.html";

/// Files in memory that can fail.
pub struct SimFiles {
    tree: MemoryFiles,
    outside: Rc<RefCell<Outside>>,
}

/// An open file; counted as long as it is.
pub struct SimFile {
    /// Gone only while it is dropped.
    inner: Option<MemoryFile>,
    path: Rc<str>,
    outside: Rc<RefCell<Outside>>,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.outside.borrow_mut().open_files -= 1;
        // What the tree has made is not the server's memory.
        opt_out(|| drop(self.inner.take()));
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

/// What the site holds and has held, to judge responses by.
#[derive(Default)]
pub struct Contents {
    /// Whether `/echo` answers.
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
    /// All that the file ever was, and since when; the last is what it is.
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

    /// What the file is.
    pub fn current(&self) -> &Rc<[u8]> {
        let (_, bytes) = self.versions.last().expect("a file begins as something");
        bytes
    }

    /// What the file has been from this time on.
    pub fn versions_since(&self, time: Duration) -> impl Iterator<Item = &Rc<[u8]>> {
        let past = self.versions.iter().skip(1);
        let past = past.take_while(|(from, _)| *from < time).count();
        self.versions[past..].iter().map(|(_, bytes)| bytes)
    }
}

/// Whether faults strike a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It never changes, and a read never fails for good.
    Sound,
    /// It is cut short, replaced, or unreadable at times.
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

    /// Whether one of these faults befell this file, or one beside it that is asked for with it, from
    /// that time on.
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
    // What was just written is not trusted to be settled yet.
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

    /// Sets that clock, to so long after 1970.
    pub fn set_clock(&self, since: Duration) {
        self.tree.set_clock(SystemTime::UNIX_EPOCH + since);
    }

    /// Changes a fragile file beneath whoever has it open.
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

    /// What the server or the world itself reads of a file.
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

    /// Whether a fault befalls this very file.
    fn strikes_file(&self, path: &[u8], fault: Fault) -> bool {
        let strikes = self.strikes(fault);
        if strikes {
            let path = String::from_utf8_lossy(path);
            opt_out(|| self.outside.borrow_mut().note(&path, fault));
        }
        strikes
    }
}

impl Files for SimFiles {
    type File = SimFile;
    type Directory = <MemoryFiles as Files>::Directory;

    fn open(&mut self, path: &[u8]) -> io::Result<(SimFile, Metadata)> {
        Outside::panic_by_chance(&self.outside, Fault::OpenPanics);
        if self.strikes_file(path, Fault::OpenProcessFull) {
            return Err(io::Error::from_raw_os_error(PROCESS_FULL));
        }
        let known = self.outside.borrow().contents.path(path);
        let path_name = known.unwrap_or_default();
        if self.is_fragile(&path_name) {
            if self.strikes_file(path, Fault::OpenFails) {
                return Err(io::Error::from_raw_os_error(BROKEN));
            }
            opt_out(|| self.unsettle(&path_name));
        }
        let (inner, metadata) = self.tree.open(path)?;
        self.outside.borrow_mut().open_files += 1;
        let outside = self.outside.clone();
        Ok((
            SimFile {
                inner: Some(inner),
                path: path_name,
                outside,
            },
            metadata,
        ))
    }

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
        // Whom the disk works for is nothing that the server remembers.
        opt_out(|| result = self.tree.ask_for(file.inner(), offset, len));
        result
    }

    fn metadata(&mut self, file: &SimFile) -> io::Result<Metadata> {
        self.tree.metadata(file.inner())
    }

    fn open_directory(&mut self, path: &[u8]) -> io::Result<Self::Directory> {
        self.tree.open_directory(path)
    }

    fn read_directory(
        &mut self,
        directory: &mut Self::Directory,
        max: usize,
    ) -> io::Result<Listing> {
        self.tree.read_directory(directory, max)
    }

    fn take_effort(&mut self) -> usize {
        self.tree.take_effort()
    }

    fn now(&self) -> SystemTime {
        self.tree.now()
    }
}
