//! A client's core and a server's, with random traffic between them: nothing fails, every stream ends
//! once, and no window leaks.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::h2::{Cause, Role};

/// One end, and what is on its way to it.
struct End {
    connection: Connection,
    inbox: Vec<u8>,
    /// Received content that was not released yet.
    held: HashMap<StreamKey, u32>,
    /// Streams that were told of, and those whose end was told or caused.
    begun: HashSet<StreamKey>,
    ended: HashSet<StreamKey>,
}

struct CrossingWire {
    client: End,
    server: End,
    now: Instant,
}

/// The end that acts, its act, and a number to do it with.
type CrossingAct = (Role, u8, u32);

fn config(windows: u32) -> Arc<Config> {
    let mut config = Config {
        initial_window_size: windows,
        connection_window_size: 100_000,
        push: true,
        max_concurrent_streams: 20,
        ..Config::default()
    };
    // Chance provokes more than any innocent peer would.
    config.budgets.peer_resets = u32::MAX / 8;
    config.budgets.useless_frames = u32::MAX;
    config.budgets.ignored_bytes = u32::MAX;
    config.budgets.pings_per_second = u32::MAX;
    config.budgets.settings_per_second = u32::MAX;
    config.budgets.provoked_resets = u32::MAX;
    Arc::new(config)
}

impl End {
    fn new(connection: Connection) -> End {
        End {
            connection,
            inbox: Vec::new(),
            held: HashMap::new(),
            begun: HashSet::new(),
            ended: HashSet::new(),
        }
    }

    /// Takes up to `len` bytes of what has arrived.
    fn receive(&mut self, len: usize, now: Instant) {
        let len = len.min(self.inbox.len());
        let mut input = &self.inbox[..len];
        let mut fields = Fields::new();
        loop {
            let event = self.connection.receive(&mut input, &mut fields, now);
            match event.expect("two good peers") {
                None => break,
                Some(Event::Request { stream, .. }) => {
                    assert!(self.begun.insert(stream));
                }
                Some(Event::PushPromise { promised, .. }) => {
                    assert!(self.begun.insert(promised));
                }
                Some(Event::Data {
                    stream,
                    flow_controlled_len,
                    ..
                }) => {
                    *self.held.entry(stream).or_default() += flow_controlled_len;
                }
                Some(Event::StreamReset { stream, by, .. }) => {
                    assert!(!matches!(by, Cause::Error(_) | Cause::Stalled), "{by:?}");
                    assert!(!self.connection.contains(stream));
                    assert!(
                        self.ended.insert(stream),
                        "told of the end of {stream:?} twice"
                    );
                }
                Some(Event::HeadersTooLarge { .. }) => panic!("small sections only"),
                Some(_) => {}
            }
        }
        let taken = len - input.len();
        self.inbox.drain(..taken);
    }

    fn some_stream(&self, number: u32) -> Option<StreamKey> {
        let mut living: Vec<_> = self
            .begun
            .iter()
            .copied()
            .filter(|key| self.connection.contains(*key))
            .collect();
        living.sort_unstable();
        let count = living.len().max(1);
        living.get(number as usize % count).copied()
    }

    /// Sends a head where one is due; a misuse of chance is refused and harmless.
    fn send_head(&mut self, stream: StreamKey, fields: &[(&str, &str)], end_stream: bool) {
        let fields: Fields = fields.iter().copied().collect();
        let _ = self
            .connection
            .send_headers(stream, fields.iter(), end_stream);
    }

    fn send_some_data(&mut self, room: usize) -> bool {
        let Some(grant) = self.connection.poll_grant(room) else {
            return false;
        };
        let len = grant.max_len as usize;
        let end = self.connection.remaining(grant.stream) == len as u64;
        let out = self.connection.begin_data(&grant);
        out.resize(out.len() + len, b'x');
        self.connection.commit(grant, end);
        true
    }

    fn release_all(&mut self) {
        for (stream, len) in self.held.drain() {
            self.connection.release(stream, len).unwrap();
        }
    }
}

impl CrossingWire {
    fn new(client_window: u32, server_window: u32) -> CrossingWire {
        let now = Instant::now();
        CrossingWire {
            client: End::new(Connection::client(config(client_window), now)),
            server: End::new(Connection::server(config(server_window), now)),
            now,
        }
    }

    fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn transmit(&mut self) {
        self.server
            .inbox
            .extend(self.client.connection.take_output());
        self.client
            .inbox
            .extend(self.server.connection.take_output());
    }

