//! A handler of one's own, in a server of one's own: what `src/exchange/mod.rs` shows.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

mod example {
    // begin
    use calmd::server::{Config, EventLoop, Services};
    use calmd::world::{Files, ListenAddress, files::Root, os::OsWorld};
    use calmd::{exchange::*, http::Method, http::Scheme, routes::Routes, site, site::Site};
    use std::{cell::Cell, error::Error, rc::Rc};
    #[derive(Default)]
    struct Bell(Rc<Cell<u32>>, Vec<Waker>);
    struct Visit(Rc<Cell<u32>>, u32);
    impl<F: Files> Handler<F> for Bell {
        fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
            let visit = Visit(self.0.clone(), self.0.get());
            self.1.retain(|waker| !waker.is_over()); // Forgets visits that have ended.
            self.1.push(desk.waker());
            if request.method == Method::Post {
                self.0.set(self.0.get() + 1);
                self.1.drain(..).for_each(|waker| waker.wake());
            }
            Answer::Exchange(Box::new(visit))
        }
    }
    impl<F: Files> Exchange<F> for Visit {
        fn poll(&mut self, _: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
            let head = (self.0.get() > self.1).then(|| Step::Head(Head::empty(204)));
            Ok(head.unwrap_or(Step::Wait(Until::Woken)))
        }
    }
    type Server = (EventLoop<OsWorld<Root>>, ListenAddress);
    pub fn server(site: &site::Config) -> Result<Server, Box<dyn Error>> {
        let mut routes = Routes::from(Site::new(Root::open(&site.root)?, site)?);
        routes.mount("/bell", Box::new(Bell::default()));
        let (mut world, config) = (OsWorld::new()?, Config::default());
        let address = world.listen(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into()), 1 << 18)?;
        let services = Services::new(&world, routes, None, &config);
        Ok((EventLoop::new(world, services, &[Scheme::Http]), address))
    }
    // end
}

/// Runs the server in a thread until it is dropped.
struct Running {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn new() -> Running {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("index.html"), "home").unwrap();
        let (told, address) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let site = calmd::site::Config {
                root: root.path().into(),
                ..Default::default()
            };
            let (mut event_loop, address) = example::server(&site).unwrap();
            told.send(address).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                event_loop.turn().unwrap();
            }
        });
        let calmd::world::ListenAddress::Tcp(address) = address.recv().unwrap() else {
            panic!("it listens on TCP");
        };
        Running {
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// Sends a request, and returns the connection.
    fn ask(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The poll wakes for it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The program that the library's page shows, which is this file's example and a `main` of its own.
fn shown() -> Vec<&'static str> {
    let page = include_str!("../../../src/exchange/mod.rs").lines();
    let behind = page.skip_while(|line| *line != "//! ```no_run").skip(1);
    let program = behind.take_while(|line| *line != "//! ```");
    program
        .map(|line| line.trim_start_matches("//! "))
        .collect()
}

#[test]
fn a_handler_in_a_program_of_under_forty_lines_waits_for_another_request() {
    let text = include_str!("handlers.rs").lines();
    let behind = text.skip_while(|line| line.trim() != "// begin").skip(1);
    let example = behind.take_while(|line| line.trim() != "// end");
    let example: Vec<&str> = example.map(|line| &line[4..]).collect();
    let shown = shown();
    assert!(shown.len() < 40, "{} lines", shown.len());
    let (same, main) = shown.split_at(example.len());
    assert_eq!(same, example);
    assert!(main[0].starts_with("fn main()"), "{main:?}");

    let server = Running::new();
    let close = "host: a\r\nconnection: close\r\n";
    let waiting = [(); 2].map(|()| server.ask(&format!("GET /bell HTTP/1.1\r\n{close}\r\n")));
    let home = answer(server.ask(&format!("GET / HTTP/1.1\r\n{close}\r\n")));
    assert!(home.ends_with("home"), "{home}");
    for stream in &waiting {
        stream.set_nonblocking(true).unwrap();
        let early = (&mut &*stream).read(&mut [0; 9]);
        assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
    }
    let post = format!("POST /bell HTTP/1.1\r\ncontent-length: 0\r\n{close}\r\n");
    let rung = answer(server.ask(&post));
    assert!(rung.starts_with("HTTP/1.1 204 "), "{rung}");
    for stream in waiting {
        let text = answer(stream);
        assert!(text.starts_with("HTTP/1.1 204 "), "{text}");
    }
}
