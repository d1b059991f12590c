//! Logins, addresses, rates and origins of a running server.

use super::http2;
use crate::support::Server;
use std::fs;
use std::io::{ErrorKind, Read, Write};

/// Users whose password is `secret`: bcrypt of cost 5 and of cost 12, and `$apr1$`.
const USERS: &str = "# staff
ann:$2y$05$jqZBkUlc19j3nWlosfvrfuur6CPP72NWtc.VZ3nN8Y5klhI0Krqda
bob:$2y$12$sUR0mO5XLDBZnFjWUrvI1ObGNsc.4sH5EqW.xrxh2EI4eGe3awWEu
cid:$apr1$7TeHFCXw$MyWKavqszmBViGez3QS2Y/
";

/// A server whose settings file has these lines, beside a file of users.
fn server(rules: &str) -> Server {
    Server::with_site(&["--config", "calmd.toml", "--demo"], |site| {
        let directory = site.parent().unwrap();
        fs::write(directory.join("calmd.toml"), rules).unwrap();
        fs::write(directory.join("htpasswd"), USERS).unwrap();
        fs::create_dir(site.join("private")).unwrap();
        fs::write(site.join("private/page.txt"), "page").unwrap();
    })
}

const PRIVATE: &str = r#"
basic-auth = [
    { path = "/private/**", users = "htpasswd", realm = "staff" },
    { path = "/echo", users = "htpasswd" },
]
redirect = [{ from = "/shown", to = "/private/page.txt", status = 200 }]
headers = [{ path = "/**", set = { X-From = "a" } }]
"#;

/// `Authorization` of the user and the password.
fn basic(credentials: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in credentials.as_bytes().chunks(3) {
        let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let letter = alphabet[(bits >> (18 - 6 * n)) as usize & 63];
            text.push(if n > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    format!("Basic {text}")
}

/// The answer to a request over HTTP/1.1.
fn ask(server: &Server, start: &str, fields: &str, content: &str) -> String {
    let request =
        format!("{start} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n{content}");
    String::from_utf8(server.converse(request.as_bytes())).unwrap()
}

fn get(server: &Server, target: &str, credentials: &str) -> String {
    let authorization = format!("Authorization: {}\r\n", basic(credentials));
    ask(server, &format!("GET {target}"), &authorization, "")
}

#[test]
fn users_of_the_file_are_let_in_and_nobody_else() {
    let server = server(PRIVATE);
    server.logged("htpasswd:4: this hash is quick to guess");
    let open = ask(&server, "GET /", "", "");
    assert!(open.starts_with("HTTP/1.1 200 "), "{open}");
    for target in [
        "/private/page.txt",
        "/private",
        "/%70rivate/x",
        "/none/../private/page.txt",
        "/shown",
    ] {
        let refused = ask(&server, &format!("GET {target}"), "", "");
        assert!(refused.starts_with("HTTP/1.1 401 "), "{target}: {refused}");
        let challenge = "www-authenticate: Basic realm=\"staff\", charset=\"UTF-8\"\r\n";
        assert!(refused.contains(challenge), "{target}: {refused}");
        assert!(refused.contains("x-from: a\r\n"), "{target}: {refused}");
    }
    // The second time its password is remembered.
    for user in ["ann", "ann", "cid", "bob"] {
        for target in ["/private/page.txt", "/shown"] {
            let answer = get(&server, target, &format!("{user}:secret"));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{user}: {answer}");
            assert!(answer.ends_with("\r\n\r\npage"), "{user}: {answer}");
        }
    }
    for wrong in ["ann:Secret", "ann:", "dan:secret", ":secret", "ann"] {
        let answer = get(&server, "/private/page.txt", wrong);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{wrong}: {answer}");
    }
}

#[test]
fn content_waits_for_the_password_and_a_refusal_does_not_wait_for_content() {
    let server = server(PRIVATE);
    let fields = |credentials: &str, len: usize| {
        format!(
            "Authorization: {}\r\nContent-Length: {len}\r\n",
            basic(credentials)
        )
    };
    let long = "0123456789".repeat(20_000);
    let answer = ask(
        &server,
        "POST /echo",
        &fields("bob:secret", long.len()),
        &long,
    );
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&long));
    // Neither 100 nor the content come before the password is known to be wrong.
    let expects = format!("{}Expect: 100-continue\r\n", fields("ann:wrong", 5));
    let answer = ask(&server, "POST /echo", &expects, "");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let answer = ask(
        &server,
        "POST /echo",
        "Content-Length: 5\r\nExpect: 100-continue\r\n",
        "",
    );
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let expects = format!("{}Expect: 100-continue\r\n", fields("cid:secret", 5));
    let mut socket = server.connect();
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{expects}\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 25];
    socket.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"hello").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"),
        "{answer}"
    );
}

