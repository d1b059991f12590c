//! Requests for several hosts over files in memory.

use std::time::{Duration, Instant};

use super::*;
use crate::exchange::{AlarmOwner, Means, RequestKey, RequestPlace, Wakes};
use crate::site;
use crate::world::memory_files::MemoryFiles;
use crate::world::{Peer, Token};

/// The routes of a default host and two others, each with a page that tells its name.
fn routes() -> Routes<MemoryFiles> {
    let site = |name: &str| {
        let files = MemoryFiles::new();
        files.write("index.html", name);
        files.advance(Duration::from_secs(3600));
        files
    };
    let config = |fields: &[&str]| site::Config {
        headers: fields
            .iter()
            .map(|field| site::parse_header(field).expect("a field"))
            .collect(),
        ..site::Config::default()
    };
    let names = |names: &[&str]| {
        let names = names.iter().map(|name| HostPattern::parse(name));
        names.collect::<Result<Vec<_>, _>>().expect("names")
    };
    let default = Site::new(site("default"), &config(&[])).expect("a site");
    let mut routes = Routes::from(default);
    routes.name_default(&names(&["www.a.test"]));
    let a = config(&["X-Of: a", "Strict-Transport-Security: max-age=1"]);
    let a = Site::beside(routes.site(), site("a"), &a).expect("a site");
    routes.add_host(a.into(), &names(&["a.test", "*.a.test"]));
    let b = Site::beside(routes.site(), site("b"), &config(&[])).expect("a site");
    routes.add_host(b.into(), &names(&["b.test"]));
    routes
}

fn ask(routes: &mut Routes<MemoryFiles>, authority: &str) -> Response<MemoryFiles> {
    let now = Instant::now();
    let means = Means {
        wakes: Wakes::new(),
        now,
        world_now: now,
        handler_timeout: Duration::from_secs(1),
        effort: Default::default(),
        #[cfg(feature = "proxy")]
        calls: crate::exchange::Calls::new(),
    };
    let fields: Fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", authority),
        (":path", "/"),
    ]
    .into_iter()
    .collect();
    let place = RequestPlace {
        connection: Token {
            index: 0,
            serial: 1,
        },
        request: RequestKey(1),
    };
    let mut alarm = AlarmOwner::default();
    let mut desk = Desk::new(&means, place, &mut alarm);
    match routes.accept(&Request::new(&fields, Peer::Unix), &mut desk) {
        Answer::Response(response) => response,
        _ => panic!("the site answers everything"),
    }
}

/// The page of a host.
fn page(routes: &mut Routes<MemoryFiles>, authority: &str) -> String {
    let mut body = ask(routes, authority).body;
    let mut out = Vec::new();
    while body.read(routes.reads(), &mut out, 1000).expect("a page")
        != crate::content::Progress::End
    {}
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn every_host_has_a_site_of_its_own_and_the_default_one_has_all_other_names() {
    let mut routes = routes();
    for (authority, expected) in [
        ("a.test", "a"),
        ("A.test.:8443", "a"),
        ("x.a.test", "a"),
        ("www.a.test", "default"),
        ("b.test", "b"),
        ("x.b.test", "default"),
        ("other", "default"),
    ] {
        assert_eq!(page(&mut routes, authority), expected, "{authority}");
    }
}

#[test]
fn fields_of_a_host_are_those_of_its_own_responses() {
    let mut routes = routes();
    let response = ask(&mut routes, "a.test");
    assert_eq!(response.fields.value("x-of"), Some(&b"a"[..]));
    assert!(routes.secure_field().is_some());
    let response = ask(&mut routes, "b.test");
    assert_eq!(response.fields.value("x-of"), None);
    assert!(routes.secure_field().is_none());
    let asked = (ask(&mut routes, "a.test"), routes.asked()).1;
    // What is refused before a handler is asked is the default host's.
    routes.error(421);
    assert!(routes.secure_field().is_none());
    routes.turn_to(asked);
    assert!(routes.secure_field().is_some());
}

#[test]
fn work_on_files_is_counted_whichever_host_it_is_for() {
    let mut routes = routes();
    routes.take_effort();
    for authority in ["a.test", "b.test", "c.test"] {
        ask(&mut routes, authority);
        assert!(routes.take_effort() > 0, "{authority}");
        assert_eq!(routes.take_effort(), 0, "{authority}");
    }
}

#[test]
fn hosts_that_have_work_take_turns_until_none_is_left() {
    let mut routes = routes();
    for authority in ["a.test", "b.test", "other"] {
        ask(&mut routes, authority);
    }
    let mut slices = 0;
    while routes.next_work().is_some() {
        routes.work();
        slices += 1;
        assert!(slices < 100, "work never ends");
    }
    assert!(routes.working.is_empty());
}
