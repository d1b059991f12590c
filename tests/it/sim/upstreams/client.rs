//! A client with its one request, and the judgement of the answer that it gets.

use super::delivery::{Claim, Delivery, Given};
use super::outside::SmallOutside;
use super::requests;
use std::time::Duration;

/// Attempts at one request, at most.
const ATTEMPTS: usize = 3;

/// Longest pause between two reads of a client.
const READING: Duration = Duration::from_millis(20);

/// A client with its one request.
pub struct SimClient {
    pub number: usize,
    pub link: usize,
    answer: Vec<u8>,
    /// True if a reset was behind the answer.
    is_cut: bool,
    /// The time at which it has had enough.
    leaves_at: Option<Duration>,
    has_left: bool,
}

impl SimClient {
    /// Connects a client and sends its request, which names trailers as welcome in one of two cases, and is of HTTP/1.0
    /// in one of five.
    pub fn ask(number: usize, outside: &mut SmallOutside) -> SimClient {
        let link = outside.open_link();
        let content = requests::request_content(number);
        let te = if takes_trailers(number) {
            "TE: trailers\r\nConnection: te, close"
        } else {
            "Connection: close"
        };
        let head = format!(
            "{} /{number} {}\r\nHost: a\r\n{te}\r\nContent-Length: {}\r\n\r\n",
            requests::method(number),
            version(number),
            content.len()
        );
        let request = [head.as_bytes(), &content].concat();
        outside.send(link, &request, Duration::from_millis(3));
        outside.backlog.push_back(link);
        let leaves = outside.rng.chance(40);
        let leaves_at = leaves.then(|| outside.now + outside.rng.pause(Duration::from_millis(400)));
        SimClient {
            number,
            link,
            answer: Vec::new(),
            is_cut: false,
            leaves_at,
            has_left: false,
        }
    }

    /// Takes what has come, or leaves. True once the connection is over.
    pub fn act(&mut self, outside: &mut SmallOutside) -> bool {
        let now = outside.now;
        let pause = outside.rng.pause(READING);
        let link = &mut outside.links[self.link];
        if link.is_closed {
            self.answer.append(&mut link.written);
            self.is_cut = link.resets_at_close;
            return true;
        }
        if self.leaves_at.is_some_and(|at| at <= now) && !self.has_left {
            self.has_left = true;
            link.reset();
        }
        if !link.written.is_empty() && link.reads_at <= now {
            link.reads_at = now + pause;
            self.answer.extend(link.take_written());
        }
        false
    }

    /// The time at which it does something.
    pub fn next_act(&self, outside: &SmallOutside) -> Option<Duration> {
        let link = &outside.links[self.link];
        let leaves_at = self.leaves_at.filter(|_| !self.has_left);
        let reads_at = (!link.written.is_empty()).then_some(link.reads_at);
        leaves_at.into_iter().chain(reads_at).min()
    }

    /// Judges the answer, with the request's arrivals at upstreams.
    pub fn judge(&self, deliveries: &[Delivery]) {
        let text = String::from_utf8_lossy(&self.answer);
        let told = || {
            let plays = deliveries.iter();
            let plays =
                plays.map(|seen| format!("{} {:?} {:?}", seen.play, seen.given, seen.claim));
            let plays = plays.collect::<Vec<_>>().join(", ");
            format!("request {}, [{plays}]: {text:.300}", self.number)
        };
        let acted_on = deliveries.iter().filter(|seen| seen.claim == Claim::None);
        let is_once = !requests::is_post(self.number) || acted_on.count() <= 1;
        assert!(is_once && deliveries.len() <= ATTEMPTS, "{}", told());
        if self.has_left {
            return;
        }
        let is_given = deliveries.iter().any(|seen| seen.given == Given::Whole);
        let may_be_given = is_given || deliveries.iter().any(|seen| seen.given == Given::Unsure);
        let Some(answer) = ProxyAnswer::parse(&text, self.is_cut) else {
            panic!("{}", told());
        };
        if answer.status != "200" {
            let is_error = ["502", "503", "504"].contains(&answer.status);
            return assert!(is_error && !is_given && answer.is_whole, "{}", told());
        }
        let is_explained = if answer.is_whole {
            may_be_given
        } else {
            !is_given
        };
        assert!(is_explained, "{}", told());
        let content = String::from_utf8(requests::content(self.number)).expect("digits");
        let is_right =
            content.starts_with(&answer.content) && (!answer.is_whole || answer.content == content);
        assert!(is_right, "{}", told());
        let last = deliveries.last().map_or("", |seen| &seen.play);
        let may_have_trailers = takes_trailers(self.number) && version(self.number) == "HTTP/1.1";
        let has_trailers = last == "Trailers" && may_have_trailers && answer.is_whole;
        let trailers = if has_trailers {
            requests::trailers(self.number)
        } else {
            String::new()
        };
        assert_eq!(answer.trailers, trailers, "{}", told());
    }
}

/// True if the client of a request says that it takes trailers.
fn takes_trailers(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// The version of HTTP that the client of a request speaks.
fn version(number: usize) -> &'static str {
    if number.is_multiple_of(5) {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    }
}

/// A final response as a client has got it.
struct ProxyAnswer<'a> {
    status: &'a str,
    content: String,
    is_whole: bool,
    trailers: String,
}

impl<'a> ProxyAnswer<'a> {
    /// The final response behind those before it. Behind one that `is_cut` is a reset.
    fn parse(text: &'a str, is_cut: bool) -> Option<ProxyAnswer<'a>> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
        if status.starts_with('1') {
            return ProxyAnswer::parse(body, is_cut);
        }
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1);
        let length = length.map(|rest| rest.lines().next().unwrap_or("").parse::<usize>());
        Some(match length {
            Some(length) => ProxyAnswer {
                status,
                content: body.to_owned(),
                is_whole: length.is_ok_and(|length| length == body.len()),
                trailers: String::new(),
            },
            None if head.contains("transfer-encoding: chunked") => {
                ProxyAnswer::parse_chunks(status, body)
            }
            None => ProxyAnswer {
                status,
                content: body.to_owned(),
                is_whole: !is_cut,
                trailers: String::new(),
            },
        })
    }

    fn parse_chunks(status: &'a str, mut body: &str) -> ProxyAnswer<'a> {
        let mut content = String::new();
        let mut trailers = None;
        while let Some((size, behind)) = body.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
            if size == 0 {
                trailers = format!("\r\n{behind}")
                    .strip_suffix("\r\n\r\n")
                    .map(str::to_owned);
                break;
            }
            content += &behind[..size.min(behind.len())];
            body = behind.get(size + 2..).unwrap_or_default();
        }
        ProxyAnswer {
            status,
            content,
            is_whole: trailers.is_some(),
            trailers: trailers.unwrap_or_default().trim().to_owned(),
        }
    }
}
