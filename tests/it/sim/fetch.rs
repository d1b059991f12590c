//! Fetches and uploads with the product's own client, `calmd get`, and the judgement of what it got.

use super::clients::ask::{Answer, Ask, Kind};
use super::dialled::{self, DialWorld, Reach, Wait};
use super::faults::{Fault, Faults};
use super::identity::Identity;
use super::network::LinkId;
use super::outside::{Outside, Room};
use super::rng::Rng;
use super::run::{Report, Run, Scenario};
use calmd::client::url::Url;
use calmd::client::{self, Data, Error, GetOptions};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Number of invocations of the client in a run.
const INVOCATIONS: usize = 3;

/// The most URLs of an invocation that uploads.
const MOST_UPLOADS: usize = 4;

/// Time for connecting: longer than all that the server may not run for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3600);

/// One invocation of the client: requests of one kind, one behind the other.
struct Invocation {
    asks: Vec<Ask>,
    scheme: &'static str,
    reach: Reach,
}

impl Invocation {
    fn random(outside: &mut Outside) -> Self {
        let mut ask = Ask::random(&mut outside.rng, &outside.contents);
        ask.sent = outside.network.now;
        let count = match ask.kind {
            Kind::Upload(_) => outside.rng.between(1, MOST_UPLOADS),
            _ => 1,
        };
        Invocation {
            asks: vec![ask; count],
            scheme: if outside.rng.chance(200) {
                "https"
            } else {
                "http"
            },
            reach: if outside.rng.chance(50) {
                Reach::Nobody
            } else {
                Reach::Server
            },
        }
    }

    fn options(&self, identity: &Identity, directory: &Path) -> GetOptions {
        let first = &self.asks[0];
        let url = |ask: &Ask| Url::parse(&format!("{}://sim{}", self.scheme, ask.target));
        let data = match &first.kind {
            Kind::Upload(content) => {
                let path = directory.join("upload");
                std::fs::write(&path, content).expect("a file is written");
                Some(Data::File(path))
            }
            _ => None,
        };
        let field = first.field();
        GetOptions {
            urls: self
                .asks
                .iter()
                .map(|ask| url(ask).expect("a URL"))
                .collect(),
            method: None,
            head: matches!(first.kind, Kind::Head),
            data,
            fields: field
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
            include: true,
            output: Some(directory.join("answer")),
            verbose: false,
            qlog: None,
            key_log: None,
            silent: true,
            fail: false,
            push: false,
            max_redirects: 0,
            load: None,
            insecure: false,
            cacert: Some(identity.chain()),
            connect_timeout: CONNECT_TIMEOUT,
            max_time: None,
        }
    }

    /// The answers that the client wrote, the last of which may be incomplete.
    fn answers(&self, text: &[u8]) -> Vec<Answer> {
        match &self.asks[0].kind {
            Kind::Upload(content) => Answer::several_of_text(text, content.len()),
            _ => vec![Answer::of_text(text)],
        }
    }

    /// Judges what the client got over these connections.
    fn judge(
        &self,
        result: Result<(), Error>,
        text: &[u8],
        links: &[LinkId],
        leaps: u64,
        outside: &Outside,
    ) {
        let is_disturbed = |link: &LinkId| {
            let network = &outside.network;
            let lost = network.lost_file(*link).is_some();
            lost || network.is_harmed(*link) || network.is_overtaken(*link)
        };
        let is_disturbed = links.iter().any(is_disturbed);
        let mut answers = self.answers(text);
        match result {
            result if self.reach == Reach::Nobody => {
                let error = result.expect_err("nobody is there");
                let is_told = matches!(error, Error::Connect(..) | Error::ConnectTimeout(..));
                assert!(is_told && text.is_empty(), "{error}");
            }
            Ok(()) => {
                assert_eq!(answers.len(), self.asks.len(), "an answer for each URL");
                for (ask, answer) in self.asks.iter().zip(&answers) {
                    ask.judge(answer, outside);
                }
                let is_one = links.len() == 1;
                assert!(is_one || is_disturbed, "one connection is enough");
            }
            Err(_) if is_disturbed => {}
            // The server did not run, or could accept nobody, until the client's patience was over.
            Err(_) if leaps > 0 || outside.room_since(self.asks[0].sent) > Room::Ample => {}
            Err(error) => {
                log::debug!("{error}");
                let last = answers.pop().unwrap_or_default();
                for (ask, answer) in self.asks.iter().zip(&answers) {
                    ask.judge(answer, outside);
                }
                self.asks[answers.len()].judge_cut(&last, outside);
            }
        }
    }
}

/// Fetches some files with the product's own client, uploads some, and judges what it got. Panics if a
/// check fails.
pub fn fetch(faults: Faults, rng: Rng, identity: &Identity) -> Report {
    let wait = Rc::new(RefCell::new(Wait::default()));
    let run = Run::new(Scenario::Dialled(wait.clone()), faults, rng, identity);
    let outside = run.outside.clone();
    let run = Rc::new(RefCell::new(run));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let leaps = |outside: &Outside| outside.network.faults.counts().of(Fault::ClockLeaps);
    for _ in 0..INVOCATIONS {
        let invocation = Invocation::random(&mut outside.borrow_mut());
        let options = invocation.options(identity, directory.path());
        let leapt = leaps(&outside.borrow());
        let links = Rc::default();
        let world = DialWorld::new(
            outside.clone(),
            run.clone(),
            wait.clone(),
            Rc::clone(&links),
            invocation.reach,
        );
        let result = client::run_in(&options, world, dialled::resolve);
        *wait.borrow_mut() = Wait::default();
        let path = directory.path().join("answer");
        let text = std::fs::read(&path).unwrap_or_default();
        let _ = std::fs::remove_file(&path);
        let outside = outside.borrow();
        let leapt = leaps(&outside) - leapt;
        invocation.judge(result, &text, &links.borrow(), leapt, &outside);
    }
    let run = Rc::into_inner(run).expect("the client has gone");
    let mut run = run.into_inner();
    run.empty();
    run.end();
    run.report()
}
