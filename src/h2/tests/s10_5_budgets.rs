//! §10.5: what a peer may cause before ENHANCE_YOUR_CALM, and what innocent peers do unharmed.

use super::*;
use crate::h2::settings::id;

/// Number of rounds that it takes to end the connection with ENHANCE_YOUR_CALM.
#[track_caller]
fn rounds_until_calm(
    peer: &mut ScriptedPeer,
    limit: u32,
    mut round: impl FnMut(&mut ScriptedPeer, u32),
) -> u32 {
    for number in 0..limit {
        round(peer, number);
        if let (_, Some(error)) = peer.take() {
            assert_eq!(error.code, ErrorCode::ENHANCE_YOUR_CALM, "{error}");
            return number + 1;
        }
    }
    panic!("still calm after {limit} rounds");
}

fn id_of(round: u32) -> u32 {
    2 * round + 1
}

mod resets {
    use super::*;

    #[test]
    fn an_upload_that_is_cut_off_may_go_by_settings_that_are_not_acknowledged_yet() {
        let mut peer = ScriptedPeer::silent(Config::default());
        peer.send_raw(PREFACE);
        peer.settings(&[]);
        peer.post(1);
        peer.hear();
        let key = peer.key(1);
        peer.connection.reset(key, ErrorCode::NO_ERROR);
        // Our first SETTINGS allow 256 KiB; the client has them, and has not heard of the reset.
        peer.settings_ack();
        for _ in 0..16 {
            peer.data(1, 0, &[0; 16_384]);
        }
        peer.hear();
        let rounds = rounds_until_calm(&mut peer, 10, |peer, _| peer.data(1, 0, &[0; 16_384]));
        assert_eq!(rounds, 5, "64 KiB more are borne");
    }

    #[test]
    fn rapid_reset_ends_the_connection() {
        let mut peer = ScriptedPeer::server();
        let rounds = rounds_until_calm(&mut peer, 1000, |peer, round| {
            peer.get(id_of(round));
            peer.rst_stream(id_of(round), ErrorCode::CANCEL);
        });
        assert_eq!(rounds, 451);
    }

    #[test]
    fn four_hundred_requests_that_are_aborted_in_the_write_that_makes_them_are_innocent() {
        let mut peer = ScriptedPeer::server();
        for round in 0..400 {
            peer.get(id_of(round));
            peer.rst_stream(id_of(round), ErrorCode::CANCEL);
        }
        peer.hear();
        peer.sent();
        peer.get(id_of(400));
        assert_eq!(peer.hear().len(), 1);
    }

    #[test]
    fn resets_that_wait_for_the_response_to_begin_end_it_later() {
        let mut peer = ScriptedPeer::server();
        let rounds = rounds_until_calm(&mut peer, 1000, |peer, round| {
            peer.get(id_of(round));
            peer.hear();
            let key = peer.key(id_of(round));
            let head: Fields = [(":status", "200")].into_iter().collect();
            peer.connection
                .send_headers(key, head.iter(), false)
                .unwrap();
            peer.sent();
            peer.rst_stream(id_of(round), ErrorCode::CANCEL);
        });
        assert_eq!(rounds, 151);
    }

    #[test]
    fn leaving_a_page_with_a_hundred_images_under_way_is_innocent() {
        let mut peer = ScriptedPeer::server();
        for visit in 0..50 {
            let begin = visit * 150;
            // Half a page comes, then the reader goes on.
            for round in begin..begin + 100 {
                peer.get(id_of(round));
                peer.hear();
            }
            peer.sent();
            for round in begin..begin + 50 {
                peer.answer(id_of(round));
            }
            for round in begin + 50..begin + 100 {
                peer.rst_stream(id_of(round), ErrorCode::CANCEL);
            }
            peer.hear();
            peer.sent();
        }
        let begin = 50 * 150;
        (begin..begin + 100).for_each(|round| peer.get(id_of(round)));
        peer.hear();
        peer.sent();
        (begin..begin + 100).for_each(|round| peer.rst_stream(id_of(round), ErrorCode::CANCEL));
        peer.hear();
    }

    #[test]
    fn turning_pages_on_a_slow_link_is_innocent() {
        let mut peer = ScriptedPeer::server();
        for page in 0..500 {
            let begin = page * 101;
            // The page comes; the images are asked for, and left before one of them has come.
            peer.get(id_of(begin));
            peer.hear();
            peer.answer(id_of(begin));
            (begin + 1..begin + 101).for_each(|round| peer.get(id_of(round)));
            peer.hear();
            peer.sent();
            for round in begin + 1..begin + 101 {
                peer.rst_stream(id_of(round), ErrorCode::CANCEL);
                peer.hear();
            }
        }
    }

