//! Requests of good clients, and the answers that they may get.

use crate::sim::faults::Fault;
use crate::sim::files::{Content, Contents, Health};
use crate::sim::late::{self, Lateness};
use crate::sim::outside::Outside;
use crate::sim::rng::Rng;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Greatest age of the server's knowledge of a file.
const MEMORY: Duration = Duration::from_millis(20);

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub target: String,
    pub kind: Kind,
    /// Time at which the request was last sent.
    pub sent: Duration,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Get,
    /// A GET by a client that understands Brotli.
    GetCoded,
    Head,
    /// A range: bytes from the first number to the second, both included.
    Range(usize, usize),
    /// A conditional GET of a file that the client has already.
    Unchanged,
    /// A GET of a missing file.
    Missing,
    /// A GET of a directory without its slash.
    Directory,
    /// An upload of bytes that are to come back.
    Upload(Rc<[u8]>),
    /// A GET whose answer is late.
    Late(Lateness),
}

/// The received part of a response.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub length: Option<usize>,
    pub location: Option<Vec<u8>>,
    pub coding: Option<Vec<u8>>,
    pub range: Option<Vec<u8>>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer that `calmd get --include` wrote: one head, an empty line, the content.
    pub fn of_text(text: &[u8]) -> Self {
        let mut answer = Answer::default();
        let end = text.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = text.split_at(end.map_or(text.len(), |end| end + 2));
        let head = String::from_utf8_lossy(head);
        for line in head.lines() {
            if let Some(status) = line.strip_prefix("HTTP/2 ") {
                assert_eq!(answer.status, 0, "a second head: {head}");
                answer.status = status[..3].parse().expect("a status");
            }
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            let bytes = Some(value.as_bytes().to_vec());
            match name {
                "content-length" => answer.length = value.parse().ok(),
                "location" => answer.location = bytes,
                "content-encoding" => answer.coding = bytes,
                "content-range" => answer.range = bytes,
                _ => {}
            }
        }
        answer.body = body.to_vec();
        answer
    }

    /// The answers that `calmd get --include` wrote one behind the other, each with `len` bytes of content.
    /// The last may be incomplete.
    pub fn several_of_text(mut text: &[u8], len: usize) -> Vec<Self> {
        let mut answers = Vec::new();
        while !text.is_empty() {
            let head = text.windows(2).position(|pair| pair == b"\n\n");
            let end = head.map_or(text.len(), |end| text.len().min(end + 2 + len));
            let (answer, rest) = text.split_at(end);
            answers.push(Answer::of_text(answer));
            text = rest;
        }
        answers
    }
}

/// Judgement of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerVerdict {
    /// The client has got what it is due.
    Settled,
    /// The server could not answer, and is not to blame. The client asks once more.
    AskAgain,
}

impl Ask {
    fn new(target: &str, kind: Kind) -> Self {
        Ask {
            target: target.to_owned(),
            kind,
            sent: Duration::ZERO,
        }
    }

    pub fn random(rng: &mut Rng, contents: &Contents) -> Ask {
        let target = rng.pick(&contents.targets()).clone();
        let sound = contents
            .of(&target[1..])
            .filter(|file| file.health == Health::Sound);
        let len = sound.map_or(0, |file| file.current().len());
        let (target, kind) = match rng.below(14) {
            0 => (target, Kind::Head),
            1 if len > 0 => {
                let first = rng.below(len);
                (target, Kind::Range(first, rng.between(first, len - 1)))
            }
            2 => ("/page.html".to_owned(), Kind::GetCoded),
            3 => ("/some/none.css".to_owned(), Kind::Missing),
            4 => ("/some".to_owned(), Kind::Directory),
            5 | 6 if contents.has_echo => {
                let len = rng.scaled(300_000);
                ("/echo".to_owned(), Kind::Upload(rng.bytes(len).into()))
            }
            7 => (target, Kind::Unchanged),
            8 => {
                let lateness = *rng.pick(&Lateness::CHOICE);
                (lateness.target(), Kind::Late(lateness))
            }
            _ => (target, Kind::Get),
        };
        Ask::new(&target, kind)
    }

    /// A request of each kind that matters to the server's calls.
    pub fn some(rng: &mut Rng) -> VecDeque<Ask> {
        let get = |target: &str| Ask::new(target, Kind::Get);
        let upload = Ask::new("/echo", Kind::Upload(rng.bytes(20_000).into()));
        VecDeque::from([
            get("/edge/5.txt"),
            get("/fragile/0.js"),
            upload,
            get("/large.bin"),
        ])
    }

