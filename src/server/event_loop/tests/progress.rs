//! The assertion of progress fires where a turn leaves its connection without any.

use super::*;
use crate::server::connection::{Prospect, Wish};

/// Ends a turn of the good connection with this wish, and a deadline that many seconds from now.
fn end_turn(bench: &mut Bench, wish: Wish, seconds: Option<u64>) {
    let token = bench.good.borrow().token.unwrap();
    let services = &bench.event_loop.services;
    let prospect = Prospect {
        is_queued: false,
        has_wake: false,
        deadline: seconds.map(|seconds| services.now + Duration::from_secs(seconds)),
    };
    let connection = bench.event_loop.connections.value(token).unwrap();
    connection.assert_progress(wish, prospect, services);
}

#[test]
fn a_wait_with_a_deadline_and_a_first_wish_for_another_turn_are_no_defects() {
    let mut bench = Bench::new();
    end_turn(&mut bench, Wish::Wait, Some(1));
    end_turn(&mut bench, Wish::Again, Some(1));
    // Its deadline has passed, and will be dealt with.
    end_turn(&mut bench, Wish::Wait, Some(0));
}

#[test]
#[should_panic(expected = "turn after turn without progress")]
fn wishes_for_another_turn_that_move_nothing_are_a_defect() {
    let mut bench = Bench::new();
    (0..3).for_each(|_| end_turn(&mut bench, Wish::Again, Some(1)));
}

#[test]
#[should_panic(expected = "a wait without a deadline and without a wake")]
fn a_wait_that_nothing_ends_is_a_defect() {
    end_turn(&mut Bench::new(), Wish::Wait, None);
}

#[test]
#[should_panic(expected = "a wait for an edge while there may be input")]
fn a_wait_that_has_forgotten_readiness_is_a_defect() {
    let mut bench = Bench::new();
    let token = bench.good.borrow().token.unwrap();
    let connection = bench.event_loop.connections.value(token).unwrap();
    connection.ready(true, false);
    end_turn(&mut bench, Wish::Wait, Some(1));
}
