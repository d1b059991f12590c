use super::*;
use crate::helper::process;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::send;
use std::fs::File;
use std::io::Write;
use std::thread;
use xxhash_rust::xxh3::xxh3_128;

fn pair() -> (HelperClient, OwnedFd) {
    let flags = SocketFlags::CLOEXEC;
    let (ours, other) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    (HelperClient::new(ours, 0), other)
}

/// A client whose helper runs in a thread, and has told that it is ready.
fn helped() -> HelperClient {
    let (client, other) = pair();
    thread::spawn(move || process::run(other.as_fd()).unwrap());
    wait(&client);
    let ready = receive(client.socket.as_ref().unwrap());
    assert!(matches!(ready, Ok(Some((HelperReply::Ready, None)))));
    client
}

fn wait(client: &HelperClient) {
    let mut waited = [PollFd::new(client.socket.as_ref().unwrap(), PollFlags::IN)];
    assert!(poll(&mut waited, Some(&START)).unwrap() > 0);
}

fn answer(client: &mut HelperClient) -> HelpAnswer {
    let (answer, file) = answer_with_file(client);
    assert!(file.is_none(), "{answer:?}");
    answer
}

fn answer_with_file(client: &mut HelperClient) -> (HelpAnswer, Option<OwnedFd>) {
    wait(client);
    client.take_answer().unwrap()
}

/// Takes an answer that has come already.
fn take(client: &mut HelperClient) -> Option<HelpAnswer> {
    client.take_answer().map(|(answer, _)| answer)
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

/// Says something as a helper does.
fn say(other: &OwnedFd, id: HelpId, outcome: HelpOutcome) {
    let reply = HelperReply::Answer(HelpAnswer { id, outcome });
    send(other, &reply.to_bytes(), SendFlags::empty()).unwrap();
}

#[test]
fn bytes_are_read_and_hashed_piece_by_piece() {
    let content: Vec<u8> = (0..300_000_u32).map(|at| (at >> 3) as u8).collect();
    let file = file(&content);
    let mut client = helped();
    let read = client.read_ahead(file.as_fd(), 100, 200_000).unwrap();
    assert!(client.is_open(read) && client.timeout().is_some());
    let outcome = HelpOutcome::Read;
    assert_eq!(answer(&mut client), HelpAnswer { id: read, outcome });
    assert!(!client.is_open(read) && client.timeout().is_none());
    for round in 0..2 {
        for (offset, len) in [(0, 150_000), (150_000, 150_000)] {
            let id = client.hash(file.as_fd(), offset, len).unwrap();
            let hash = xxh3_128(&content[..(offset + len) as usize]);
            let outcome = HelpOutcome::Hashed(hash);
            assert_eq!(answer(&mut client), HelpAnswer { id, outcome }, "{round}");
        }
    }
}

#[test]
fn what_cannot_be_read_or_has_no_beginning_fails_and_the_next_task_does_not() {
    let file = file(b"content");
    let directory = File::open("/").unwrap();
    let mut client = helped();
    let tasks = [
        client.hash(file.as_fd(), 3, 4),
        client.hash(file.as_fd(), 0, 8),
        client.hash(directory.as_fd(), 0, 1),
        client.read_ahead(directory.as_fd(), 0, 1),
    ];
    for id in tasks {
        let (id, outcome) = (id.unwrap(), HelpOutcome::Failed);
        assert_eq!(answer(&mut client), HelpAnswer { id, outcome });
    }
    client.hash(file.as_fd(), 0, 7).unwrap();
    let outcome = HelpOutcome::Hashed(xxh3_128(b"content"));
    assert_eq!(answer(&mut client).outcome, outcome);
}

#[test]
fn files_are_opened_and_passed_and_errors_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("page"), "content").unwrap();
    std::os::unix::fs::symlink("loop", at("loop")).unwrap();
    std::os::unix::fs::symlink(at("page"), at("absolute")).unwrap();
    mkfifoat(CWD, at("pipe"), Mode::RUSR).unwrap();
    let root = File::open(directory.path()).unwrap();
    let mut client = helped();
    // Opening a pipe waits for no writer.
    for path in [&b"page"[..], b".", b"pipe"] {
        let id = client.open(root.as_fd(), path).unwrap();
        let (answer, file) = answer_with_file(&mut client);
        let outcome = HelpOutcome::Opened;
        assert_eq!(answer, HelpAnswer { id, outcome });
        let file = file.unwrap();
        assert!(fcntl_getfd(&file).unwrap().contains(FdFlags::CLOEXEC));
        if path == b"page" {
            assert_eq!(io::read_to_string(File::from(file)).unwrap(), "content");
        }
    }
    let long = [b'a'; 4096];
    let failed = |errno: Errno| HelpOutcome::NotOpened(errno.raw_os_error());
    for (path, outcome) in [
        (&b"none"[..], failed(Errno::NOENT)),
        (b"page/none", failed(Errno::NOTDIR)),
        (b"loop", failed(Errno::LOOP)),
        (&long, failed(Errno::NAMETOOLONG)),
        // The server follows links out of the root by itself, as far as they lead back.
        (b"../etc", HelpOutcome::LookedUp),
        (b"absolute", HelpOutcome::LookedUp),
    ] {
        let id = client.open(root.as_fd(), path).unwrap();
        assert_eq!(answer(&mut client), HelpAnswer { id, outcome });
    }
    for path in [&b""[..], &[b'a'; 4097]] {
        assert_eq!(client.open(root.as_fd(), path), None);
    }
    // Tasks of both kinds are answered in their order.
    let file = file(b"content");
    let first = client.hash(file.as_fd(), 0, 7).unwrap();
    let second = client.open(root.as_fd(), b"page").unwrap();
    assert_eq!(answer(&mut client).id, first);
    assert_eq!(answer_with_file(&mut client).0.id, second);
}