    #[test]
    fn whole_windows_of_requests_that_are_reset_end_it_too() {
        let mut peer = ScriptedPeer::server();
        let rounds = rounds_until_calm(&mut peer, 1000, |peer, round| {
            let begin = round * 100;
            (begin..begin + 100).for_each(|round| peer.get(id_of(round)));
            peer.hear();
            peer.sent();
            for round in begin..begin + 100 {
                peer.rst_stream(id_of(round), ErrorCode::CANCEL);
            }
        });
        assert_eq!(rounds, 151);
    }

    #[test]
    fn seeking_in_a_film_is_innocent() {
        let mut peer = ScriptedPeer::server();
        for round in 0..1000 {
            peer.get(id_of(round));
            peer.hear();
            let key = peer.key(id_of(round));
            let head: Fields = [(":status", "206")].into_iter().collect();
            peer.connection
                .send_headers(key, head.iter(), false)
                .unwrap();
            peer.connection.set_ready(key, Some(1 << 30));
            peer.drain();
            peer.sent();
            peer.window_update(0, 65_535);
            peer.rst_stream(id_of(round), ErrorCode::CANCEL);
            peer.hear();
        }
    }

    #[test]
    fn stream_errors_that_the_peer_provokes_are_counted() {
        type Provocation = fn(&mut ScriptedPeer, u32);
        let provocations: [Provocation; 6] = [
            |peer, id| peer.window_update(id, 0),
            |peer, id| peer.window_update(id, 0x7fff_ffff),
            |peer, id| peer.headers(id, 0, &[("x", "y")]),
            |peer, id| peer.data(id, flag::END_STREAM, b"test"),
            |peer, id| peer.send(FrameType::PRIORITY, 0, id, b"sixsix"),
            |peer, id| {
                peer.send(
                    FrameType::PRIORITY,
                    0,
                    id,
                    &[&id.to_be_bytes()[..], b"w"].concat(),
                )
            },
        ];
        for provoke in provocations {
            let mut peer = ScriptedPeer::server();
            let rounds = rounds_until_calm(&mut peer, 1000, |peer, round| {
                peer.get(id_of(round));
                provoke(peer, id_of(round));
            });
            assert_eq!(rounds, 101);
        }
    }

    #[test]
    fn malformed_requests_are_counted() {
        let mut peer = ScriptedPeer::server();
        let rounds = rounds_until_calm(&mut peer, 1000, |peer, round| {
            peer.headers(id_of(round), flag::END_STREAM, &[("x", "y")]);
        });
        assert_eq!(rounds, 101);
    }

    #[test]
    fn streams_beyond_the_limit_are_counted() {
        let mut peer = ScriptedPeer::server();
        let rounds = rounds_until_calm(&mut peer, 2000, |peer, round| peer.get(id_of(round)));
        assert_eq!(rounds, 100 + 1001);
    }

    #[test]
    fn a_page_and_its_leaving_that_come_in_one_breath_are_innocent() {
        // Nothing was read in between, as while output waits.
        let mut peer = ScriptedPeer::server();
        for page in 0..40 {
            let images = page * 100..page * 100 + 100;
            images.clone().for_each(|round| peer.get(id_of(round)));
            images.for_each(|round| peer.rst_stream(id_of(round), ErrorCode::CANCEL));
            peer.hear();
            peer.sent();
        }
    }

    #[test]
    fn requests_that_overtake_the_resets_of_a_page_that_was_left_are_innocent() {
        let mut peer = ScriptedPeer::server();
        for page in 0..200 {
            let begin = page * 151;
            peer.get(id_of(begin));
            peer.hear();
            peer.answer(id_of(begin));
            (begin + 1..begin + 151).for_each(|round| peer.get(id_of(round)));
            peer.hear();
            for round in begin + 1..begin + 101 {
                peer.rst_stream(id_of(round), ErrorCode::CANCEL);
                peer.hear();
            }
            peer.sent();
        }
    }

