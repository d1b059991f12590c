//! This library: both roles in memory.

use std::sync::Arc;
use std::time::Instant;

use calmd::h2::{Config, Connection, Event};
use calmd::http::{Field, Fields};
use calmd_stacks::{
    AT_ONCE, SMALL, TAKEN, USER_AGENT, WINDOW, Work, client_part, response, server_part, work,
};

fn main() {
    let now = Instant::now();
    // The fields are made here and valid, as a server's own are.
    let config = Config {
        initial_window_size: WINDOW,
        connection_window_size: WINDOW,
        validate_outbound: false,
        normalize_outbound: false,
        ..Config::server()
    };
    let config = Arc::new(config);
    let (rounds, at_once, size) = match work() {
        Work::Requests(rounds) => (rounds, AT_ONCE, SMALL),
        Work::Bytes(mib) => (1, 1, mib << 20),
    };
    let mut client = Connection::client(Arc::clone(&config), now);
    let mut server = Connection::server(config, now);
    let content = vec![b'x'; 16 << 10];
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let (mut fields, mut left) = (Fields::new(), vec![0; at_once]);
    let (mut received, mut taken) = (0, 0);
    for _ in 0..rounds {
        client_part(&mut || {
            for _ in 0..at_once {
                let request = [
                    Field::new(b":path", b"/1k"),
                    Field::new(b":scheme", b"http"),
                    Field::new(b":authority", b"localhost:8080"),
                    Field::new(b":method", b"GET"),
                    Field::new(b"user-agent", USER_AGENT.as_bytes()),
                ];
                client.open(request, true, now).expect("a stream");
            }
        });
        let mut open = at_once;
        while open > 0 {
            to_server.clear();
            to_server.append(client.output());
            server_part(&mut || {
                let mut input = &to_server[..];
                while let Some(event) = server
                    .receive(&mut input, &mut fields, now)
                    .expect("a good peer")
                {
                    if let Event::Request { stream, .. } = event {
                        let status = std::iter::once(Field::new(b":status", b"200"));
                        let rest = response(size)
                            .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()));
                        server
                            .send_headers(stream, status.chain(rest), false)
                            .expect("a new stream");
                        left[stream.index()] = size;
                        server.set_ready(stream, Some(size as u64));
                    }
                }
                while let Some(grant) = server.poll_grant(64 << 10) {
                    let left = &mut left[grant.stream.index()];
                    let len = (*left).min(grant.max_len as usize);
                    *left -= len;
                    server.begin_data(&grant).extend_from_slice(&content[..len]);
                    server.commit(grant, *left == 0);
                }
            });
            to_client.clear();
            to_client.append(server.output());
            client_part(&mut || {
                let mut input = &to_client[..];
                while let Some(event) = client
                    .receive(&mut input, &mut fields, now)
                    .expect("a good peer")
                {
                    if let Event::Data {
                        stream,
                        data,
                        flow_controlled_len,
                        end_stream,
                    } = event
                    {
                        received += data.len();
                        open -= usize::from(end_stream);
                        taken += flow_controlled_len;
                        if end_stream || taken as usize >= TAKEN {
                            client.release(stream, taken).expect("bytes that came");
                            taken = 0;
                        }
                    }
                }
            });
        }
    }
    assert_eq!(received, rounds * at_once * size);
}
