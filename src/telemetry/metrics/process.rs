//! The process as its kernel sees it, under the names that all programs give to these figures.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, SeekFrom, openat, seek};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::exposition::{Exposition, FamilyKind};

/// The figures of this process. Everything that they are read from is opened here, because the sandbox
/// opens nothing of the kind later.
#[derive(Debug)]
pub struct ProcessFigures {
    started: Duration,
    most_files: Option<u64>,
    page: u64,
    /// `/proc/self/statm` and `/proc/self/fd`, where there is a `/proc`.
    memory: Option<File>,
    files: Option<OwnedFd>,
}

impl ProcessFigures {
    /// The figures of this process, which begins at `now`.
    pub fn open(now: SystemTime) -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        ProcessFigures {
            started: now.duration_since(UNIX_EPOCH).unwrap_or_default(),
            most_files: getrlimit(Resource::Nofile).current,
            page: rustix::param::page_size() as u64,
            memory: File::open("/proc/self/statm").ok(),
            files: openat(rustix::fs::CWD, "/proc/self/fd", flags, Mode::empty()).ok(),
        }
    }

    /// Pages of the process's address space, and those of them that are in memory.
    fn pages(&self) -> Option<(u64, u64)> {
        // Seven numbers of at most 20 digits.
        let mut text = [0; 160];
        let len = rustix::io::pread(self.memory.as_ref()?, &mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..len)?).ok()?;
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    /// Memory of the process, in bytes.
    #[cfg(feature = "panel")]
    pub fn resident(&self) -> Option<u64> {
        self.pages().map(|(_, resident)| resident * self.page)
    }

    /// The number of open files, this one's own directory among them.
    fn open_files(&self) -> Option<u64> {
        let directory = self.files.as_ref()?.as_fd();
        // The position is the descriptor's, and the last count left it at the end.
        seek(directory, SeekFrom::Start(0)).ok()?;
        let count = count_entries(directory).ok()?;
        // `.` and `..`
        Some(count.saturating_sub(2))
    }

    /// Writes the figures that this system has.
    pub fn write(&self, text: &mut Exposition) {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::new(
            u64::try_from(cpu.tv_sec).unwrap_or(0),
            u32::try_from(cpu.tv_nsec).unwrap_or(0),
        );
        let name = "process_cpu_seconds";
        text.single(
            FamilyKind::Counter,
            name,
            "Processor time, in seconds.",
            cpu,
        );
        let name = "process_start_time_seconds";
        let help = "Start of the process, in seconds since 1970.";
        text.single(FamilyKind::Gauge, name, help, self.started);
        if let Some((address_space, resident)) = self.pages() {
            let name = "process_virtual_memory_bytes";
            let help = "Size of the address space, in bytes.";
            text.single(FamilyKind::Gauge, name, help, address_space * self.page);
            let name = "process_resident_memory_bytes";
            let help = "Memory of the process, in bytes.";
            text.single(FamilyKind::Gauge, name, help, resident * self.page);
        }
        if let Some(files) = self.open_files() {
            let name = "process_open_fds";
            text.single(
                FamilyKind::Gauge,
                name,
                "Number of open descriptors.",
                files,
            );
        }
        if let Some(most) = self.most_files {
            let name = "process_max_fds";
            text.single(FamilyKind::Gauge, name, "Most open descriptors.", most);
        }
    }
}

fn count_entries(directory: impl AsFd) -> io::Result<u64> {
    let mut buffer = Vec::with_capacity(4 << 10);
    let mut entries = rustix::fs::RawDir::new(directory, buffer.spare_capacity_mut());
    let mut count = 0;
    while let Some(entry) = entries.next() {
        entry?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::super::TextFormat;
    use super::*;

    fn figure(process: &ProcessFigures, name: &str) -> f64 {
        let mut text = Exposition::new(TextFormat::Prometheus);
        process.write(&mut text);
        let text = text.finish();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.find(|(found, _)| *found == name).expect(&text);
        value.parse().unwrap()
    }

    #[test]
    fn the_figures_are_those_of_this_process() {
        let process = ProcessFigures::open(UNIX_EPOCH + Duration::from_millis(1_500));
        assert!(figure(&process, "process_start_time_seconds") == 1.5);
        assert!(figure(&process, "process_cpu_seconds_total") > 0.0);
        let resident = figure(&process, "process_resident_memory_bytes");
        assert!(resident > 1e6, "{resident}");
        assert!(figure(&process, "process_virtual_memory_bytes") >= resident);
        let before = figure(&process, "process_open_fds");
        assert!(before >= 4.0, "{before}");
        assert!(before < figure(&process, "process_max_fds"));
        // Other tests open and close files meanwhile, but none of them a hundred.
        let files: Vec<File> = (0..200).map(|_| File::open("/dev/null").unwrap()).collect();
        let more = figure(&process, "process_open_fds");
        assert!(
            more > before + 100.0,
            "{before} and {} more: {more}",
            files.len()
        );
    }
}
