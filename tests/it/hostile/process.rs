//! Resources of the server process, read from Linux.

use std::fs;
use std::time::Duration;

/// CPU time of a process with one thread, to the nanosecond.
pub fn cpu(pid: u32) -> Duration {
    schedule(&format!("/proc/{pid}/schedstat"), 0)
}

/// True if the process is running or waits for a processor.
pub fn is_busy(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server runs");
    // The state stands behind the name, which is in parentheses (proc(5)).
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('R'))
}

/// Time for which the server was ready to run and had no processor.
pub fn server_waited(pid: u32) -> Duration {
    schedule(&format!("/proc/{pid}/schedstat"), 1)
}

/// Time for which the calling thread was ready to run and had no processor.
pub fn thread_waited() -> Duration {
    schedule("/proc/thread-self/schedstat", 1)
}

/// A time from the statistics of Linux's scheduler.
fn schedule(path: &str, field: usize) -> Duration {
    let text = fs::read_to_string(path).expect("the scheduler keeps statistics");
    let nanoseconds = text.split_whitespace().nth(field).expect("three fields");
    Duration::from_nanos(nanoseconds.parse().expect("a number"))
}

/// The process's own memory in KiB. Unlike the exact sum over all mappings, reading it does not block
/// the process. Older kernels report it a few pages late.
pub fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .expect("a line of that name")
        .parse()
        .expect("a number")
}

/// Number of open descriptors.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Number of bytes that wait in the system for the server to read them.
pub fn unread(port: u16) -> u64 {
    let text = fs::read_to_string("/proc/net/tcp").expect("Linux tells its connections");
    let port = format!(":{port:04X}");
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // Established connections with the server's port on this side.
            (fields[1].ends_with(&port) && fields[3] == "01").then(|| fields[4].to_owned())
        })
        .filter_map(|queues| u64::from_str_radix(queues.split_once(':')?.1, 16).ok())
        .sum()
}