    #[test]
    fn a_client_that_cannot_know_the_limit_yet_is_refused_and_may_go_on() {
        let mut peer = ScriptedPeer::silent(Config::default());
        peer.send_raw(PREFACE);
        peer.settings(&[]);
        for round in 0..600 {
            peer.get(id_of(round));
        }
        let heard = peer.hear();
        let is_refusal = |event: &&Heard| event.0.contains("RequestRejected");
        assert_eq!(heard.iter().filter(is_refusal).count(), 500);
        assert_eq!(heard.len(), 601);
        let refused = peer
            .sent()
            .iter()
            .filter(|sent| sent.kind == FrameType::RST_STREAM)
            .count();
        assert_eq!(refused, 500);
        (0..100).for_each(|round| peer.answer(id_of(round)));
        peer.settings_ack();
        peer.get(id_of(600));
        assert_eq!(peer.hear().len(), 2);
        let mut peer = ScriptedPeer::silent(Config::default());
        peer.send_raw(PREFACE);
        peer.settings(&[]);
        let rounds = rounds_until_calm(&mut peer, 2000, |peer, round| peer.get(id_of(round)));
        assert_eq!(rounds, 100 + 1001);
    }
}

mod floods {
    use super::*;

    #[test]
    fn pings_faster_than_anybody_measures() {
        let mut peer = ScriptedPeer::server();
        let ping = |peer: &mut ScriptedPeer, _| peer.send(FrameType::PING, 0, 0, b"12345678");
        assert_eq!(rounds_until_calm(&mut peer, 1000, ping), 201);
        let mut peer = ScriptedPeer::server();
        for _ in 0..1000 {
            ping(&mut peer, 0);
            peer.hear();
            peer.sent();
            peer.wait(Duration::from_millis(6));
        }
    }

    #[test]
    fn settings_and_their_entries() {
        let mut peer = ScriptedPeer::server();
        let settings = |peer: &mut ScriptedPeer, _| peer.settings(&[]);
        // The one of the handshake was within the same second.
        assert_eq!(rounds_until_calm(&mut peer, 1000, settings), 50);
        let mut peer = ScriptedPeer::server();
        for _ in 0..500 {
            peer.settings(&[]);
            peer.hear();
            peer.sent();
            peer.wait(Duration::from_millis(25));
        }
        let mut peer = ScriptedPeer::server();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 1); 32]);
        peer.hear();
        peer.settings(&[(id::INITIAL_WINDOW_SIZE, 1); 33]);
        peer.expect_connection_error(ErrorCode::ENHANCE_YOUR_CALM);
    }

    #[test]
    fn empty_and_one_byte_data() {
        for data in [&b""[..], b"x"] {
            let mut peer = ScriptedPeer::server();
            peer.post(1);
            let rounds = rounds_until_calm(&mut peer, 1000, |peer, _| peer.data(1, 0, data));
            assert_eq!(rounds, 101);
        }
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        let padded = |peer: &mut ScriptedPeer, _| {
            peer.data(1, flag::PADDED, &[&[200][..], &[0; 200]].concat())
        };
        assert_eq!(rounds_until_calm(&mut peer, 1000, padded), 101);
        // Between useful ones they are a habit of some clients.
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        for _ in 0..1000 {
            peer.data(1, 0, b"useful");
            peer.data(1, 0, b"");
            peer.hear();
        }
    }

    #[test]
    fn continuations() {
        let mut peer = ScriptedPeer::server();
        let block = peer.block(&[("x", "y")]);
        peer.send(FrameType::HEADERS, 0, 1, &block);
        for _ in 0..7 {
            peer.send(FrameType::CONTINUATION, 0, 1, b"");
        }
        peer.hear();
        peer.send(FrameType::CONTINUATION, 0, 1, b"");
        peer.expect_connection_error(ErrorCode::ENHANCE_YOUR_CALM);
        let mut peer = ScriptedPeer::server();
        peer.send(FrameType::HEADERS, 0, 1, &[0; 16_384]);
        for _ in 0..3 {
            peer.send(FrameType::CONTINUATION, 0, 1, &[0; 16_384]);
        }
        peer.hear();
        peer.send(FrameType::CONTINUATION, 0, 1, &[0; 1]);
        peer.expect_connection_error(ErrorCode::ENHANCE_YOUR_CALM);
    }

    #[test]
    fn frames_that_mean_nothing() {
        type Flood = fn(&mut ScriptedPeer, u32);
        let floods: [Flood; 3] = [
            |peer, round| peer.send(FrameType(round as u8 | 0x80), 0, 0, &[0; 1000]),
            |peer, round| peer.send(FrameType::PRIORITY, 0, id_of(round), &[0; 5]),
            |peer, round| {
                let payload = [&id_of(round).to_be_bytes()[..], b"u=1"].concat();
                peer.send(FrameType::PRIORITY_UPDATE, 0, 0, &payload);
            },
        ];
        for flood in floods {
            let mut peer = ScriptedPeer::server();
            rounds_until_calm(&mut peer, 10_000, flood);
            // Requests between them make it a conversation.
            let mut peer = ScriptedPeer::server();
            for round in 0..1000 {
                flood(&mut peer, round);
                peer.get(id_of(round));
                peer.hear();
                peer.answer(id_of(round));
                peer.sent();
            }
        }
    }

    #[test]
    fn responses_between_frames_that_mean_nothing_make_it_a_conversation() {
        let flood = |peer: &mut ScriptedPeer| peer.send(FrameType(0x80), 0, 0, &[0; 1000]);
        let mut peer = ScriptedPeer::of_client(Config::default());
        rounds_until_calm(&mut peer, 100, |peer, _| flood(peer));
        let mut peer = ScriptedPeer::of_client(Config::default());
        for round in 0..1000 {
            peer.ask("GET");
            flood(&mut peer);
            peer.headers(id_of(round), flag::END_STREAM, &[(":status", "200")]);
            assert_eq!(peer.hear().len(), 1);
            peer.sent();
        }
    }

    #[test]
    fn frames_on_streams_that_we_reset() {
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.hear();
        let key = peer.key(1);
        peer.connection.reset(key, ErrorCode::CANCEL);
        // What the window allowed may have been on its way.
        for _ in 0..16 {
            peer.data(1, 0, &[0; 16_384]);
        }
        peer.hear();
        let rounds = rounds_until_calm(&mut peer, 1000, |peer, _| {
            peer.data(1, 0, &[0; 16_384]);
            peer.sent();
        });
        assert_eq!(rounds, 5, "64 KiB more");
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.hear();
        let key = peer.key(1);
        peer.connection.reset(key, ErrorCode::CANCEL);
        let late =
            |peer: &mut ScriptedPeer, _| peer.headers(1, 0, &[("x-late", "trailers are late")]);
        rounds_until_calm(&mut peer, 100_000, late);
    }

    #[test]
    fn requests_after_the_end() {
        let mut peer = ScriptedPeer::server();
        peer.connection.shutdown(peer.now);
        peer.connection.shutdown(peer.now);
        rounds_until_calm(&mut peer, 10_000, |peer, round| peer.get(id_of(round)));
    }
}

