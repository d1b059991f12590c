//! A handler of one's own, in a server of one's own: what `src/exchange/mod.rs` shows.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

// begin
mod example {
    use calmd::exchange::*;
    use calmd::http::{Method, Scheme};
    use calmd::routes::Routes;
    use calmd::server::{Config, EventLoop, Services};
    use calmd::site::{self, Site};
    use calmd::world::{Files, ListenAddress, files::Root, os::OsWorld};
    use std::{cell::Cell, cell::RefCell, error::Error, path::PathBuf, rc::Rc};
    #[derive(Clone, Default)]
    struct Bell(Rc<Cell<u32>>, Rc<RefCell<Vec<Waker>>>);
    struct Visit(Bell, u32);
    impl<F: Files> Handler<F> for Bell {
        fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
            let until = self.0.get() + 1;
            self.1.borrow_mut().retain(|it| !it.is_over()); // Forgets visits that ended.
            self.1.borrow_mut().push(desk.waker());
            if request.method == Method::Post {
                self.0.set(until);
                self.1.borrow_mut().drain(..).for_each(|it| it.wake());
            }
            Answer::Exchange(Box::new(Visit(self.clone(), until)))
        }
    }
    impl<F: Files> Exchange<F> for Visit {
        fn receive(&mut self, _: Part<'_>, _: &mut Desk<'_>) {}
        fn poll(&mut self, _: &mut Room<'_, F>, _: &mut Desk<'_>) -> Result<Step<F>, Failure> {
            if self.0.0.get() < self.1 {
                return Ok(Step::Wait(Until::Woken));
            }
            Ok(Step::Head(Head::empty(204)))
        }
    }
    type Server = (EventLoop<OsWorld<Root>>, ListenAddress);
    pub fn server(root: PathBuf) -> Result<Server, Box<dyn Error>> {
        let site = site::Config {
            root,
            ..site::Config::default()
        };
        let mut routes = Routes::from(Site::new(Root::open(&site.root)?, &site)?);
        routes.mount("/bell", Box::new(Bell::default()));
        let (mut world, config) = (OsWorld::new()?, Config::default());
        let address = world.listen(&ListenAddress::Tcp(([127, 0, 0, 1], 0).into()), 1 << 18)?;
        let services = Services::new(&world, routes, None, &config);
        Ok((EventLoop::new(world, services, &[Scheme::Http]), address))
    }
}
// end

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
            let (mut event_loop, address) = example::server(root.path().into()).unwrap();
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

#[test]
fn a_handler_in_under_forty_lines_waits_for_another_request() {
    let text = include_str!("handlers.rs");
    let example = text.split("// begin\n").nth(1).unwrap();
    let example = example.split("// end\n").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("use ") && !line.trim().is_empty();
    let lines = example.lines().filter(is_code).count();
    assert!(lines < 40, "{lines} lines beside its imports");

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
