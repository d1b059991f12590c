//! Proxies whose word on clients is believed: `Forwarded` and `X-Forwarded-*`, over both protocols.

use super::balancers::log_lines;
use super::http2;
use super::proxy::upstream::Upstream;
use crate::support::Server;
use std::fs;

const RULES: &str = r#"
deny = [{ path = "/**", from = ["192.0.2.66"] }]
allow = [{ path = "/intern/**", from = ["192.0.2.1", "2001:db8::/32"] }]
rate = [{ path = "/rated", per-address = "1/h", burst = 1 }]
"#;

/// A server that trusts these proxies, with the rules of a settings file and an access log in JSON.
fn server(proxies: &str, rules: &str, options: &[&str]) -> Server {
    let own = [
        "--config",
        "calmd.toml",
        "--trusted-proxy",
        proxies,
        "--access-log",
        "access.log",
        "--log-format",
        "json",
    ];
    Server::with_site(&[&own, options].concat(), |site| {
        fs::write(site.parent().unwrap().join("calmd.toml"), rules).unwrap();
        fs::create_dir(site.join("intern")).unwrap();
        fs::write(site.join("intern/page.txt"), "page").unwrap();
        fs::write(site.join("rated"), "rated").unwrap();
    })
}

fn get(server: &Server, path: &str, fields: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{fields}\r\n");
    String::from_utf8(server.converse(request.as_bytes())).unwrap()
}

fn status(server: &Server, path: &str, client: &str) -> u16 {
    let answer = get(server, path, &format!("X-Forwarded-For: {client}\r\n"));
    answer[9..12].parse().unwrap()
}

#[test]
fn log_and_rules_know_the_client_that_a_trusted_proxy_tells() {
    let server = server("10.0.0.0/8+127.0.0.1", RULES, &[]);
    for (path, client, expected) in [
        ("/", "192.0.2.1", 200),
        ("/", "192.0.2.66", 403),
        ("/", "192.0.2.1, 192.0.2.66", 403),
        ("/", "192.0.2.66, 192.0.2.1, 10.0.0.9", 200),
        ("/intern/page.txt", "192.0.2.1", 200),
        ("/intern/page.txt", "2001:db8::7", 200),
        ("/intern/page.txt", "192.0.2.2", 403),
        ("/rated", "192.0.2.3", 200),
        ("/rated", "192.0.2.3", 429),
        ("/rated", "192.0.2.4", 200),
    ] {
        assert_eq!(status(&server, path, client), expected, "{path} {client}");
    }
    let answer = get(
        &server,
        "/last",
        "Forwarded: for=\"[2001:db8::9]:80\";proto=https\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let lines = log_lines(&server, 11);
    assert!(
        lines[2].contains("\"remote\":\"192.0.2.66\""),
        "{}",
        lines[2]
    );
    assert!(
        lines[3].contains("\"remote\":\"192.0.2.1\""),
        "{}",
        lines[3]
    );
    let last = &lines[10];
    assert!(last.contains("\"remote\":\"2001:db8::9\""), "{last}");
    assert!(last.contains("\"scheme\":\"https\""), "{last}");
}

#[test]
fn other_peers_are_not_believed() {
    let server = server("10.0.0.0/8", RULES, &[]);
    for client in ["192.0.2.66", "192.0.2.1"] {
        assert_eq!(status(&server, "/", client), 200);
        assert_eq!(status(&server, "/intern/page.txt", client), 403);
    }
    let lines = log_lines(&server, 4);
    assert!(
        lines
            .iter()
            .all(|line| line.contains("\"remote\":\"127.0.0.1\""))
    );
}

#[test]
fn a_malformed_word_leaves_the_proxy_s_own_address_and_a_line() {
    let server = server("127.0.0.1", RULES, &[]);
    assert_eq!(status(&server, "/", "192.0.2.66.1"), 200);
    server.logged("forwarded-field 127.0.0.1: X-Forwarded-For of a trusted proxy is malformed");
    assert!(log_lines(&server, 1)[0].contains("\"remote\":\"127.0.0.1\""));
}

#[test]
fn the_scheme_of_the_client_decides_on_redirects_and_on_fields_for_tls() {
    let field = "Strict-Transport-Security: max-age=60";
    let server = server("127.0.0.1", "https-redirect = true\n", &["--header", field]);
    let plain = get(
        &server,
        "/x",
        "X-Forwarded-Proto: http\r\nX-Forwarded-Host: b.test\r\n",
    );
    assert!(plain.contains("\r\nlocation: https://b.test"), "{plain}");
    assert!(!plain.contains("strict-transport-security"), "{plain}");
    let secure = get(&server, "/", "X-Forwarded-Proto: https\r\n");
    assert!(secure.starts_with("HTTP/1.1 200 "), "{secure}");
    assert_eq!(
        secure
            .matches("strict-transport-security: max-age=60")
            .count(),
        1,
        "{secure}"
    );
}

#[test]
fn requests_over_http_2_have_each_their_client() {
    let server = server("127.0.0.1", RULES, &[]);
    http2::converse(&server, async |mut client| {
        for (address, expected) in [("192.0.2.1", 200), ("192.0.2.66", 403), ("192.0.2.5", 200)] {
            let request = http::Request::get("http://a.test/")
                .header("x-forwarded-for", address)
                .header("x-forwarded-proto", "https")
                .body(())
                .unwrap();
            let (response, _) = client.send_request(request, true).unwrap();
            assert_eq!(response.await.unwrap().status(), expected, "{address}");
        }
    });
    let lines = log_lines(&server, 3);
    assert!(lines[1].contains("\"remote\":\"192.0.2.66\""), "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("\"scheme\":\"https\""))
    );
}

