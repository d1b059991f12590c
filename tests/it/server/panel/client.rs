//! A small client of the panel, over both versions and in TLS.

use crate::server::http2;
use crate::server::tls::client_config;
use crate::support::{PATIENCE, Server};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

/// A user whose password is `secret`: bcrypt of cost 5.
pub const USERS: &str = "ann:$2y$05$jqZBkUlc19j3nWlosfvrfuur6CPP72NWtc.VZ3nN8Y5klhI0Krqda\n";

/// The right login.
pub const CLAIM: &str = r#"{"user":"ann","password":"secret"}"#;

#[derive(Clone, Copy, Debug)]
pub enum Version {
    H1,
    H2,
}

impl Version {
    pub const ALL: [Version; 2] = [Version::H1, Version::H2];
}

/// A request.
#[derive(Clone)]
pub struct PanelRequest {
    method: String,
    path: String,
    host: String,
    fields: Vec<(String, String)>,
    content: String,
}

impl PanelRequest {
    pub fn new(method: &str, path: &str) -> Self {
        PanelRequest {
            method: method.into(),
            path: path.into(),
            host: "localhost".into(),
            fields: Vec::new(),
            content: String::new(),
        }
    }

    pub fn at(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    pub fn json(mut self, content: &str) -> Self {
        self.content = content.into();
        self.with("content-type", "application/json")
    }
}

/// An answer.
#[derive(Debug)]
pub struct PanelAnswer {
    pub status: u16,
    fields: Vec<(String, String)>,
    pub content: String,
}

impl PanelAnswer {
    /// The value of a field, or nothing.
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value)
    }

    fn parse(text: &str) -> Self {
        let (head, content) = text.split_once("\r\n\r\n").expect(text);
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").expect(line);
            (name.to_ascii_lowercase(), value.to_owned())
        });
        PanelAnswer {
            status: status.parse().expect(head),
            fields: fields.collect(),
            content: content.to_owned(),
        }
    }
}

/// A server with a panel.
pub struct Panel {
    pub server: Server,
    pub http: SocketAddr,
    pub https: SocketAddr,
}

/// A login.
pub struct Session {
    pub set_cookie: String,
    pub token: String,
}

impl Session {
    /// A request of the session, with its token.
    pub fn ask(&self, method: &str, path: &str) -> PanelRequest {
        let cookie = self.set_cookie.split(';').next().unwrap();
        PanelRequest::new(method, path)
            .with("cookie", cookie)
            .with("x-calmd-token", &self.token)
    }
}

impl Panel {
    /// A panel with one user, `ann`.
    pub fn with_users(options: &[&str]) -> Self {
        Self::new(&[&["--admin-users", "users"], options].concat())
    }

    /// A panel with these options.
    pub fn new(options: &[&str]) -> Self {
        let own = ["--admin", "127.0.0.1:0", "--admin-tls", "127.0.0.1:0"];
        let server = Server::with_site(&[&own[..], options].concat(), |site| {
            fs::write(site.parent().unwrap().join("users"), USERS).unwrap();
            fs::write(site.join("big.bin"), vec![b'x'; 8 << 20]).unwrap();
        });
        let address = |scheme: &str| {
            let line = server.told(scheme);
            assert!(line.ends_with(" (the panel)"), "{line}");
            let (_, rest) = line.split_once("://").unwrap();
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        Panel {
            http: address(" http://"),
            https: address(" https://"),
            server,
        }
    }

    pub fn log_in(&self, version: Version) -> Session {
        let answer = self.ask(version, PanelRequest::new("POST", "/api/login").json(CLAIM));
        assert_eq!(answer.status, 200, "{answer:?}");
        let (_, token) = answer.content.split_once(r#""token":""#).unwrap();
        Session {
            set_cookie: answer.field("set-cookie").to_owned(),
            token: token.split('"').next().unwrap().to_owned(),
        }
    }

    /// The answer to a request, on a connection of its own.
    pub fn ask(&self, version: Version, ask: PanelRequest) -> PanelAnswer {
        match version {
            Version::H1 => {
                let stream = TcpStream::connect(self.http).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                ask_h1(stream, &ask)
            }
            Version::H2 => {
                let address = self.http;
                ask_h2(&ask, async move || {
                    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
                    http2::handshake(socket).await
                })
            }
        }
    }

    /// The answer to a request in TLS.
    pub fn ask_in_tls(&self, version: Version, ask: PanelRequest) -> PanelAnswer {
        match version {
            Version::H1 => {
                let config = client_config(&self.server, &["http/1.1"]);
                let name = ServerName::try_from("localhost").unwrap();
                let session = ClientConnection::new(config, name).unwrap();
                let socket = TcpStream::connect(self.https).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                ask_h1(StreamOwned::new(session, socket), &ask)
            }
            Version::H2 => {
                let (config, address) = (client_config(&self.server, &["h2"]), self.https);
                ask_h2(&ask, async move || {
                    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
                    let connector = tokio_rustls::TlsConnector::from(config);
                    let name = "localhost".try_into().unwrap();
                    http2::handshake(connector.connect(name, socket).await.unwrap()).await
                })
            }
        }
    }
}

fn ask_h1(mut stream: impl Read + Write, ask: &PanelRequest) -> PanelAnswer {
    let mut request = format!(
        "{} {} HTTP/1.1\r\nHost: {}\r\n",
        ask.method, ask.path, ask.host
    );
    for (name, value) in &ask.fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let len = ask.content.len();
    request.push_str(&format!(
        "Content-Length: {len}\r\nConnection: close\r\n\r\n{}",
        ask.content
    ));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    PanelAnswer::parse(&String::from_utf8_lossy(&answer))
}

fn ask_h2(
    ask: &PanelRequest,
    connect: impl AsyncFnOnce() -> h2::client::SendRequest<bytes::Bytes>,
) -> PanelAnswer {
    let mut request = http::Request::builder()
        .method(ask.method.as_str())
        .uri(format!("http://{}{}", ask.host, ask.path));
    for (name, value) in &ask.fields {
        request = request.header(name, value);
    }
    let request = request.body(()).unwrap();
    let content = bytes::Bytes::from(ask.content.clone());
    let mut found = None;
    http2::run(async {
        let mut client = connect().await;
        let (response, mut stream) = client.send_request(request, content.is_empty()).unwrap();
        if !content.is_empty() {
            stream.send_data(content, true).unwrap();
        }
        let response = response.await.unwrap();
        let fields = response.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let (status, fields) = (response.status().as_u16(), fields.collect());
        let content = http2::body(response.into_body()).await;
        found = Some(PanelAnswer {
            status,
            fields,
            content: String::from_utf8(content).unwrap(),
        });
    });
    found.expect("it ran to its end")
}
