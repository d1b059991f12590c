//! The order of the rules.

use super::*;
use crate::world::Peer;

fn rules(config: Config) -> Box<Rules> {
    Rules::new(&config).unwrap()
}

fn redirect(from: &str, to: &str, status: u16) -> RedirectRule {
    RedirectRule::parse(from, Some(to), status).unwrap()
}

fn decide(rules: &mut Rules, scheme: Scheme, target: &str) -> String {
    let fields = [
        (":method", "GET"),
        (":authority", "a.test"),
        (":path", target),
    ];
    let fields: Fields = fields.into_iter().collect();
    let (path, _) = target.split_once('?').unwrap_or((target, ""));
    let visit = Visit {
        request: &Request::new(&fields, Peer::Unix),
        path: path.as_bytes(),
        scheme,
    };
    match rules.decide(&visit, None, None, Instant::now(), || false) {
        Verdict::Pass => "pass".into(),
        Verdict::Rewrite(target, _) => format!("serve {}", String::from_utf8(target).unwrap()),
        Verdict::Wait(_) => "wait".into(),
        Verdict::Answer(status, fields) => {
            let location = fields.value("location").unwrap_or_default();
            format!("{status} {}", String::from_utf8_lossy(location))
        }
    }
}

#[test]
fn the_scheme_comes_first_and_then_the_first_redirect_that_matches() {
    let mut rules = rules(Config {
        origin: OriginRules {
            https: true,
            ..OriginRules::default()
        },
        redirects: vec![
            redirect("/a", "/first", 302),
            redirect("/a", "/second", 301),
            redirect("/app/*", "/app.html", 200),
            RedirectRule::parse("/gone", None, 410).unwrap(),
        ],
        ..Config::default()
    });
    for (scheme, target, said) in [
        (Scheme::Http, "/a", "308 https://a.test/a"),
        (Scheme::Https, "/a?q=1", "302 /first?q=1"),
        (Scheme::Https, "/app/x?q", "serve /app.html?q"),
        (Scheme::Https, "/gone", "410 "),
        (Scheme::Https, "/b", "pass"),
    ] {
        assert_eq!(decide(&mut rules, scheme, target), said, "{target}");
    }
}

#[test]
fn a_host_without_rules_has_none() {
    assert!(Rules::new(&Config::default()).is_none());
}
