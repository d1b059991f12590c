//! hyperium's h2: both roles over a pipe in memory, polled in turn without a runtime.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use calmd_stacks::{
    AT_ONCE, SMALL, TAKEN, USER_AGENT, WINDOW, Work, client_part, response, server_part, work,
};
use tokio::io::DuplexStream;

/// Bytes that the pipe holds in each direction.
const PIPE: usize = 1 << 20;

fn main() {
    let (rounds, at_once, chunks, chunk) = match work() {
        Work::Requests(rounds) => (rounds, AT_ONCE, 1, SMALL),
        Work::Bytes(mib) => (1, 1, mib, 1 << 20),
    };
    let (near, far) = tokio::io::duplex(PIPE);
    let mut server = pin!(serve(far, chunks, chunk));
    let mut client = pin!(ask(near, rounds, at_once));
    let mut context = Context::from_waker(Waker::noop());
    let mut received = None;
    while received.is_none() {
        client_part(&mut || {
            if let Poll::Ready(len) = client.as_mut().poll(&mut context) {
                received = Some(len);
            }
        });
        server_part(&mut || {
            let _ = server.as_mut().poll(&mut context);
        });
    }
    assert_eq!(received, Some(rounds * at_once * chunks * chunk));
}

async fn serve(pipe: DuplexStream, chunks: usize, chunk: usize) {
    let mut connection = h2::server::handshake(pipe).await.expect("a client");
    let content = Bytes::from(vec![b'x'; chunk]);
    while let Some(request) = connection.accept().await {
        let (_, mut respond) = request.expect("a request");
        let response = response(chunks * chunk)
            .fold(http::Response::builder(), |response, (name, value)| {
                response.header(name, value)
            });
        let response = response.body(()).expect("a response");
        let mut body = respond
            .send_response(response, false)
            .expect("a new stream");
        // They wait for their windows inside of it.
        for number in 1..=chunks {
            body.send_data(content.clone(), number == chunks)
                .expect("an open stream");
        }
    }
}

async fn ask(pipe: DuplexStream, rounds: usize, at_once: usize) -> usize {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let (mut sender, connection) = builder.handshake::<_, Bytes>(pipe).await.expect("a server");
    let mut connection = pin!(connection);
    let mut work = pin!(async move {
        let mut received = 0;
        for _ in 0..rounds {
            let mut answers = Vec::new();
            for _ in 0..at_once {
                std::future::poll_fn(|context| sender.poll_ready(context))
                    .await
                    .expect("a stream");
                let request = http::Request::get("http://localhost:8080/1k");
                let request = request
                    .header("user-agent", USER_AGENT)
                    .body(())
                    .expect("a request");
                answers.push(sender.send_request(request, true).expect("a stream").0);
            }
            for answer in answers {
                let mut body = answer.await.expect("a response").into_body();
                let mut taken = 0;
                while let Some(data) = body.data().await {
                    let len = data.expect("content").len();
                    received += len;
                    taken += len;
                    if body.is_end_stream() || taken >= TAKEN {
                        body.flow_control()
                            .release_capacity(taken)
                            .expect("bytes that came");
                        taken = 0;
                    }
                }
            }
        }
        received
    });
    std::future::poll_fn(|context| {
        let _ = connection.as_mut().poll(context);
        work.as_mut().poll(context)
    })
    .await
}
