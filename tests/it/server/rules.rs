//! The rules of a host: redirects, rewrites and fields, over both protocols.

use super::http2;
use crate::support::Server;
use std::fs;

/// A server whose settings file has these lines, and whose site has a page in `new`.
fn server(rules: &str, options: &[&str]) -> Server {
    let options = [&["--config", "calmd.toml", "--demo"], options].concat();
    Server::with_site(&options, |site| {
        fs::write(site.parent().unwrap().join("calmd.toml"), rules).unwrap();
        fs::create_dir(site.join("new")).unwrap();
        fs::write(site.join("new/page.txt"), "page").unwrap();
        fs::write(site.join("404.html"), "nothing here").unwrap();
    })
}

/// A server as [`server`]'s, whose site has files of rules.
fn server_with_files(rules: &str, redirects: &str, headers: &str) -> Server {
    Server::with_site(&["--config", "calmd.toml", "--demo"], |site| {
        fs::write(site.parent().unwrap().join("calmd.toml"), rules).unwrap();
        fs::create_dir(site.join("new")).unwrap();
        fs::write(site.join("new/page.txt"), "page").unwrap();
        fs::write(site.join("_redirects"), redirects).unwrap();
        fs::write(site.join("_headers"), headers).unwrap();
    })
}

/// The head of the answer to a request over HTTP/1.1, in lowercase.
fn head(server: &Server, target: &str, fields: &str) -> String {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{fields}\r\n");
    let answer = String::from_utf8(server.converse(request.as_bytes())).unwrap();
    let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
    format!("{head}\r\n").to_lowercase()
}

const REDIRECTS: &str = r#"
redirect = [
    { from = "/old/*", to = "/new/:splat", status = 301 },
    { from = "/date/:year/:month", to = "/new/:month-:year?from=date", status = 302 },
    { from = "/post", to = "https://example.org/post", status = 303 },
    { from = "/307", to = "/new/", status = 307 },
    { from = "/308", to = "/new/", status = 308 },
    { from = "/gone/*", status = 410 },
    { from = "/app/*", to = "/new/page.txt", status = 200 },
    { from = "/r/*", to = "/:splat/x", status = 301 },
]
"#;

#[test]
fn redirects_lead_where_they_are_written_over_http_1_1() {
    let server = server(REDIRECTS, &[]);
    for (target, status, location) in [
        ("/old/page.txt?q=1", 301, "/new/page.txt?q=1"),
        ("/%6fld//a/../page.txt", 301, "/new/page.txt"),
        ("/date/2026/11?x=1", 302, "/new/11-2026?from=date"),
        ("/post", 303, "https://example.org/post"),
        ("/307", 307, "/new/"),
        ("/308/", 308, "/new/"),
        ("/r//evil.test", 301, "/evil.test/x"),
        ("/r/%2fevil.test", 301, "/evil.test/x"),
        ("/r/", 301, "/x"),
    ] {
        let head = head(&server, target, "");
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{target}: {head}"
        );
        assert!(
            head.contains(&format!("\r\nlocation: {location}\r\n")),
            "{target}: {head}"
        );
    }
    assert!(head(&server, "/gone/x", "").starts_with("http/1.1 410 "));
    let rewritten = server.request("GET /app/any/where HTTP/1.1");
    assert!(
        rewritten.starts_with("HTTP/1.1 200 ") && rewritten.ends_with("page"),
        "{rewritten}"
    );
    assert!(head(&server, "/new/page.txt", "").starts_with("http/1.1 200 "));
}

#[test]
fn redirects_and_fields_are_the_same_over_http_2() {
    let fields = "headers = [{ path = \"/**\", set = { X-From = \"a\" } }]\n";
    let server = server(&format!("{REDIRECTS}{fields}"), &[]);
    http2::converse(&server, async |client| {
        for (path, status, location) in [
            ("/old/page.txt?q=1", 301, Some("/new/page.txt?q=1")),
            ("/gone/x", 410, None),
            ("/app/x", 200, None),
            ("/none", 404, None),
            ("/json", 200, None),
        ] {
            let mut client = client.clone().ready().await.unwrap();
            let (response, _) = client
                .send_request(http2::request("GET", path), true)
                .unwrap();
            let response = response.await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers()["x-from"], "a", "{path}");
            let found = response.headers().get("location");
            assert_eq!(
                found.map(|value| value.to_str().unwrap()),
                location,
                "{path}"
            );
        }
    });
}