mod field_sections {
    use super::*;

    #[test]
    fn a_section_past_the_limit_is_told_so_that_it_is_answered() {
        let mut peer = ScriptedPeer::server();
        let value = "x".repeat(16_200);
        let request = request("GET", "/");
        peer.headers(
            1,
            flag::END_STREAM,
            &[&request[..], &[("x", &value)]].concat(),
        );
        let crumb = [("cookie", "a=b")];
        peer.headers(3, 0, &[&request[..], &crumb.repeat(1_001)].concat());
        let heard = peer.hear();
        assert_eq!(heard.len(), 2);
        assert!(heard[0].0.starts_with("HeadersTooLarge"), "{heard:?}");
        assert!(heard[1].0.contains("end_stream: false"), "{heard:?}");
        peer.answer(1);
        peer.headers(
            5,
            flag::END_STREAM,
            &[&request[..], &crumb.repeat(1_000)].concat(),
        );
        assert!(peer.hear()[0].0.starts_with("request 5"));
    }

    #[test]
    fn a_section_far_past_the_limit_ends_the_connection() {
        let mut peer = ScriptedPeer::server();
        // An entry of 4,000 bytes, then the newest entry of the dynamic table again and again.
        let entry = [&b"\x40\x01x\x7f\xa1\x1e"[..], &[b'x'; 4_000]].concat();
        let block = [&entry[..], &[0xbe; 12_000]].concat();
        peer.send(
            FrameType::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            1,
            &block,
        );
        peer.expect_connection_error(ErrorCode::ENHANCE_YOUR_CALM);
    }

    #[test]
    fn trailers_and_responses_past_the_limit_are_errors_of_their_stream() {
        let value = "x".repeat(16_000);
        let large = [("x", value.as_str()), ("y", "z".repeat(500).leak())];
        let mut peer = ScriptedPeer::server();
        peer.post(1);
        peer.headers(1, flag::END_STREAM, &large);
        peer.expect_stream_error(1, ErrorCode::ENHANCE_YOUR_CALM);
        let mut peer = ScriptedPeer::of_client(Config::default());
        peer.ask("GET");
        peer.headers(
            1,
            flag::END_STREAM,
            &[&[(":status", "200")], &large[..]].concat(),
        );
        peer.expect_stream_error(1, ErrorCode::ENHANCE_YOUR_CALM);
    }
}
