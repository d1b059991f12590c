//! Backpressure: the slower side of a transfer sets its pace, and nothing gathers between them.

use super::upstream::Upstream;
use super::{OK, body, proxy, status};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Bytes in each direction of the long transfers.
const LONG: usize = 100 << 20;

/// The most memory that a long transfer may take: windows, sockets of the process are not in it.
const MOST_KIB: u64 = 4 << 10;

#[test]
fn a_slow_client_slows_its_upstream_and_memory_stays_flat() {
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let upstream = Upstream::start(move |caller| {
        caller.request();
        caller.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n").as_bytes());
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..LONG >> 20 {
            caller.send(&piece);
            count.fetch_add(1 << 20, Ordering::SeqCst);
        }
    });
    let server = proxy(&upstream, &[]);
    let before = server.anonymous_kib();
    let mut client = server.connect();
    client
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut piece = vec![0; 256 << 10];
    client.read_exact(&mut piece[..1024]).unwrap();
    // Until nothing moves any more: the sockets between are full.
    let mut last = u64::MAX;
    while last != sent.load(Ordering::SeqCst) {
        last = sent.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(last < LONG as u64 / 2, "{last} bytes went nowhere");
    assert!(server.anonymous_kib() < before + MOST_KIB);
    let mut got = 1024;
    loop {
        match client.read(&mut piece).unwrap() {
            0 => break,
            len => got += len,
        }
    }
    assert!(got > LONG, "{got}");
    assert!(server.anonymous_kib() < before + MOST_KIB);
}

#[test]
fn a_slow_upstream_slows_its_client_and_memory_stays_flat() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |caller| {
        caller.request();
        wait.lock().unwrap().recv().unwrap();
        let content = caller.content(LONG);
        assert!(content.iter().all(|byte| *byte == b'y'));
        caller.send(OK.as_bytes());
    });
    let server = proxy(&upstream, &[]);
    let before = server.anonymous_kib();
    let mut client = server.connect();
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let mut writer = client.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        let head = format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {LONG}\r\n\r\n"
        );
        writer.write_all(head.as_bytes()).unwrap();
        let piece = vec![b'y'; 1 << 20];
        for _ in 0..LONG >> 20 {
            writer.write_all(&piece).unwrap();
            count.fetch_add(1 << 20, Ordering::SeqCst);
        }
    });
    let mut last = u64::MAX;
    while last != sent.load(Ordering::SeqCst) {
        last = sent.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(last < LONG as u64 / 2, "{last} bytes went nowhere");
    assert!(server.anonymous_kib() < before + MOST_KIB);
    go.send(()).unwrap();
    writing.join().unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!((status(&answer), body(&answer)), ("200", "ok"));
    assert!(server.anonymous_kib() < before + MOST_KIB);
}
