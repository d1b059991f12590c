//! A handler whose answers come from a process of its own: a Python function of WSGI's shape, behind HTTP/2.
//!
//! ```text
//!  request ─▶ Bridge ─▶ BridgedCall ──message──▶ child: application(environ, start_response)
//!                            ▲                      │
//!      poll, after a wake ───┴──── take_answers ◀───┘      over a pair of sockets
//! ```
//!
//! The event loop never waits: it watches the socket, a call that has no answer yet waits for a wake, and a child
//! that is busy gets its next requests when it has answered one. The child does one request after another.
//!
//! `cargo run --example bridge`, then `curl http://localhost:PORT/app/hello?name=you`.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;

use calmd::exchange::{
    Answer, ContentTerms, Desk, Exchange, Failure, Handler, Head, Part, Problem, Request, Room,
    Step, Until, Waker, WholeAnswer, WholeContent, WholeRequest,
};
use calmd::http::{Fields, Scheme};
use calmd::routes::Routes;
use calmd::server::{Config, EventLoop, Services};
use calmd::site::{self, Site};
use calmd::world::{Files, ListenAddress, files::Root, os::OsWorld};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use serde_json::{Value, json};

/// The child: an application, and the loop that calls it.
const CHILD: &str = r#"
import json, socket, sys

def application(environ, start_response):
    body = environ["wsgi.input"]
    start_response("200 OK", [("content-type", "text/plain; charset=utf-8")])
    yield f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}\n".encode()
    yield f"{len(body)} bytes: ".encode() + body[:20] + b"\n"

connection = socket.socket(fileno=0)
while message := connection.recv(1 << 17):
    head, _, body = message.partition(b"\n")
    environ = json.loads(head)
    environ["wsgi.input"] = body
    answer = {"id": environ["id"]}
    def start_response(status, fields):
        answer.update(status=int(status.split()[0]), fields=fields)
    try:
        content = b"".join(application(environ, start_response))
    except Exception as error:
        answer.update(status=500, fields=[])
        content = repr(error).encode()
    connection.send(json.dumps(answer).encode() + b"\n" + content)
"#;

/// The longest body, and the longest answer: a message is whole, and fits the socket.
const MOST_BYTES: usize = 64 << 10;

/// The handler.
#[derive(Clone)]
pub struct Bridge(Rc<RefCell<Child>>);

/// The child, and the calls that wait for it.
struct Child {
    socket: OwnedFd,
    is_gone: bool,
    last: u64,
    /// Requests that it had no room for.
    outgoing: VecDeque<Vec<u8>>,
    waiting: HashMap<u64, WaitingCall>,
}

/// A call without an answer, or with one that it has not taken yet.
struct WaitingCall {
    waker: Waker,
    answer: Option<Vec<u8>>,
}

impl Bridge {
    /// Starts the child.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        let (socket, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Command::new("python3")
            .args(["-c", CHILD])
            .stdin(Stdio::from(other))
            .spawn()?;
        Ok(Bridge(Rc::new(RefCell::new(Child {
            socket,
            is_gone: false,
            last: 0,
            outgoing: VecDeque::new(),
            waiting: HashMap::new(),
        }))))
    }

    /// Reads all answers that have come, and wakes those that wait for them.
    fn take_answers(&self) {
        let child = &mut *self.0.borrow_mut();
        let mut message = vec![0; 2 * MOST_BYTES];
        loop {
            match recv(&child.socket, &mut message[..], RecvFlags::DONTWAIT) {
                Err(Errno::AGAIN) => break,
                Ok((len, _)) if len > 0 => child.take_answer(&message[..len]),
                // It has ended: nobody gets an answer any more.
                _ => {
                    child.is_gone = true;
                    child.waiting.values().for_each(|call| call.waker.wake());
                    return;
                }
            }
        }
        child.send_waiting();
    }
}

impl Child {
    fn take_answer(&mut self, message: &[u8]) {
        let head = message
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let head: Value = serde_json::from_slice(head).unwrap_or_default();
        // A call whose client has gone is not there any more.
        let call = head["id"].as_u64().and_then(|id| self.waiting.get_mut(&id));
        if let Some(call) = call {
            call.answer = Some(message.to_vec());
            call.waker.wake();
        }
    }

    fn send_waiting(&mut self) {
        while let Some(message) = self.outgoing.front() {
            match send(
                &self.socket,
                message,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(_) => self.outgoing.pop_front(),
                // There will be room when it has answered one, and an end is told by the socket.
                Err(_) => break,
            };
        }
    }
}

