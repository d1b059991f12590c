//! The panel: who gets in, who does not, and what it shows and does.

mod client;
mod events;
mod steering;
mod tracing;

use crate::support::{PATIENCE, Server};
use client::{Panel, PanelRequest, Version};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn the_page_and_every_answer_keep_browsers_in_bounds() {
    let panel = Panel::with_users(&[]);
    for version in Version::ALL {
        for (path, status) in [
            ("/", 200),
            ("/?token=0", 200),
            ("/panel.js", 200),
            ("/panel.css", 200),
            ("/nothing", 404),
            ("/api/overview", 401),
            ("/metrics", 200),
            ("/readyz", 200),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = panel.ask(version, PanelRequest::new(method, path));
                assert_eq!(answer.status, status, "{version:?} {method} {path}");
                let policy = answer.field("content-security-policy");
                assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
                assert!(!policy.contains("unsafe"), "{policy}");
                assert_eq!(answer.field("x-content-type-options"), "nosniff", "{path}");
                assert_eq!(answer.field("cache-control"), "no-store", "{path}");
                assert_eq!(answer.content.is_empty(), method == "HEAD", "{path}");
            }
        }
        let refused = panel.ask(version, PanelRequest::new("POST", "/"));
        assert_eq!((refused.status, refused.field("allow")), (405, "GET, HEAD"));
    }
    // A site has none of it, and the panel nothing of the site.
    let site = panel.server.request("GET /panel.js HTTP/1.1");
    assert!(site.starts_with("HTTP/1.1 404 "), "{site}");
    let page = panel
        .ask(Version::H1, PanelRequest::new("GET", "/"))
        .content;
    assert!(page.contains("<title>calmd</title>"), "{page}");
}

#[test]
fn nothing_of_the_api_is_told_without_a_session() {
    let panel = Panel::with_users(&[]);
    for version in Version::ALL {
        for path in [
            "/api/overview",
            "/api/connections",
            "/api/connections/1",
            "/api/logs",
            "/api/events",
            "/api/actions",
            "/api/session",
            "/api/logout",
            "/api/",
        ] {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
                for cookie in ["", "calmd=1", "calmd-00000000=0"] {
                    let ask = PanelRequest::new(method, path).with("cookie", cookie);
                    let answer = panel.ask(version, ask.json("{}"));
                    assert_eq!(answer.status, 401, "{version:?} {method} {path}");
                    assert!(answer.field("www-authenticate") == "Cookie");
                }
            }
        }
    }
}