#[test]
fn logins_work_over_http_2() {
    let server = server(PRIVATE);
    http2::converse(&server, async |client| {
        for (credentials, status) in [("ann:secret", 200), ("bob:secret", 200), ("ann:no", 401)] {
            let mut client = client.clone().ready().await.unwrap();
            let mut request = http2::request("POST", "/echo");
            let value = basic(credentials).parse().unwrap();
            request.headers_mut().insert("authorization", value);
            let (response, mut content) = client.send_request(request, false).unwrap();
            content.send_data("hello".into(), true).unwrap();
            let response = response.await.unwrap();
            assert_eq!(response.status(), status, "{credentials}");
            assert_eq!(response.headers()["x-from"], "a");
            if status == 200 {
                assert_eq!(http2::body(response.into_body()).await, b"hello");
            }
        }
    });
}

#[test]
fn a_flood_of_wrong_passwords_stops_nobody_else() {
    let server = server(PRIVATE);
    let flood: Vec<_> = (0..15)
        .map(|n| {
            let mut socket = server.connect();
            let authorization = basic(&format!("bob:{n}"));
            let request = format!(
                "GET /private/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                 Authorization: {authorization}\r\n\r\n"
            );
            socket.write_all(request.as_bytes()).unwrap();
            socket
        })
        .collect();
    let open = ask(&server, "GET /", "", "");
    assert!(open.starts_with("HTTP/1.1 200 "), "{open}");
    // Fifteen hashes take seconds: the last has no answer yet.
    let mut last = flood.into_iter().next_back().unwrap();
    last.set_nonblocking(true).unwrap();
    let mut byte = [0];
    let unread = last.read(&mut byte).unwrap_err();
    assert_eq!(unread.kind(), ErrorKind::WouldBlock);
    last.set_nonblocking(false).unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[test]
fn addresses_are_kept_out_and_rates_are_kept() {
    let rules = r#"
        allow = [
            { path = "/intern/**", from = ["10.0.0.0/8", "127.0.0.2"] },
            { path = "/private/**", from = ["127.0.0.0/8"] },
        ]
        deny = [{ path = "/private/secret/**", from = ["127.0.0.1"] }]
        rate = [{ path = "/slow/**", per-address = "1/h", burst = 2 }]
    "#;
    let server = server(rules);
    for (target, status) in [
        ("/intern/x", 403),
        ("/private/page.txt", 200),
        ("/private/secret/x", 403),
        ("/slow", 404),
        ("/slow/x", 404),
        ("/slow/y", 429),
        ("/", 200),
    ] {
        let answer = ask(&server, &format!("GET {target}"), "", "");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{target}: {answer}"
        );
        if status == 429 {
            let seconds = answer
                .lines()
                .find_map(|line| line.strip_prefix("retry-after: "));
            let seconds: u32 = seconds.unwrap().parse().unwrap();
            assert!((1800..=3600).contains(&seconds), "{seconds}");
        }
    }
}

#[test]
fn scripts_of_other_origins_may_read_where_a_rule_says_so() {
    let rules = r#"
        cors = [{ path = "/private/**", origins = ["https://app.test"], methods = ["PUT"], max-age = "10m" }]
        basic-auth = [{ path = "/private/**", users = "htpasswd" }]
    "#;
    let server = server(rules);
    let wish = "Origin: https://app.test\r\nAccess-Control-Request-Method: PUT\r\n";
    // It has no credentials, and is answered before a login is wanted.
    let answer = ask(&server, "OPTIONS /private/page.txt", wish, "");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    for field in [
        "access-control-allow-origin: https://app.test\r\n",
        "access-control-allow-methods: PUT\r\n",
        "access-control-max-age: 600\r\n",
        "vary: origin\r\n",
    ] {
        assert!(answer.contains(field), "{field}: {answer}");
    }
    let answer = ask(
        &server,
        "GET /private/page.txt",
        "Origin: https://app.test\r\n",
        "",
    );
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(
        answer.contains("access-control-allow-origin: https://app.test\r\n"),
        "{answer}"
    );
    let answer = ask(
        &server,
        "GET /private/page.txt",
        "Origin: https://evil.test\r\n",
        "",
    );
    assert!(!answer.contains("allow-origin"), "{answer}");
}
