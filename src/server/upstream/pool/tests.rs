//! Tests of the pool: the servers that calls go to, and the places that there are.

use super::*;
use std::net::SocketAddr;

fn address(port: u16) -> DialAddress {
    DialAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))
}

fn pool(servers: &[&[u16]]) -> Pool {
    let server = |ports: &&[u16]| UpstreamServer {
        name: format!("{ports:?}"),
        scheme: UpstreamScheme::Http,
        tls: None,
        addresses: ports.iter().copied().map(address).collect(),
    };
    Pool::new(Upstream {
        host: String::new(),
        mount: String::new(),
        servers: servers.iter().map(server).collect(),
    })
}

const TOKEN: Token = Token {
    index: 0,
    serial: 1,
};

fn dialled(pool: &mut Pool, now: Instant) -> Option<(usize, DialAddress)> {
    match pool.route(Freshness::Any, 2, now) {
        Route::Dial(server, address) => Some((server, address)),
        _ => None,
    }
}

#[test]
fn the_server_with_the_fewest_calls_has_the_next_one_until_all_are_full() {
    let (mut pool, now) = (pool(&[&[1], &[2]]), Instant::now());
    let servers: Vec<_> = (0..4).map(|_| dialled(&mut pool, now).unwrap().0).collect();
    assert_eq!(servers, [0, 1, 0, 1]);
    assert_eq!(pool.route(Freshness::Any, 2, now), Route::None);
    pool.keep(1, TOKEN);
    assert_eq!(pool.route(Freshness::New, 2, now), Route::Idle(1, TOKEN));
    pool.forget(1, TOKEN);
    assert_eq!(dialled(&mut pool, now).unwrap().0, 1);
}

#[test]
fn calls_share_connections_up_to_their_room_and_the_servers_bound() {
    let (mut pool, now) = (pool(&[&[1]]), Instant::now());
    pool.servers[0].scheme = UpstreamScheme::H2c;
    let token = |index| Token { index, serial: 1 };
    let route = |pool: &mut Pool, freshness| pool.route(freshness, 6, now);
    assert_eq!(dialled(&mut pool, now), Some((0, address(1))));
    pool.share(0, token(0));
    pool.set_room(0, token(0), 2);
    let shared = Route::Shared(0, token(0));
    assert_eq!(route(&mut pool, Freshness::Any), shared);
    assert_eq!(
        route(&mut pool, Freshness::Any),
        Route::Dial(0, address(1)),
        "the first is full"
    );
    pool.share(0, token(1));
    // The server has allowed two before.
    let shared = Route::Shared(0, token(1));
    assert_eq!(route(&mut pool, Freshness::Any), shared);
    pool.leave_place(0, token(1));
    // The server leaves: its calls go on, and no other comes.
    pool.set_room(0, token(1), 0);
    assert_eq!(route(&mut pool, Freshness::Any), Route::Dial(0, address(1)));
    pool.share(0, token(2));
    assert_eq!(route(&mut pool, Freshness::New), Route::Dial(0, address(1)));
    pool.share(0, token(3));
    let shared = Route::Shared(0, token(3));
    assert_eq!(route(&mut pool, Freshness::Any), shared);
    assert_eq!(route(&mut pool, Freshness::Any), Route::None);
    pool.forget(0, token(0));
    let shared = Route::Shared(0, token(2));
    assert_eq!(route(&mut pool, Freshness::Any), shared);
}

#[test]
fn a_server_whose_connections_are_all_being_left_is_passed_over() {
    let (mut pool, now) = (pool(&[&[1], &[2]]), Instant::now());
    pool.servers[0].scheme = UpstreamScheme::H2c;
    for index in 0..2 {
        let token = Token { index, serial: 1 };
        pool.servers[0].open += 1;
        pool.share(0, token);
        pool.set_room(0, token, 0);
    }
    // It has one call of two, and no connection that takes another.
    pool.leave_place(
        0,
        Token {
            index: 0,
            serial: 1,
        },
    );
    pool.servers[1].health = ServerHealth::Down {
        failures: 1,
        until: now + FIRST_REST,
    };
    assert_eq!(dialled(&mut pool, now), Some((1, address(2))));
    assert!(pool.has_place(2));
    assert_eq!(dialled(&mut pool, now), Some((1, address(2))));
    assert!(!pool.has_place(2));
    pool.forget(
        0,
        Token {
            index: 0,
            serial: 1,
        },
    );
    assert_eq!(dialled(&mut pool, now), Some((0, address(1))));
}

#[test]
fn an_idle_connection_comes_before_a_new_one_unless_a_new_one_is_wanted() {
    let (mut pool, now) = (pool(&[&[1]]), Instant::now());
    dialled(&mut pool, now);
    pool.keep(0, TOKEN);
    assert_eq!(
        pool.route(Freshness::New, 9, now),
        Route::Dial(0, address(1))
    );
    assert_eq!(pool.route(Freshness::Any, 9, now), Route::Idle(0, TOKEN));
}

#[test]
fn a_server_that_fails_is_spared_longer_each_time_and_until_it_answers() {
    let (mut pool, start) = (pool(&[&[1, 11], &[2]]), Instant::now());
    pool.note_failure(0, "refused", start);
    pool.note_failure(0, "refused", start);
    assert_eq!(dialled(&mut pool, start).unwrap().0, 1);
    assert_eq!(dialled(&mut pool, start).unwrap().0, 1);
    // It is full: the spared one is better than none, at its next address.
    assert_eq!(dialled(&mut pool, start), Some((0, address(1))));
    let later = start + FIRST_REST;
    pool.note_failure(0, "refused", later);
    assert!(pool.servers[0].is_spared(later + FIRST_REST));
    assert!(!pool.servers[0].is_spared(later + 2 * FIRST_REST));
    for round in 2..99 {
        pool.note_failure(0, "refused", start + 60 * FIRST_REST * 2 * round);
    }
    let last = start + 60 * FIRST_REST * 2 * 98;
    assert!(!pool.servers[0].is_spared(last + 64 * FIRST_REST));
    pool.note_success(0, None);
    assert_eq!(pool.servers[0].health, ServerHealth::Up);
}

#[test]
fn each_failure_moves_on_to_the_next_address() {
    let (mut pool, now) = (pool(&[&[1, 11]]), Instant::now());
    assert_eq!(pool.attempts(), 2);
    assert_eq!(dialled(&mut pool, now), Some((0, address(1))));
    pool.note_failure(0, "refused", now);
    assert_eq!(dialled(&mut pool, now), Some((0, address(11))));
}
