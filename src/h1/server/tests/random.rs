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
enum RandomAct {
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

fn action() -> impl Strategy<Value = RandomAct> {
    let status = prop::sample::select(vec![100, 103, 200, 204, 304, 404]);
    let data = prop::collection::vec(any::<u8>(), 0..9);
    prop_oneof![
        8 => input().prop_map(RandomAct::Receive),
        4 => (status.clone(), prop::option::of(0u64..9)).prop_map(|(s, l)| RandomAct::Head(s, l)),
        2 => status.prop_map(RandomAct::NoContent),
        6 => (data, any::<bool>()).prop_map(|(data, end)| RandomAct::Data(data, end)),
        1 => (0usize..9).prop_map(RandomAct::Begin),
        1 => any::<bool>().prop_map(RandomAct::Commit),
        1 => Just(RandomAct::Continue),
        2 => Just(RandomAct::Discard),
        1 => Just(RandomAct::Pause),
        2 => (0u64..20).prop_map(RandomAct::Wait),
        2 => Just(RandomAct::Timeout),
        1 => prop::sample::select(vec![
            RandomAct::Finish, RandomAct::Shutdown, RandomAct::Refuse, RandomAct::Abort, RandomAct::Switch,
            RandomAct::Take,
        ]),
    ]
}

impl TestCaller {
    fn act(&mut self, action: RandomAct) {
        let now = self.now;
        match action {
            RandomAct::Receive(bytes) => drop(self.receive(&bytes)),
            RandomAct::Head(status, length) => {
                let length = length.map_or(BodyLength::Unknown, BodyLength::Known);
                self.respond_with(status, &[], length);
            }
            RandomAct::NoContent(status) => self.respond_with(status, &[], BodyLength::None),
            RandomAct::Data(data, end) => self.send(&data, end),
            RandomAct::Begin(length) => drop(self.connection.begin_data(length).clone()),
            RandomAct::Commit(end) => self.connection.commit(end, now),
            RandomAct::Continue => self.connection.send_continue(),
            RandomAct::Discard => self.connection.discard_body(),
            RandomAct::Pause => self.connection.pause_input(now),
            RandomAct::Wait(seconds) => self.now += Duration::from_secs(seconds),
            RandomAct::Timeout => drop(self.connection.handle_timeout(now)),
            RandomAct::Finish => drop(self.connection.finish_input()),
            RandomAct::Shutdown => self.connection.shutdown(),
            RandomAct::Refuse => self.connection.refuse(413),
            RandomAct::Abort => self.connection.abort(),
            RandomAct::Switch => self.connection.switch_protocols(),
            RandomAct::Take => self.collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_refused_or_wait_for_more(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut caller = TestCaller::new();
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
        let mut caller = TestCaller::new();
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
