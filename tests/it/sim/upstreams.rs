//! The reverse proxy in a small world of its own: upstreams that die, hang, lie, trickle and say too little or too much.
//!
//! No answer is wrong, none that was cut short looks whole, none that an upstream gave whole is lost, and no request that
//! is not idempotent is sent twice, whether upstreams speak HTTP/1.1 or HTTP/2. When all is over, the server has no connection
//! left and waits for nothing.
//!
//! `small_world` is the world as the server sees it, `outside` all that it does not see. `client` has the requests and
//! judges the answers, by the record of `delivery`; `h1_upstream` and `h2_upstream` play upstreams, by the steps of
//! `h2_play`.

mod client;
mod delivery;
mod h1_upstream;
mod h2_play;
mod h2_upstream;
mod outside;
mod requests;
mod sim_upstream;
mod small_world;

use super::harness;
use super::rng::Rng;
use calmd::http::{Fields, Scheme};
use calmd::proxy::{
    DialAddress, ProxyHandler, ProxyRule, Upstream, UpstreamScheme, UpstreamServer,
};
use calmd::routes::Routes;
use calmd::server::{Config, EventLoop, Services};
use calmd::site::{self, Site};
use calmd::world::memory_files::MemoryFiles;
use h1_upstream::H1Play;
use h2_play::H2Play;
use outside::{REQUESTS, SmallOutside};
use sim_upstream::Protocol;
use small_world::SmallWorld;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

/// Time by which a run is over, long after all deadlines of all requests in a row.
const END: Duration = Duration::from_secs(60 * REQUESTS as u64);

/// One run, and the plays that were in it.
fn run(seed: u64, protocol: Protocol) -> Vec<String> {
    let mut rng = Rng::new(seed);
    let mut config = Config::default();
    config.upstreams.connections = *rng.pick(&[2, 256]);
    let most_dialled = config.upstreams.connections;
    let outside = SmallOutside::new(rng, protocol, most_dialled);
    let outside = Rc::new(RefCell::new(outside));
    let world = SmallWorld(outside.clone());
    let site = Site::new(MemoryFiles::new(), &site::Config::default()).expect("a site");
    let mut routes = Routes::from(site);
    let (scheme, name) = match protocol {
        Protocol::Http1 => (UpstreamScheme::Http, "http"),
        Protocol::Http2 => (UpstreamScheme::H2c, "h2c"),
    };
    let rule = ProxyRule::parse(&format!("/={name}://10.0.0.1:80")).expect("a rule");
    routes.mount(
        "",
        Box::new(ProxyHandler::new(0, &rule, Rc::new(Fields::new()))),
    );
    let server = |port| UpstreamServer {
        name: format!("port {port}"),
        scheme,
        addresses: vec![DialAddress::Tcp(([10, 0, 0, 1], port).into())],
        tls: None,
    };
    let upstream = Upstream {
        host: String::new(),
        mount: "/".into(),
        servers: vec![server(80), server(81)],
    };
    let services = Services::new(&world, routes, None, &config).with_upstreams(vec![upstream]);
    let mut event_loop = EventLoop::new(world, services, &[Scheme::Http]);
    while !outside.borrow().is_still {
        event_loop.turn().expect("the poll does not fail");
        assert!(outside.borrow().now < END, "it never ends");
    }
    let outside = outside.borrow();
    assert_eq!(outside.done, REQUESTS, "requests have no answer");
    let open = outside.links.iter().filter(|link| !link.is_closed);
    assert_eq!(open.count(), 0, "connections nobody will close");
    let deliveries = outside.deliveries.values().flatten();
    deliveries.map(|delivery| delivery.play.clone()).collect()
}

/// Runs seeds, in which each play has to come.
fn run_all(protocol: Protocol, plays: &[impl Debug]) {
    let wanted = harness::number("CALMD_SIM_SEEDS").unwrap_or(3000) / 20;
    let seeds = match harness::number("CALMD_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..wanted.max(20),
    };
    let is_all = seeds.end - seeds.start >= 20;
    let mut seen = HashSet::new();
    for seed in seeds {
        println!("to replay: CALMD_SIM_SEED={seed} cargo test --test it sim::upstreams");
        seen.extend(run(seed, protocol));
    }
    for play in plays {
        assert!(
            !is_all || seen.contains(&format!("{play:?}")),
            "no {play:?}"
        );
    }
}

#[test]
fn upstreams_that_fail_in_any_way_cause_no_wrong_answer_and_no_second_request() {
    run_all(Protocol::Http1, &H1Play::ALL);
}

#[test]
fn upstreams_of_http2_that_fail_in_any_way_cause_no_wrong_answer_and_no_second_request() {
    run_all(Protocol::Http2, &H2Play::ALL);
}
