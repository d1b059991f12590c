//! Our client against our server.

use super::*;
use crate::h1::{Config, Connection, Event, Scheme};

/// Takes the client's output to a server that sends the content of each request back, and the server's
/// output to the client.
struct EchoServer {
    asker: Asker,
    server: Connection,
    fields: Fields,
    input: Vec<u8>,
    heard: Vec<String>,
}

impl EchoServer {
    fn new() -> Self {
        let asker = Asker::new();
        let server = Connection::new(Arc::new(Config::default()), Scheme::Http, asker.now);
        EchoServer {
            asker,
            server,
            fields: Fields::new(),
            input: Vec::new(),
            heard: Vec::new(),
        }
    }

    fn exchange(&mut self) {
        self.input.append(&mut self.asker.connection.take_output());
        let mut rest = self.input.as_slice();
        loop {
            let event = self
                .server
                .receive(&mut rest, &mut self.fields, self.asker.now)
                .expect("a request without fault");
            let (content, end) = match event {
                None => break,
                Some(Event::Request {
                    end_stream,
                    expects_continue,
                    fields,
                    ..
                }) => {
                    self.heard.push(format!("{fields:?}"));
                    if expects_continue {
                        self.server.send_continue();
                    }
                    self.server.send_head(200, [], BodyLength::Unknown);
                    (vec![], end_stream)
                }
                Some(Event::Data { data, end_stream }) => (data.to_vec(), end_stream),
                Some(Event::Trailers { fields }) => {
                    self.heard.push(format!("{fields:?}"));
                    (vec![], true)
                }
            };
            let out = self.server.begin_data(content.len());
            out.extend_from_slice(&content);
            self.server.commit(end, self.asker.now);
        }
        let left = rest.len();
        self.input.drain(..self.input.len() - left);
        let output = self.server.take_output();
        self.asker
            .receive(&output)
            .expect("a response without fault");
    }
}

#[test]
fn content_goes_there_and_back_in_every_framing() {
    let mut echo = EchoServer::new();
    for (length, trailers) in [
        (BodyLength::Known(5), false),
        (BodyLength::Unknown, false),
        (BodyLength::Unknown, true),
    ] {
        echo.asker.ask("POST", &[("x", "y")], length).expect("idle");
        echo.asker.send(b"hel", false);
        echo.exchange();
        echo.asker.send(b"lo", !trailers);
        if trailers {
            let trailer = [Field::new(b"x-sum", b"1")];
            let now = echo.asker.now;
            echo.asker
                .connection
                .send_trailers(trailer, now)
                .expect("chunks");
        }
        echo.exchange();
        let heard = std::mem::take(&mut echo.heard);
        assert!(
            heard[0].starts_with("[:method: POST, :scheme: http, :authority: a, :path: /, x: y")
        );
        assert_eq!(
            heard.get(1).map(String::as_str),
            trailers.then_some("[x-sum: 1]")
        );
        assert_eq!(echo.asker.events(), ["200", "data hello end"]);
        assert!(echo.asker.connection.is_idle() && echo.server.is_idle());
    }
}

#[test]
fn the_server_says_100_where_the_client_waits_for_it() {
    let mut echo = EchoServer::new();
    let fields = [("expect", "100-continue")];
    echo.asker
        .ask("POST", &fields, BodyLength::Known(2))
        .expect("idle");
    echo.exchange();
    assert_eq!(echo.asker.events(), ["informational 100", "200"]);
    echo.asker.send(b"hi", true);
    echo.exchange();
    assert_eq!(echo.asker.events(), ["data hi end"]);
}

#[test]
fn the_last_request_ends_both() {
    let mut echo = EchoServer::new();
    echo.asker.connection.expect_last();
    echo.asker.ask("GET", &[], BodyLength::None).expect("idle");
    echo.exchange();
    assert_eq!(echo.asker.events(), ["200", "data  end"]);
    assert!(echo.asker.connection.wants_close() && echo.server.wants_close());
}
