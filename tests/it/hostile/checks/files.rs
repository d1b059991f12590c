//! Static files: those outside of the root, names that are no files, and files that change while they
//! are sent.

use super::{Check, demand};
use crate::raw_h2::{self, RawH2, frame, get};
use crate::site::{self, SECRET};
use crate::support::Server;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub const ALL: &[Check] = &[
    Check {
        name: "Nothing outside of the root is served, whatever the path",
        run: |_| paths(),
    },
    Check {
        name: "A directory that is swapped for a link leads nowhere else",
        run: swapped,
    },
    Check {
        name: "What is no regular file is not found within 50 ms",
        run: |_| no_files(),
    },
    Check {
        name: "Dotfiles are hidden, directories redirect to themselves, unknown types are not guessed",
        run: |_| manners(),
    },
    Check {
        name: "A file beyond 4 GiB is served to its last byte",
        run: |_| beyond_4_gib(),
    },
    Check {
        name: "A file that is cut short while it is sent ends its stream",
        run: |_| cut_short(),
    },
    Check {
        name: "A change within a second changes the entity tag",
        run: |_| entity_tag(),
    },
];

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("none")
}

fn paths() -> Result<(), String> {
    let server = site::serve(&["--listing"]);
    let up = [
        "/../outside/secret",
        "/./../outside/secret",
        "/directory/../../outside/secret",
        "/%2e%2e/outside/secret",
        "/%2E%2E/outside/secret",
        "/.%2e/outside/secret",
        "/%2e./outside/secret",
        "/..%2foutside%2fsecret",
        "/..%2Foutside/secret",
        "/%2e%2e%2foutside%2fsecret",
        "/%252e%252e/outside/secret",
        "/%%32%65%%32%65/outside/secret",
        "/..%252foutside/secret",
        "/..\\outside\\secret",
        "/..%5coutside%5csecret",
        "/%5c..%5coutside%5csecret",
        "/\\..\\outside\\secret",
        "/%c0%ae%c0%ae/outside/secret",
        "/%c0%af..%c0%afoutside/secret",
        "/%e0%80%ae%e0%80%ae/outside/secret",
        "/%uff0e%uff0e/outside/secret",
        "/..%00/outside/secret",
        "/4k%00/../outside/secret",
        "/..;/outside/secret",
        "/..%3b/outside/secret",
        "//../outside/secret",
        "///outside/secret",
        "/directory/%2e%2e/%2e%2e/outside/secret",
        "/link",
        "/linked/secret",
        "/linked/",
        "/linked",
        "/up",
        "/link/",
        "/link/../link",
        "/.hidden",
        "/%2ehidden",
        "/directory/../.hidden",
        "http://h/../outside/secret",
        "http://h/link",
        "/../../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    ];
    for path in up {
        let answer = server.request(&format!("GET {path} HTTP/1.1"));
        let refused = ["400", "403", "404"].contains(&status(&answer));
        demand(refused && !answer.contains(SECRET), || {
            format!("{path}: {answer}")
        })?;
    }
    Ok(())
}

/// Swaps a directory and a link out of the root, in one step each time, while requests go through it.
fn swapped(full: bool) -> Result<(), String> {
    let swaps = if full { 100_000 } else { 5_000 };
    let server = site::serve(&["--cache-memory", "0"]);
    let root = server.directory.path().join("site");
    fs::create_dir(root.join("s")).unwrap();
    fs::write(root.join("s/secret"), "inside").unwrap();
    symlink("../outside", root.join("t")).unwrap();
    let (done, found) = (AtomicBool::new(false), AtomicUsize::new(0));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..swaps {
                renameat_with(
                    CWD,
                    root.join("s"),
                    CWD,
                    root.join("t"),
                    RenameFlags::EXCHANGE,
                )
                .unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut requests = 0;
        while !done.load(Ordering::Relaxed) {
            let batch = "GET /s/secret HTTP/1.1\r\nHost: h\r\n\r\n".repeat(50)
                + "GET /t/secret HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            let answer = String::from_utf8_lossy(&server.converse(batch.as_bytes())).into_owned();
            found.fetch_add(answer.matches("inside").count(), Ordering::Relaxed);
            requests += 51;
            if answer.contains(SECRET) {
                return Err(format!("after {requests} requests: {answer}"));
            }
        }
        Ok(())
    });
    result?;
    demand(found.into_inner() > 0, || {
        "the file was never found at all".to_owned()
    })
}

