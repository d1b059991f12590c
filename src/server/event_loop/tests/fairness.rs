//! Waits of one connection while many others are ready at once.

use super::*;

/// Files of a page with three sidecars each.
const FILES: usize = 20;

/// A page's worth of requests for files that are not in memory.
fn requests(first: usize) -> Vec<u8> {
    (first..first + FILES)
        .flat_map(|n| format!("HEAD /cold/{n} HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes())
        .collect()
}

#[test]
fn opening_many_files_at_once_holds_nobody_else_up() {
    const CROWD: usize = 256;
    let mut bench = Bench::new();
    for n in 0..CROWD * FILES {
        for sidecar in ["", ".gz", ".zst", ".br"] {
            bench.files.write(&format!("cold/{n}{sidecar}"), "cold");
        }
    }
    let crowd: Vec<Shared> = (0..CROWD)
        .map(|_| bench.connect(0, b"", usize::MAX, None))
        .collect();
    // Each comes in and is found to have nothing to say yet.
    bench.turns(2 * CROWD);
    assert_eq!(bench.event_loop.connections(), CROWD + 1);
    for (n, link) in crowd.iter().enumerate() {
        link.borrow_mut().incoming = requests(n * FILES);
        bench.wake(link);
    }
    for ask in 0..40 {
        // One more is ready in each poll, the first time behind all of them.
        bench.good.borrow_mut().incoming = GET.to_vec();
        bench.wake(&bench.good);
        let before = bench.files.counts().opens;
        let mut turns = 0;
        while bench.good.borrow().outgoing.is_empty() {
            bench.turns(1);
            turns += 1;
        }
        bench.expect_good("200 OK");
        let opened = bench.files.counts().opens - before;
        let (most_turns, most_opened) = if ask == 0 { (6, 8_000) } else { (1, 2_500) };
        assert!(turns <= most_turns, "it waits for {turns} turns");
        // All of them together open 20,480.
        assert!(opened <= most_opened, "{opened} files are opened before");
    }
    bench.turns(1_000);
    for link in &crowd {
        let answers = String::from_utf8_lossy(&link.borrow().outgoing).into_owned();
        assert_eq!(answers.matches("200 OK").count(), FILES);
    }
}
