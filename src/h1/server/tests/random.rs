//! Nothing that a peer sends or a caller does makes a connection panic or contradict itself.

use super::recut::outcome;
use super::*;
use proptest::prelude::*;

/// Pieces that requests are made of, so that random input gets past the parser.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known: [&'static [u8]; 26] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\n",
        b"HEAD /a HTTP/1.0\r\n",
        b"GET ",
        b"/ ",
        b"http://b/ ",
        b"HTTP/1.1\r\n",
        b"HTTP/1.0\r\n",
        b"Host: a\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b":",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\nX: y\r\n\r\n",
        b"hello",
        b"5;a=\"b\"\r\n",
    ];
    prop_oneof![
        9 => prop::sample::select(known.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(fragment(), 0..12).prop_map(|fragments| fragments.concat())
}

#[derive(Clone, Debug)]
enum Action {
    Receive(Vec<u8>),
    Head(u16, Option<u64>),
    NoContent(u16),
    Data(Vec<u8>, bool),
    Begin(usize),
    Commit(bool),
    Continue,
    Discard,
    Pause,
    Wait(u64),
    Timeout,
    Finish,
    Shutdown,
    Refuse,
    Abort,
    Switch,
    Take,
}

fn action() -> impl Strategy<Value = Action> {
    let status = prop::sample::select(vec![100, 103, 200, 204, 304, 404]);
    let data = prop::collection::vec(any::<u8>(), 0..9);
    prop_oneof![
        8 => input().prop_map(Action::Receive),
        4 => (status.clone(), prop::option::of(0u64..9)).prop_map(|(s, l)| Action::Head(s, l)),
        2 => status.prop_map(Action::NoContent),
        6 => (data, any::<bool>()).prop_map(|(data, end)| Action::Data(data, end)),
        1 => (0usize..9).prop_map(Action::Begin),
        1 => any::<bool>().prop_map(Action::Commit),
        1 => Just(Action::Continue),
        2 => Just(Action::Discard),
        1 => Just(Action::Pause),
        2 => (0u64..20).prop_map(Action::Wait),
        2 => Just(Action::Timeout),
        1 => prop::sample::select(vec![
            Action::Finish, Action::Shutdown, Action::Refuse, Action::Abort, Action::Switch,
            Action::Take,
        ]),
    ]
}

impl Caller {
    fn act(&mut self, action: Action) {
        let now = self.now;
        match action {
            Action::Receive(bytes) => drop(self.receive(&bytes)),
            Action::Head(status, length) => {
                let length = length.map_or(BodyLength::Unknown, BodyLength::Known);
                self.respond_with(status, &[], length);
            }
            Action::NoContent(status) => self.respond_with(status, &[], BodyLength::None),
            Action::Data(data, end) => self.send(&data, end),
            Action::Begin(length) => drop(self.connection.begin_data(length).clone()),
            Action::Commit(end) => self.connection.commit(end, now),
            Action::Continue => self.connection.send_continue(),
            Action::Discard => self.connection.discard_body(),
            Action::Pause => self.connection.pause_input(now),
            Action::Wait(seconds) => self.now += Duration::from_secs(seconds),
            Action::Timeout => drop(self.connection.handle_timeout(now)),
            Action::Finish => drop(self.connection.finish_input()),
            Action::Shutdown => self.connection.shutdown(),
            Action::Refuse => self.connection.refuse(413),
            Action::Abort => self.connection.abort(),
            Action::Switch => self.connection.switch_protocols(),
            Action::Take => self.collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_refused_or_wait_for_more(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut caller = Caller::new();
        if caller.serve(&bytes).is_err() {
            prop_assert!(caller.connection.wants_close());
            prop_assert!(caller.sent().starts_with("HTTP/1.1 "));
        }
    }

    #[test]
    fn cuts_make_no_difference(input in input(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        ends.sort_unstable();
        prop_assert_eq!(outcome(&input, []), outcome(&input, ends));
    }

    #[test]
    fn no_order_of_calls_goes_wrong(actions in prop::collection::vec(action(), 0..30)) {
        let mut caller = Caller::new();
        let mut closed = false;
        for action in actions {
            caller.act(action);
            if closed {
                prop_assert!(caller.connection.wants_close());
                prop_assert!(caller.connection.next_deadline().is_none());
            }
            closed |= caller.connection.wants_close();
            prop_assert!(!(closed && caller.connection.is_idle()));
        }
    }
}