#[test]
fn an_answer_may_come_without_its_descriptor_or_with_one_too_many() {
    let (mut client, other) = pair();
    let file = file(b"content");
    for passed in [0, 1, 2] {
        let id = client.open(file.as_fd(), b"page").unwrap();
        let outcome = HelpOutcome::Opened;
        let bytes = HelperReply::Answer(HelpAnswer { id, outcome }).to_bytes();
        let (reader, writer) = io::pipe().unwrap();
        let files = vec![writer.as_fd(); passed];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if passed > 0 {
            assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        }
        let parts = [IoSlice::new(&bytes)];
        sendmsg(&other, &parts, &mut control, SendFlags::empty()).unwrap();
        drop(writer);
        let (answer, file) = answer_with_file(&mut client);
        assert_eq!((answer.id, file.is_some()), (id, passed > 0));
        // Nobody holds the pipe: its end shows.
        drop(file);
        assert_eq!(io::read_to_string(reader).unwrap(), "");
    }
}

#[test]
fn no_more_tasks_are_taken_than_the_bound_and_one_more_after_each_answer() {
    let (mut client, other) = pair();
    let file = file(b"content");
    let mut ids = Vec::new();
    while let Some(id) = client.read_ahead(file.as_fd(), 0, 7) {
        ids.push(id);
    }
    assert_eq!(ids.len(), MOST_TASKS);
    assert!(!client.takes_tasks());
    assert_eq!(client.open(file.as_fd(), b"page"), None);
    assert_eq!(take(&mut client), None);
    say(&other, ids[0], HelpOutcome::Read);
    assert_eq!(take(&mut client).unwrap().id, ids[0]);
    assert!(client.read_ahead(file.as_fd(), 0, 7).is_some());
    assert!(client.read_ahead(file.as_fd(), 0, 7).is_none());
}

#[test]
fn a_descriptor_goes_with_each_task_and_no_task_is_longer_than_the_bound() {
    let (mut client, other) = pair();
    let file = file(b"content");
    assert!(client.hash(file.as_fd(), 0, 2 << 20).is_none());
    client.hash(file.as_fd(), 0, 7).unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; message::LEN];
    let mut rooms = [IoSliceMut::new(&mut bytes)];
    recvmsg(&other, &mut rooms, &mut control, RecvFlags::empty()).unwrap();
    assert_eq!(control.drain().count(), 1);
    assert_eq!(Task::parse(&bytes).unwrap().0.len, 7);
}

#[test]
fn the_tasks_of_a_helper_that_ended_fail_and_no_more_are_taken() {
    let file = file(b"content");
    for is_found_by_sending in [false, true] {
        let (mut client, other) = pair();
        let first = client.read_ahead(file.as_fd(), 0, 7).unwrap();
        let second = client.open(file.as_fd(), b"page").unwrap();
        assert!(client.takes_tasks());
        drop(other);
        if is_found_by_sending {
            assert!(client.read_ahead(file.as_fd(), 0, 7).is_none());
            assert_eq!(client.timeout(), Some(Duration::ZERO));
        }
        for id in [first, second] {
            let outcome = HelpOutcome::Failed;
            assert_eq!(take(&mut client), Some(HelpAnswer { id, outcome }));
        }
        assert_eq!((take(&mut client), client.timeout()), (None, None));
        assert!(client.read_ahead(file.as_fd(), 0, 7).is_none());
        assert!(client.open(file.as_fd(), b"page").is_none());
        assert!(client.socket().is_none() && !client.takes_tasks());
    }
}

#[test]
fn a_helper_that_answers_other_tasks_or_nonsense_is_given_up() {
    let file = file(b"content");
    for nonsense in [false, true] {
        let (mut client, other) = pair();
        let first = client.open(file.as_fd(), b"page").unwrap();
        let second = client.read_ahead(file.as_fd(), 0, 7).unwrap();
        if nonsense {
            send(&other, b"nonsense", SendFlags::empty()).unwrap();
        } else {
            say(&other, second, HelpOutcome::Read);
        }
        let answer = take(&mut client).unwrap();
        assert_eq!((answer.id, answer.outcome), (first, HelpOutcome::Failed));
        assert!(client.socket().is_none());
    }
}

#[test]
fn silence_is_forgiven_once_because_both_may_have_been_stopped() {
    let file = file(b"content");
    let (mut client, other) = pair();
    let wait_in_vain = |client: &mut HelperClient| client.heard -= SILENCE;
    let first = client.read_ahead(file.as_fd(), 0, 7).unwrap();
    client.read_ahead(file.as_fd(), 0, 7).unwrap();
    wait_in_vain(&mut client);
    assert_eq!(client.timeout(), Some(Duration::ZERO));
    assert_eq!(take(&mut client), None);
    assert!(client.timeout() > Some(Duration::ZERO));
    // An answer ends the silence.
    say(&other, first, HelpOutcome::Read);
    assert_eq!(take(&mut client).unwrap().outcome, HelpOutcome::Read);
    wait_in_vain(&mut client);
    assert_eq!(take(&mut client), None);
    wait_in_vain(&mut client);
    assert_eq!(take(&mut client).unwrap().outcome, HelpOutcome::Failed);
    assert!(client.socket().is_none());
}
