//! Files over HTTP/1.1 in the clear, which the socket takes from where they are.

use super::*;

const CUT: &str = "the rest could not be read";

/// Sends a request whose response waits for the socket after `room` bytes, then has `harm` done to the
/// file, and lets the client read on.
fn harmed(both: &mut Both, request: &str, room: usize, harm: impl FnOnce(&MemoryFiles)) -> String {
    let link = both.bench.connect(0, request.as_bytes(), room, None);
    both.bench.turns(3);
    harm(&both.bench.files);
    link.borrow_mut().room = usize::MAX;
    both.bench.wake(&link);
    both.bench.turns(3);
    heard(&link)
}

#[test]
fn a_file_that_is_cut_while_it_is_sent_has_a_line_that_says_so_with_the_bytes_that_were_sent() {
    // The whole of the first is in the output at once, of the second a part.
    for len in [200_000, 1 << 20] {
        let mut both = Both::new();
        both.bench.files.write("tail", vec![b'x'; len]);
        let request = "GET /tail HTTP/1.1\r\nhost: a\r\n\r\n";
        let text = harmed(&mut both, request, 100_000, |files| {
            files.truncate("tail", 150_000)
        });
        let (_, content) = text.split_once("\r\n\r\n").unwrap();
        let lines = both.lines("/tail");
        let told = format!(" 200 {} ", content.len());
        assert!(
            lines[0].contains(&told) && lines[0].ends_with(&format!("\"{CUT}\"")),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 1);
    }
}

#[test]
fn only_the_responses_whose_ends_are_lost_say_that_they_were_cut() {
    let mut both = Both::new();
    for (name, len) in [("first", 100), ("second", 70_000)] {
        both.bench.files.write(name, vec![b'x'; len]);
    }
    let request: String = ["first", "second"]
        .map(|name| format!("GET /{name} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .concat();
    harmed(&mut both, &request, 30_000, |files| {
        files.truncate("second", 60_000)
    });
    let reason = |both: &mut Both, path: &str| both.lines(path).concat().contains(CUT);
    assert_eq!(
        ["/first", "/second"].map(|path| reason(&mut both, path)),
        [false, true]
    );
    assert!(both.lines("/first").concat().contains(" 200 100 "));
}

#[test]
fn a_listing_over_http1_takes_its_share_of_work_on_files_in_a_turn() {
    let mut both = Both::with(
        h2::Config::default(),
        site::Config {
            listing: true,
            ..site()
        },
    );
    for n in 0..4_000 {
        let name = format!("d/{n:0100}");
        both.bench.files.write(&name, "x");
    }
    let request = "GET /d/ HTTP/1.1\r\nhost: a\r\n\r\n";
    let link = both.bench.connect(0, request.as_bytes(), usize::MAX, None);
    let (mut most, mut before) = (0, 0);
    // The directory is read in steps of a few milliseconds.
    both.bench.sleep(Duration::from_secs(60));
    for _ in 0..2_000 {
        both.bench.turns(1);
        let len = link.borrow().outgoing.len();
        most = most.max(len - before);
        before = len;
    }
    assert!(
        before > 400_000 && heard(&link).ends_with("0\r\n\r\n"),
        "{before}"
    );
    assert!(most < 150 << 10, "{most} bytes of rows in a turn");
}