#[test]
fn fields_are_on_every_answer_of_the_paths_that_they_are_for() {
    // nginx leaves an outer `add_header` out where an inner block has one of its own: here all add up.
    let rules = r#"
        redirect = [{ from = "/old", to = "/new/" }]
        headers = [
            { path = "/**", set = { X-A = "1", Content-Security-Policy = "default-src 'self'" } },
            { path = "/**", set = { Strict-Transport-Security = "max-age=63072000" } },
            { path = "/new/**", set = { X-A = "2" }, add = { X-B = "3" }, remove = ["ETag"] },
            { path = "/**", add = { X-B = "4" } },
        ]
    "#;
    let server = server(rules, &[]);
    let policy = "\r\ncontent-security-policy: default-src 'self'\r\n";
    for (target, status) in [
        ("/", 200),
        ("/none", 404),
        ("/old", 301),
        ("/new", 301),
        ("/%zz", 400),
        ("/json", 200),
        ("/.git", 404),
    ] {
        let head = head(&server, target, "");
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{target}: {head}"
        );
        assert!(head.contains(policy), "{target}: {head}");
        // It must not be said in the clear (RFC 6797 §7.2).
        assert!(!head.contains("strict-transport"), "{target}: {head}");
    }
    let page = head(&server, "/new/page.txt", "");
    assert!(
        page.contains("\r\nx-a: 2\r\n") && !page.contains("x-a: 1"),
        "{page}"
    );
    assert!(
        page.contains("\r\nx-b: 3\r\n") && page.contains("\r\nx-b: 4\r\n"),
        "{page}"
    );
    assert!(!page.contains("etag"), "{page}");
    let first = head(&server, "/", "");
    let tag = first
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap();
    let known = head(
        &server,
        "/",
        &format!("If-None-Match: {}\r\n", tag.replace("w/", "W/")),
    );
    assert!(
        known.starts_with("http/1.1 304 ") && known.contains(policy),
        "{known}"
    );
    let echoed = server.converse(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    );
    let echoed = String::from_utf8(echoed).unwrap().to_lowercase();
    assert!(
        echoed.contains(policy) && echoed.ends_with("hi"),
        "{echoed}"
    );
    http2::converse_in_tls(&server, async |mut client| {
        let request = http2::request("GET", "/");
        let (response, _) = client.send_request(request, true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(
            response.headers()["strict-transport-security"],
            "max-age=63072000"
        );
    });
}

#[test]
fn clients_in_the_clear_are_sent_to_tls_and_to_the_one_name() {
    let server = server("https-redirect = true\ncanonical = \"localhost\"\n", &[]);
    let found = head(&server, "/x?y=1", "");
    assert!(found.starts_with("http/1.1 308 "), "{found}");
    assert!(
        found.contains("\r\nlocation: https://localhost/x?y=1\r\n"),
        "{found}"
    );
    let challenge = head(&server, "/.well-known/acme-challenge/token", "");
    assert!(challenge.starts_with("http/1.1 404 "), "{challenge}");
    http2::converse_in_tls(&server, async |mut client| {
        let request = http2::request("GET", "/");
        let (response, _) = client.send_request(request, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    });
}

#[test]
fn files_of_rules_in_the_root_are_followed_and_never_served() {
    let redirects = "/old/* /new/:splat\n/new/page.txt /elsewhere\n/forced /new/ 302!\n/bad\n\
                     /app/* /new/page.txt 200\n/store id=:id /shop/:id\n/missing/* /new/page.txt 404\n";
    let headers = "/*\n  X-Site: 1\n/new/*\n  X-Site: 2\n  Cache-Control: no-store\n";
    let server = server_with_files("", redirects, headers);
    server.logged("_redirects:4: the target is missing; the line is left out");
    for (target, status, location) in [
        ("/old/page.txt?q", 301, "/new/page.txt?q"),
        // The file is there.
        ("/new/page.txt", 200, ""),
        ("/forced", 302, "/new/"),
        ("/store?id=7", 301, "/shop/7"),
        ("/app/any", 200, ""),
        ("/missing/x", 404, ""),
        ("/json", 200, ""),
        ("/_redirects", 404, ""),
        ("/_headers", 404, ""),
        ("/%5fheaders", 404, ""),
    ] {
        let head = head(&server, target, "");
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{target}: {head}"
        );
        let found = head
            .lines()
            .find_map(|line| line.strip_prefix("location: "));
        assert_eq!(found.unwrap_or_default(), location, "{target}");
        assert!(head.contains("\r\nx-site: 1\r\n"), "{target}: {head}");
    }
    let page = head(&server, "/new/page.txt", "");
    assert!(
        page.contains("x-site: 2\r\n") && page.contains("cache-control: no-store\r\n"),
        "{page}"
    );
    let missing = server.request("GET /missing/x HTTP/1.1");
    assert!(missing.ends_with("\r\n\r\npage"), "{missing}");
    // A change is noticed by itself.
    let file = server.directory.path().join("site/_redirects");
    fs::write(file, "/later /new/ 307\n").unwrap();
    let start = std::time::Instant::now();
    while !head(&server, "/later", "").starts_with("http/1.1 307 ") {
        assert!(start.elapsed() < crate::support::PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(head(&server, "/old/x", "").starts_with("http/1.1 404 "));
}

#[test]
fn files_of_rules_are_files_where_the_operator_says_so() {
    let server = server_with_files("netlify-files = false\n", "/old /new/\n", "");
    assert!(head(&server, "/old", "").starts_with("http/1.1 404 "));
    assert!(head(&server, "/_redirects", "").starts_with("http/1.1 200 "));
}