impl<F: Files> Handler<F> for Bridge {
    fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        let mut child = self.0.borrow_mut();
        child.last += 1;
        let id = child.last;
        let path = request.fields.path().unwrap_or_default();
        let query = path
            .splitn(2, |byte| *byte == b'?')
            .nth(1)
            .unwrap_or_default();
        let text = String::from_utf8_lossy;
        let mut environ = json!({
            "id": id,
            "REQUEST_METHOD": text(request.fields.method().unwrap_or_default()),
            "PATH_INFO": text(request.rest),
            "QUERY_STRING": text(query),
            "SERVER_PROTOCOL": request.version,
        });
        for field in request.fields.regular() {
            let name = text(field.name).to_uppercase().replace('-', "_");
            environ[format!("HTTP_{name}")] = text(field.value).into();
        }
        let call = WaitingCall {
            waker: desk.waker(),
            answer: None,
        };
        child.waiting.insert(id, call);
        Answer::Exchange(Box::new(BridgedCall {
            child: self.0.clone(),
            id,
            message: format!("{environ}\n").into_bytes(),
            body: 0,
            answer: None,
        }))
    }
}

/// A request on its way through the child.
struct BridgedCall {
    child: Rc<RefCell<Child>>,
    id: u64,
    message: Vec<u8>,
    /// Bytes of the request's content in the message.
    body: usize,
    /// The content of the answer, and its part that was sent, behind the head.
    answer: Option<(Vec<u8>, usize)>,
}

impl Drop for BridgedCall {
    fn drop(&mut self) {
        self.child.borrow_mut().waiting.remove(&self.id);
    }
}

impl<F: Files> Exchange<F> for BridgedCall {
    fn receive(&mut self, part: Part<'_>, _: &mut Desk<'_>) {
        match part {
            Part::Data(data) => {
                self.message.extend_from_slice(data);
                self.body += data.len();
            }
            Part::End => {
                self.body = 0;
                let child = &mut *self.child.borrow_mut();
                child.outgoing.push_back(std::mem::take(&mut self.message));
                child.send_waiting();
            }
            Part::Trailers(_) | Part::Gone => {}
        }
    }

    fn held(&self) -> usize {
        self.body
    }

    fn content_limit(&self) -> Option<u64> {
        Some(MOST_BYTES as u64)
    }

    fn poll(&mut self, room: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        if let Some((content, sent)) = &mut self.answer {
            if *sent == content.len() {
                return Ok(Step::End(None));
            }
            *sent += room.write(&content[*sent..]);
            return Ok(Step::Written);
        }
        let mut child = self.child.borrow_mut();
        let call = child.waiting.get_mut(&self.id);
        let Some(message) = call.and_then(|call| call.answer.take()) else {
            if child.is_gone {
                return Err(Failure::new(502, "the application has ended"));
            }
            return Ok(Step::Wait(Until::Woken));
        };
        let end = message
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(message.len());
        let (head, content) = message.split_at(end);
        let head: Value = serde_json::from_slice(head).unwrap_or_default();
        let mut fields = Fields::new();
        for field in head["fields"].as_array().into_iter().flatten() {
            let text = |at: usize| field[at].as_str().unwrap_or_default().as_bytes();
            fields.push(&text(0).to_ascii_lowercase(), text(1));
        }
        let content = content.get(1..).unwrap_or_default().to_vec();
        let head = Head {
            status: head["status"].as_u64().unwrap_or(502) as u16,
            fields: Rc::new(fields),
            len: Some(content.len() as u64),
        };
        self.answer = Some((content, 0));
        Ok(Step::Head(head))
    }
}

/// A function of requests whose JSON has come whole: `/double` answers a number with twice as much.
fn double(request: &WholeRequest<'_>) -> Result<WholeAnswer, Problem> {
    let number = request.json()?["number"].as_i64();
    let doubled = number.and_then(|number| number.checked_mul(2));
    let doubled =
        doubled.ok_or_else(|| Problem::new(422, "there is no number that can be doubled"))?;
    let mut fields = Fields::new();
    fields.push(b"content-type", b"application/json");
    Ok(WholeAnswer {
        status: 200,
        fields,
        content: json!({ "doubled": doubled }).to_string().into_bytes(),
    })
}

/// A server that is about to run, and the address that it listens on.
type Listening = (EventLoop<OsWorld<Root>>, ListenAddress);

/// A server of a site, with the application at `/app`.
pub fn server(root: PathBuf) -> Result<Listening, Box<dyn Error>> {
    let site = site::Config {
        root,
        ..site::Config::default()
    };
    let mut routes = Routes::from(Site::new(Root::open(&site.root)?, &site)?);
    let (mut world, config) = (OsWorld::new()?, Config::default());
    let bridge = Bridge::start()?;
    world.watch_helper(bridge.0.borrow().socket.as_fd())?;
    let tended = bridge.clone();
    routes.tend(Box::new(move || tended.take_answers()));
    routes.mount("/app", Box::new(bridge));
    let terms = ContentTerms {
        types: &["application/json"],
        most: 8 << 10,
    };
    routes.mount("/double", Box::new(WholeContent::new(terms, double)));
    let address = world.listen(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into()), 1 << 18)?;
    let services = Services::new(&world, routes, None, &config);
    Ok((EventLoop::new(world, services, &[Scheme::Http]), address))
}

#[allow(dead_code, reason = "the tests run the server alone")]
fn main() -> Result<(), Box<dyn Error>> {
    let (mut event_loop, address) = server("public".into())?;
    println!("{address}");
    Ok(event_loop.run()?)
}
