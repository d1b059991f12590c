//! HTTP/2 out of an HTTP/1.1 request with `Upgrade: h2c` (RFC 7540 §3.2; RFC 9113 §3.1 removed it, but
//! it is still met).
//!
//! The request becomes stream 1, which its client has already ended. The SETTINGS of the
//! `HTTP2-Settings` field are acknowledged by the 101 response alone. After it both sides begin as
//! they always do. The commands of a client are in `library`, because calmd sends no such request.

use std::sync::Arc;
use std::time::Instant;

use super::Connection;
use crate::h2::config::Config;
use crate::h2::error::ConnectionError;
use crate::h2::field_section::request_kind_of;
use crate::h2::frame::decode;
use crate::h2::store::StreamKey;
use crate::h2::stream::{Passage, Side, StreamState};

/// The stream that the request becomes.
const UPGRADED: u32 = 1;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Connection {
    /// The server's side, once 101 was sent: stream 1 waits for its response. `http2_settings` is the
    /// value of the client's field. An error says that the upgrade has to be refused; nothing else
    /// comes of it.
    pub fn server_upgraded(
        config: Arc<Config>,
        http2_settings: &[u8],
        now: Instant,
    ) -> Result<(Connection, StreamKey), ConnectionError> {
        let invalid = || ConnectionError::protocol("invalid HTTP2-Settings");
        let payload = base64url_decode(http2_settings).ok_or_else(invalid)?;
        let mut connection = Connection::server(config, now);
        connection.apply_remote_settings(decode::settings(&payload)?)?;
        let stream = connection.upgraded_stream(Side::Remote, b"", now);
        Ok((connection, stream.ok_or_else(invalid)?))
    }

    pub(super) fn upgraded_stream(
        &mut self,
        side: Side,
        method: &[u8],
        now: Instant,
    ) -> Option<StreamKey> {
        let request = Passage::Head { end_stream: true };
        let state = StreamState::Idle.pass(side, request).ok()?;
        self.streams.open_request(UPGRADED);
        let mut stream = self.new_stream(UPGRADED, state);
        stream.request_kind = request_kind_of(method);
        self.insert(stream, now)
    }
}

/// RFC 4648 §5 without padding, as RFC 7540 §3.2.1 asks for.
#[expect(
    clippy::indexing_slicing,
    reason = "chunks are of one to three bytes, and digits of six bits"
)]
pub(super) fn base64url_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for position in 0..=chunk.len() {
            let digit = group >> (18 - 6 * position) & 0x3f;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

/// Base64url back to bytes; padding is tolerated.
#[expect(
    clippy::indexing_slicing,
    reason = "chunks are of two to four digits, and a group has four bytes"
)]
fn base64url_decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.chunks(4) {
        if chunk.len() == 1 {
            return None;
        }
        let mut group = 0u32;
        for (position, digit) in chunk.iter().enumerate() {
            let value = ALPHABET.iter().position(|other| other == digit)?;
            group |= (value as u32) << (18 - 6 * position);
        }
        bytes.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_comes_back_at_every_length() {
        let bytes: Vec<u8> = (0..=255).rev().collect();
        for len in 0..bytes.len() {
            let text = base64url_encode(&bytes[..len]);
            assert_eq!(base64url_decode(text.as_bytes()).unwrap(), &bytes[..len]);
        }
        assert_eq!(base64url_encode(&[0xfb, 0xef, 0xff]), "--__");
        assert_eq!(base64url_decode(b"AAMAAABk").unwrap(), [0, 3, 0, 0, 0, 100]);
        assert_eq!(base64url_decode(b"AAM=").unwrap(), [0, 3]);
        assert_eq!(base64url_decode(b"A"), None);
        assert_eq!(base64url_decode(b"AA+A"), None);
    }
}