#[test]
fn users_log_in_and_out_and_others_do_not() {
    let panel = Panel::with_users(&[]);
    for version in Version::ALL {
        for claim in [
            r#"{"user":"ann","password":"wrong"}"#,
            r#"{"user":"nobody","password":"secret"}"#,
            r#"{"user":"","password":""}"#,
        ] {
            let answer = panel.ask(version, PanelRequest::new("POST", "/api/login").json(claim));
            assert_eq!(answer.status, 403, "{claim}");
            assert_eq!(answer.field("set-cookie"), "");
            assert!(answer.content.contains("the login is wrong"));
        }
        for (claim, status) in [("", 400), ("{}", 400), (r#"{"token":"a"}"#, 400)] {
            let answer = panel.ask(version, PanelRequest::new("POST", "/api/login").json(claim));
            assert_eq!(answer.status, status, "{claim}");
        }
        let session = panel.log_in(version);
        let set_cookie = &session.set_cookie;
        for word in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
            assert!(set_cookie.contains(word), "{set_cookie}");
        }
        assert!(!set_cookie.contains("Secure"), "{set_cookie}");
        let ask = |path| panel.ask(version, session.ask("GET", path));
        let overview = ask("/api/overview");
        assert_eq!(overview.status, 200);
        assert_eq!(overview.field("content-type"), "application/json");
        let known = ask("/api/session").content;
        assert!(known.contains(r#""user":"ann""#) && known.contains(&session.token));
        let head = panel.ask(version, session.ask("HEAD", "/api/overview"));
        assert_eq!((head.status, head.content.as_str()), (200, ""));
        let out = panel.ask(version, session.ask("POST", "/api/logout"));
        assert_eq!(out.status, 200);
        assert!(out.field("set-cookie").contains("Max-Age=0"));
        assert_eq!(ask("/api/overview").status, 401);
    }
    panel.server.logged("panel: ann at 127.0.0.1: logged in");
    panel
        .server
        .logged("panel: \"nobody\" at 127.0.0.1: wrong login");
    panel.server.logged("panel: ann at 127.0.0.1: logged out");
}

#[test]
fn over_tls_the_cookie_is_for_tls_alone() {
    let panel = Panel::with_users(&[]);
    for version in Version::ALL {
        let ask = PanelRequest::new("POST", "/api/login").json(client::CLAIM);
        let answer = panel.ask_in_tls(version, ask);
        assert_eq!(answer.status, 200);
        let cookie = answer.field("set-cookie");
        assert!(cookie.starts_with("__Host-calmd-"), "{cookie}");
        assert!(cookie.contains("; Secure"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let ask = || PanelRequest::new("GET", "/api/session").with("cookie", &cookie);
        assert_eq!(panel.ask_in_tls(version, ask()).status, 200);
        assert_eq!(panel.ask(version, ask()).status, 401);
    }
}

#[test]
fn a_token_is_printed_and_logs_in_once() {
    let panel = Panel::new(&[]);
    let token = |line: String| line.split("?token=").nth(1).unwrap().trim().to_owned();
    let first = panel.server.told("log in once: http://127.0.0.1:");
    assert!(first.contains(&panel.http.to_string()), "{first}");
    let log_in = |token: &str| {
        let claim = format!(r#"{{"token":"{token}"}}"#);
        let ask = PanelRequest::new("POST", "/api/login").json(&claim);
        panel.ask(Version::H1, ask).status
    };
    let first = token(first);
    // No GET logs in.
    let got = panel.ask(
        Version::H1,
        PanelRequest::new("GET", &format!("/?token={first}")),
    );
    assert_eq!(got.field("set-cookie"), "");
    assert_eq!(log_in("0"), 403);
    assert_eq!(log_in(&first), 200);
    assert_eq!(log_in(&first), 403);
    let next = panel
        .server
        .logged("the panel's token was used; the next is http://");
    assert_eq!(log_in(&token(next)), 200);
}

#[test]
fn guesses_are_counted_and_have_to_wait() {
    let panel = Panel::with_users(&[]);
    let claim = r#"{"user":"ann","password":"guess"}"#;
    let guess = || {
        panel.ask(
            Version::H1,
            PanelRequest::new("POST", "/api/login").json(claim),
        )
    };
    let start = Instant::now();
    let limited = loop {
        let answer = guess();
        if answer.status != 403 {
            break answer;
        }
        assert!(start.elapsed() < PATIENCE, "guesses are not limited");
    };
    assert_eq!(limited.status, 429);
    let wait: u64 = limited.field("retry-after").parse().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    // The right password has to wait as well, and is right after that.
    let right = || {
        panel.ask(
            Version::H1,
            PanelRequest::new("POST", "/api/login").json(client::CLAIM),
        )
    };
    let start = Instant::now();
    while right().status != 200 {
        assert!(start.elapsed() < PATIENCE, "it is never let in");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn names_and_origins_that_are_not_the_panels_are_refused() {
    let panel = Panel::with_users(&["--admin-host", "panel.example"]);
    for version in Version::ALL {
        let session = panel.log_in(version);
        let get = |path: &str| session.ask("GET", path);
        for host in [
            "localhost",
            "localhost:1",
            "127.0.0.1:80",
            "[::1]",
            "panel.example:9",
        ] {
            let answer = panel.ask(version, get("/api/overview").at(host));
            assert_eq!(answer.status, 200, "{version:?} {host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1"] {
            for path in ["/", "/panel.js", "/api/overview", "/api/login"] {
                let answer = panel.ask(version, get(path).at(host));
                assert_eq!(answer.status, 421, "{version:?} {host} {path}");
                assert!(!answer.field("content-security-policy").is_empty());
            }
        }
        // A scraper asks by address, and a page elsewhere cannot have one for its name.
        assert_eq!(
            panel.ask(version, get("/metrics").at("10.0.0.1:80")).status,
            200
        );
        assert_eq!(
            panel
                .ask(version, get("/metrics").at("evil.example"))
                .status,
            421
        );
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:81"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            for path in ["/", "/metrics", "/api/overview", "/api/events"] {
                let answer = panel.ask(version, get(path).with(name, value));
                assert_eq!(answer.status, 403, "{version:?} {path} {name}: {value}");
            }
            for path in ["/api/login", "/api/actions", "/api/logout"] {
                let post = session.ask("POST", path).json(client::CLAIM);
                let answer = panel.ask(version, post.with(name, value));
                assert_eq!(answer.status, 403, "{version:?} {path} {name}: {value}");
            }
        }
        let own = get("/api/overview")
            .with("origin", "http://localhost")
            .with("sec-fetch-site", "same-origin");
        assert_eq!(panel.ask(version, own).status, 200);
    }
}

#[test]
fn listeners_that_would_not_be_safe_are_mistakes() {
    for (options, said) in [
        (
            &["--admin", "0.0.0.0:9000"][..],
            "'--admin' names an address that others can reach",
        ),
        (
            &["--admin", ":9000"],
            "'--admin' names an address that others can reach",
        ),
        (
            &["--admin-tls", "192.0.2.1:9000"],
            "'--admin-tls' names an address that others can reach, so it needs users",
        ),
        (
            &["--admin-read-only"],
            "'--admin-read-only' needs a panel, add --admin 127.0.0.1:9000",
        ),
        (
            &["--admin", "127.0.0.1:0", "--admin-host", "http://a"],
            "write the name of a host, without a port",
        ),
        (
            &["--admin", "127.0.0.1:0", "--admin-users", "nowhere"],
            "cannot read the users of the panel 'nowhere' (--admin-users)",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_calmd"))
            .args([".", "--listen", "127.0.0.1:0"])
            .args(options)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{options:?}");
        let mistake = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(mistake.contains(said), "{options:?}: {mistake}");
    }
}

#[test]
fn the_file_of_users_is_not_served() {
    let options = ["--admin", "127.0.0.1:0", "--admin-users", "site/users"];
    let server = Server::with_site(&options, |site| {
        std::fs::write(site.join("users"), client::USERS).unwrap();
    });
    let answer = server.request("GET /users HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}