    /// The method of the request.
    pub fn method(&self) -> &'static str {
        match self.kind {
            Kind::Head => "HEAD",
            Kind::Upload(_) => "POST",
            _ => "GET",
        }
    }

    /// The fields of the request that its kind asks for.
    pub fn field(&self) -> Option<(&'static str, String)> {
        match &self.kind {
            Kind::Unchanged => Some(("if-none-match", "*".to_owned())),
            Kind::GetCoded => Some(("accept-encoding", "br".to_owned())),
            Kind::Range(first, last) => Some(("range", format!("bytes={first}-{last}"))),
            _ => None,
        }
    }

    /// The path of what is asked for.
    fn path(&self) -> &str {
        &self.target[1..]
    }

    /// True if the request asks for the file at `path`.
    pub fn is_for(&self, path: &str) -> bool {
        self.path() == path
    }

    /// True if one of the faults befell the file during the request, or so shortly before that the
    /// server may not know.
    fn was_struck(&self, by: &[Fault], outside: &Outside) -> bool {
        let since = self.sent.saturating_sub(MEMORY);
        outside.contents.were_struck(self.path(), by, since)
    }

    /// Judges a response that is complete.
    pub fn judge(&self, answer: &Answer, outside: &Outside) -> AnswerVerdict {
        let file = outside.contents.of(self.path());
        let struck = |by: &[Fault]| self.was_struck(by, outside);
        match answer.status {
            503 if struck(&[Fault::OpenProcessFull]) => return AnswerVerdict::AskAgain,
            500 if struck(&[Fault::OpenFails, Fault::FileReadFails]) => {
                return AnswerVerdict::Settled;
            }
            503 if struck(&[Fault::FileReplaced, Fault::FileShrinks]) => {
                return AnswerVerdict::AskAgain;
            }
            _ => {}
        }
        let status = match self.kind {
            Kind::Missing => 404,
            Kind::Unchanged => 304,
            Kind::Directory => 301,
            Kind::Range(..) => 206,
            Kind::Late(lateness) => return self.judge_late(lateness, answer, outside),
            _ => 200,
        };
        self.expect(answer.status == status, "the wrong status", answer);
        match (&self.kind, file) {
            (Kind::Missing, _) => {}
            (Kind::Directory, _) => {
                let location = answer.location.as_deref();
                self.expect(location == Some(b"/some/"), "the wrong location", answer);
            }
            (Kind::Unchanged, _) => {
                self.expect(answer.body.is_empty(), "a body for 304", answer);
            }
            (Kind::Upload(sent), _) => {
                self.expect(
                    answer.body[..] == sent[..],
                    "another body than was sent",
                    answer,
                );
            }
            (Kind::GetCoded, _) if answer.coding.is_some() => {
                let sidecar = outside.contents.of("page.html.br");
                let right = sidecar.is_some_and(|file| answer.body[..] == file.current()[..]);
                self.expect(right, "another body than the sidecar's", answer);
            }
            (Kind::Range(first, last), Some(file)) => {
                let content = file.current();
                let range = format!("bytes {first}-{last}/{}", content.len());
                let right = answer.body == content[*first..=*last];
                self.expect(right, "another part than was asked for", answer);
                let told = answer.range.as_deref();
                self.expect(told == Some(range.as_bytes()), "the wrong range", answer);
            }
            (Kind::Head, Some(file)) => {
                let has = |len| {
                    self.versions(file, outside)
                        .any(|version| version.len() == len)
                };
                self.expect(answer.body.is_empty(), "a body for HEAD", answer);
                self.expect(answer.length.is_some_and(has), "the wrong length", answer);
            }
            (_, Some(file)) => {
                let is_it = |version: &Rc<[u8]>| version[..] == answer.body[..];
                let right = self.versions(file, outside).any(is_it);
                self.expect(right, "bytes that the file did not hold", answer);
            }
            (_, None) => self.expect(false, "a file that is not there", answer),
        }
        AnswerVerdict::Settled
    }

    /// Judges a late answer: it is whole, and neither early nor without a reason the server's own.
    fn judge_late(&self, lateness: Lateness, answer: &Answer, outside: &Outside) -> AnswerVerdict {
        let least = match (lateness, answer.status) {
            (Lateness::Timer, 200) => late::DELAY,
            (Lateness::Woken | Lateness::Parts, 200) => Duration::ZERO,
            (Lateness::Woken | Lateness::Never, 504) => late::TIMEOUT,
            _ => {
                self.expect(false, "the wrong status", answer);
                Duration::ZERO
            }
        };
        let waited = outside.network.now.saturating_sub(self.sent);
        self.expect(waited >= least, "an answer that is early", answer);
        let is_whole = answer.status != 200 || answer.body == late::CONTENT;
        self.expect(is_whole, "another body than the handler's", answer);
        AnswerVerdict::Settled
    }

    /// True if the server has to wait for the answer. It does not for a client that ends its direction,
    /// because that is all that it sees of a client that has gone.
    pub fn is_late(&self) -> bool {
        matches!(self.kind, Kind::Late(_))
    }

    /// The versions of the file since the earliest time at which the server may have looked at it for
    /// this request.
    fn versions<'c>(
        &self,
        file: &'c Content,
        outside: &Outside,
    ) -> impl Iterator<Item = &'c Rc<[u8]>> + use<'c> {
        // A server that cannot look goes on with its old knowledge.
        let blind = self.was_struck(&[Fault::OpenProcessFull, Fault::OpenFails], outside);
        let since = if blind {
            Duration::ZERO
        } else {
            self.sent.saturating_sub(MEMORY)
        };
        file.versions_since(since)
    }

    /// Judges a response that was cut off, or never came, on a connection or stream that the world did
    /// not disturb.
    pub fn judge_cut(&self, answer: &Answer, outside: &Outside) {
        // A file whose descriptor was needed elsewhere is opened again.
        let causes = [
            Fault::FileShrinks,
            Fault::FileReadFails,
            Fault::FileReplaced,
            Fault::OpenFails,
        ];
        let excused = self.was_struck(&causes, outside);
        self.expect(excused, "a cut off response", answer);
        let file = outside.contents.of(self.path());
        let begins_so = |version: &Rc<[u8]>| version.starts_with(&answer.body);
        let right = file.is_some_and(|file| self.versions(file, outside).any(begins_so));
        self.expect(right, "bytes that the file did not hold", answer);
    }

    /// Fails the run unless `holds`.
    pub fn expect(&self, holds: bool, otherwise: &str, answer: &Answer) {
        assert!(
            holds,
            "{otherwise}: {} {} got {} and {} bytes of {:?}",
            self.method(),
            self.target,
            answer.status,
            answer.body.len(),
            answer.length,
        );
    }
}