fn no_files() -> Result<(), String> {
    let server = site::serve(&[]);
    for path in ["/fifo", "/socket", "/zero"] {
        let took = |_| {
            let start = Instant::now();
            let answer = server.request(&format!("GET {path} HTTP/1.1"));
            (start.elapsed(), answer)
        };
        // The best of five runs, because a loaded machine adds to each.
        let (took, answer) = (0..5).map(took).min().expect("five");
        demand(status(&answer) == "404", || format!("{path}: {answer}"))?;
        demand(took < Duration::from_millis(50), || {
            format!("{path}: {took:?}")
        })?;
    }
    Ok(())
}

fn manners() -> Result<(), String> {
    let server = site::serve(&["--listing"]);
    let get = |path: &str| {
        server
            .request(&format!("GET {path} HTTP/1.1"))
            .to_lowercase()
    };
    let expect = |path: &str, code: &str, part: &str| {
        let answer = get(path);
        demand(status(&answer) == code && answer.contains(part), || {
            format!("{path}: {answer}")
        })
    };
    expect("/.well-known/known", "200", "known")?;
    expect("/.hidden", "404", "")?;
    expect(
        "/unknown.qqq",
        "200",
        "content-type: application/octet-stream\r\n",
    )?;
    expect("/unknown.qqq", "200", "x-content-type-options: nosniff\r\n")?;
    for path in [
        "/directory",
        "//directory",
        "///directory",
        "/%5cdirectory",
        "//h/%2e%2e/directory",
    ] {
        let answer = get(path);
        let location = answer
            .lines()
            .find_map(|line| line.strip_prefix("location: "));
        let elsewhere = location.is_some_and(|to| to.starts_with("//") || to.starts_with("/\\"));
        demand(!elsewhere, || format!("{path}: {answer}"))?;
    }
    expect("/directory", "301", "location: /directory/")
        .or_else(|_| expect("/directory", "301", "location: /directory/"))
}

fn beyond_4_gib() -> Result<(), String> {
    let server = site::serve(&[]);
    let answer = server.request("GET /5g HTTP/1.1\r\nRange: bytes=5368709118-");
    let fine = status(&answer) == "206"
        && answer
            .to_lowercase()
            .contains("content-range: bytes 5368709118-5368709119/5368709120\r\n")
        && answer.ends_with("\r\n\r\n\0\0");
    demand(fine, || answer)
}

fn cut_short() -> Result<(), String> {
    let server = site::serve(&[]);
    let mut h2 = RawH2::open(server.connect());
    h2.send(&frame(raw_h2::SETTINGS, raw_h2::ACK, 0, &[]));
    let end = raw_h2::END_HEADERS | raw_h2::END_STREAM;
    h2.send(&frame(raw_h2::HEADERS, end, 1, &get("/big")));
    h2.until(|frame| frame.kind == raw_h2::DATA);
    fs::File::options()
        .write(true)
        .open(server.directory.path().join("site/big"))
        .and_then(|file| file.set_len(1_000))
        .unwrap();
    let wide = (1u32 << 30).to_be_bytes();
    h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 0, &wide));
    h2.send(&frame(raw_h2::WINDOW_UPDATE, 0, 1, &wide));
    let mut len = 0u64;
    while let Some(frame) = h2.next() {
        match frame.kind {
            raw_h2::DATA => len += frame.payload.len() as u64,
            raw_h2::RST_STREAM => {
                let code = frame.payload[3];
                demand(code == 2, || format!("RST_STREAM {code}"))?;
                return demand(len < 1 << 20, || format!("{len} bytes of padding"));
            }
            _ => {}
        }
    }
    // A frame whose header was sent cannot be taken back, so the whole connection ends then.
    demand(len < 1 << 20, || format!("{len} bytes of padding"))
}

fn entity_tag() -> Result<(), String> {
    let server = site::serve(&[]);
    let path = server.directory.path().join("site/changing");
    let tag = |server: &Server| {
        let answer = server.request("GET /changing HTTP/1.1").to_lowercase();
        let line = answer.lines().find(|line| line.starts_with("etag: "));
        line.map(str::to_owned)
    };
    fs::write(&path, "first").unwrap();
    let first = tag(&server);
    fs::write(&path, "other").unwrap();
    let start = Instant::now();
    // Cached content is at most a second old.
    while start.elapsed() < Duration::from_secs(3) {
        if first.is_some() && tag(&server) != first {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(format!("it is still {first:?}"))
}