    fn act(&mut self, (role, action, number): CrossingAct) {
        let now = self.now;
        let end = self.end(role);
        let stream = end.some_stream(number);
        match (action, stream) {
            (0, _) if role == Role::Client => {
                let fields: Fields = request("POST", "/").into_iter().collect();
                let opened = end
                    .connection
                    .open(fields.iter(), number.is_multiple_of(2), now);
                end.begun.extend(opened.ok());
            }
            (1, Some(stream)) if role == Role::Server => {
                end.send_head(stream, &[(":status", "200")], number.is_multiple_of(5));
            }
            (2, Some(stream)) if role == Role::Server => {
                end.send_head(stream, &[(":status", "103")], false);
            }
            (3 | 4, Some(stream)) => {
                end.connection
                    .set_ready(stream, Some(u64::from(number % 50_000)));
            }
            (5, Some(stream)) => end.send_head(stream, &[("x-trailer", "y")], true),
            (6, Some(stream)) => {
                end.connection.reset(stream, ErrorCode::CANCEL);
                assert!(end.ended.insert(stream));
            }
            (7, Some(stream)) => {
                let len = end.held.remove(&stream).unwrap_or(0);
                end.connection.release(stream, len).unwrap();
            }
            (8, _) => {
                let mut settings = end.connection.announced_settings();
                settings.initial_window_size = number % 100_000;
                settings.header_table_size = number % 5_000;
                end.connection.update_settings(settings, now).unwrap();
            }
            (9, _) => end.connection.ping(u64::from(number).to_be_bytes(), now),
            (10, Some(stream)) => {
                let priority = Priority::new(number as u8 % 8, number.is_multiple_of(3));
                let _ = end.connection.send_priority_update(stream, priority);
                end.connection.set_priority(stream, priority);
            }
            (11, Some(stream)) if role == Role::Server => {
                let fields: Fields = request("GET", "/pushed").into_iter().collect();
                let promised = end.connection.push(stream, fields.iter(), now);
                end.begun.extend(promised.ok());
            }
            (12, Some(stream)) => {
                let data = vec![b'y'; number as usize % 500];
                let padding = number as u8;
                let _ = end
                    .connection
                    .send_padded_data(stream, &data, padding, false);
            }
            (13, Some(stream)) => {
                let _ = end
                    .connection
                    .widen_receive_window(Some(stream), number % 1000);
            }
            (14..18, _) => {
                end.send_some_data(number as usize % 40_000);
            }
            (_, _) => {
                self.transmit();
                self.end(role).receive(number as usize % 5_000, now);
            }
        }
    }

    /// Finishes everything that is under way.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "the two never come to rest");
            let now = self.now;
            for role in [Role::Client, Role::Server] {
                let end = self.end(role);
                end.release_all();
                let living: Vec<_> = end.begun.iter().copied().collect();
                for stream in living {
                    if role == Role::Server {
                        end.send_head(stream, &[(":status", "200")], false);
                    }
                    // What chance left to send, or nothing more.
                    if !end.connection.is_ready(stream) {
                        end.connection.set_ready(stream, Some(0));
                    }
                }
                while end.send_some_data(1 << 20) {}
            }
            self.transmit();
            if self.client.inbox.is_empty() && self.server.inbox.is_empty() {
                return;
            }
            self.client.receive(usize::MAX, now);
            self.server.receive(usize::MAX, now);
        }
    }

    fn check(&self) {
        for (one, other) in [(&self.client, &self.server), (&self.server, &self.client)] {
            let (sender, receiver) = (&one.connection, &other.connection);
            assert!(
                sender.is_idle(),
                "{:?} has {} streams",
                sender.role(),
                sender.streams()
            );
            assert_eq!(sender.active_streams(Role::Client), 0);
            assert_eq!(sender.active_streams(Role::Server), 0);
            let window = receiver.connection_receive_window();
            assert_eq!(sender.connection_send_window(), window);
            assert!(
                (50_001..=100_000).contains(&window),
                "{window}: what is missing is owed"
            );
            assert_eq!(*sender.local_settings(), sender.announced_settings());
            assert_eq!(
                sender.local_settings().initial_window_size,
                receiver.remote_settings().initial_window_size
            );
            assert!(sender.is_tidy());
        }
    }
}

fn action() -> impl Strategy<Value = CrossingAct> {
    let role = prop_oneof![Just(Role::Client), Just(Role::Server)];
    let action = prop_oneof![4 => 0..6u8, 1 => 6..14u8, 6 => 14..24u8];
    (role, action, any::<u32>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_traffic_ends_clean(
        client_window in 0..100_000u32,
        server_window in 0..100_000u32,
        actions in proptest::collection::vec(action(), 0..400),
    ) {
        let mut link = CrossingWire::new(client_window, server_window);
        for action in actions {
            link.act(action);
        }
        // Windows so that everything can end.
        for role in [Role::Client, Role::Server] {
            let now = link.now;
            let end = link.end(role);
            let mut settings = end.connection.announced_settings();
            settings.initial_window_size = 1 << 20;
            end.connection.update_settings(settings, now).unwrap();
        }
        link.settle();
        link.check();
    }
}