#[test]
fn upstreams_are_told_of_the_real_client_alone() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let rule = upstream.rule("/api");
    let server = server("127.0.0.1", "", &["--proxy", &rule]);
    let fields = "X-Forwarded-For: 10.6.6.6, 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.test\r\n";
    assert!(get(&server, "/api", fields).starts_with("HTTP/1.1 200 "));
    let heads = upstream.heads();
    let expected = "x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\nx-forwarded-host: b.test\r\n\
                    forwarded: for=192.0.2.7;host=b.test;proto=https\r\n";
    assert!(heads[0].contains(expected), "{heads:?}");
    assert!(!heads[0].contains("10.6.6.6"), "{heads:?}");
}

/// The identifier in a line of the access log.
fn logged_id(line: &str) -> &str {
    let (_, rest) = line.split_once("\"request_id\":\"").expect(line);
    rest.split('"').next().unwrap()
}

#[test]
fn identifiers_of_requests_are_one_in_log_upstream_and_response() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let rule = upstream.rule("/api");
    let options = ["--proxy", &rule, "--request-id", "response"];
    let server = server("127.0.0.1", "", &options);
    let requests = [
        ("/", "X-Request-Id: from-proxy.1\r\n"),
        ("/api", "X-Request-Id: from-proxy.2\r\n"),
        ("/missing", ""),
        ("/api", "X-Request-Id: not a token\r\n"),
    ];
    for (number, (path, field)) in requests.into_iter().enumerate() {
        let answer = get(&server, path, field);
        assert_eq!(answer.matches("\r\nx-request-id: ").count(), 1, "{answer}");
        let (_, rest) = answer.split_once("\r\nx-request-id: ").unwrap();
        let id = rest.lines().next().unwrap();
        match field.strip_prefix("X-Request-Id: from") {
            Some(_) => assert!(field.contains(id), "{answer}"),
            None => assert_eq!(id.len(), 32, "{answer}"),
        }
        let lines = log_lines(&server, number + 1);
        assert_eq!(logged_id(&lines[number]), id);
        if path == "/api" {
            let heads = upstream.heads();
            let head = heads.last().unwrap();
            assert!(
                head.contains(&format!("\r\nx-request-id: {id}\r\n")),
                "{head}"
            );
            assert_eq!(head.matches("x-request-id").count(), 1, "{head}");
        }
    }
}

#[test]
fn clients_give_no_identifier_and_without_the_setting_there_is_none() {
    let told = "X-Request-Id: mine\r\n";
    let untrusting = server("10.0.0.0/8", "", &["--request-id", "log"]);
    assert!(!get(&untrusting, "/", told).contains("x-request-id"));
    let lines = log_lines(&untrusting, 1);
    assert_ne!(logged_id(&lines[0]), "mine");
    let silent = server("127.0.0.1", "", &[]);
    assert!(!get(&silent, "/", told).contains("x-request-id"));
    assert!(!log_lines(&silent, 1)[0].contains("request_id"));
}
