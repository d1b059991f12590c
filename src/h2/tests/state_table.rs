//! §5.1: the whole transition table, state by passage by side, against a file that can be read.
//!
//! After a change that is meant, run the test with `BLESS=1` and review the difference.

use super::super::stream::{Half, Passage, Side, StreamState, TransitionError};
use std::fmt::Write;

const STATES: [StreamState; 12] = {
    use Half::{Body, Head};
    [
        StreamState::Idle,
        StreamState::ReservedLocal,
        StreamState::ReservedRemote,
        StreamState::Open {
            local: Head,
            remote: Head,
        },
        StreamState::Open {
            local: Head,
            remote: Body,
        },
        StreamState::Open {
            local: Body,
            remote: Head,
        },
        StreamState::Open {
            local: Body,
            remote: Body,
        },
        StreamState::HalfClosedLocal { remote: Head },
        StreamState::HalfClosedLocal { remote: Body },
        StreamState::HalfClosedRemote { local: Head },
        StreamState::HalfClosedRemote { local: Body },
        StreamState::Closed,
    ]
};

const PASSAGES: [(&str, Passage); 8] = [
    ("promise", Passage::Promise),
    ("informational", Passage::Informational),
    ("head", Passage::Head { end_stream: false }),
    ("head, end", Passage::Head { end_stream: true }),
    ("data", Passage::Data { end_stream: false }),
    ("data, end", Passage::Data { end_stream: true }),
    ("trailers", Passage::Trailers),
    ("reset", Passage::Reset),
];

fn name(state: StreamState) -> String {
    let half = |half| match half {
        Half::Head => "head",
        Half::Body => "body",
    };
    match state {
        StreamState::Idle => "idle".into(),
        StreamState::ReservedLocal => "reserved (local)".into(),
        StreamState::ReservedRemote => "reserved (remote)".into(),
        StreamState::Open { local, remote } => {
            format!("open, we {}, peer {}", half(local), half(remote))
        }
        StreamState::HalfClosedLocal { remote } => {
            format!("half-closed (local), peer {}", half(remote))
        }
        StreamState::HalfClosedRemote { local } => {
            format!("half-closed (remote), we {}", half(local))
        }
        StreamState::Closed => "closed".into(),
    }
}

#[test]
fn the_transition_table_is_as_reviewed() {
    let mut table = String::new();
    for state in STATES {
        writeln!(table, "{}", name(state)).unwrap();
        for (side, verb) in [(Side::Local, "send"), (Side::Remote, "receive")] {
            for (passage_name, passage) in PASSAGES {
                let to = match state.pass(side, passage) {
                    Ok(to) => name(to),
                    Err(TransitionError::Closed) => "refused: STREAM_CLOSED".into(),
                    Err(TransitionError::OutOfOrder) => "refused: PROTOCOL_ERROR".into(),
                };
                writeln!(table, "  {:22} -> {to}", format!("{verb} {passage_name}")).unwrap();
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/h2/tests/state_table.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, include_str!("state_table.txt"));
}
