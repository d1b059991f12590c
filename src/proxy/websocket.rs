//! Tunnels of clients of HTTP/2, which ask for them by CONNECT with `:protocol` (RFC 8441): to an upstream of HTTP/2
//! the request goes on as it is, to one of HTTP/1.1 WebSocket becomes an upgrade.
//!
//! For an upgrade the upstream gets a key of the proxy's own, because over HTTP/2 a client has none, and its
//! answer to that key is checked (RFC 6455 §4.1): a server that knows nothing of WebSocket cannot open a tunnel by chance.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scheme::UpstreamVersion;
use crate::exchange::{Failure, Head, Request};
use crate::http::{Fields, Method, Pseudo};

#[cfg(feature = "aws-lc")]
use aws_lc_rs::{digest, rand};
#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
use ring::{digest, rand};

use rand::SecureRandom;

/// The text that a server puts behind the key before it hashes both (RFC 6455 §1.3).
const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The key of an offer: 16 random bytes (RFC 6455 §4.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct WebSocketKey([u8; 16]);

/// The way in which a tunnel is asked for at an upstream.
#[derive(Clone, Copy, Debug)]
pub(super) enum TunnelOffer {
    /// By an upgrade of HTTP/1.1 to WebSocket.
    Upgrade(WebSocketKey),
    /// By CONNECT over HTTP/2, whatever the protocol.
    Connect,
}

impl TunnelOffer {
    /// The offer for a request that wants a tunnel; none for another request. A tunnel that an upstream of this
    /// version cannot have is a failure.
    pub(super) fn of(
        request: &Request<'_>,
        version: UpstreamVersion,
    ) -> Result<Option<Self>, Failure> {
        if request.method != Method::Connect {
            return Ok(None);
        }
        let Some(protocol) = request.fields.pseudo(Pseudo::Protocol) else {
            return Err(Failure::new(
                501,
                "CONNECT without a protocol has no upstream",
            ));
        };
        if version == UpstreamVersion::Http2 {
            return Ok(Some(TunnelOffer::Connect));
        }
        if !protocol.eq_ignore_ascii_case(b"websocket") {
            let reason = "over HTTP/1.1 only WebSocket can be tunnelled";
            return Err(Failure::new(501, reason));
        }
        WebSocketKey::new().map(|key| Some(TunnelOffer::Upgrade(key)))
    }

    /// True if a response opens the tunnel, false if it refuses to. One that does neither is a failure.
    pub(super) fn is_opened(self, head: &Fields) -> Result<bool, Failure> {
        match self {
            TunnelOffer::Upgrade(key) => key.is_opened(head),
            TunnelOffer::Connect => Ok(matches!(head.status(), Some(200..300))),
        }
    }
}

impl WebSocketKey {
    fn new() -> Result<Self, Failure> {
        let mut key = [0; 16];
        match rand::SystemRandom::new().fill(&mut key) {
            Ok(()) => Ok(WebSocketKey(key)),
            Err(_) => Err(Failure::new(503, "the system gives no random numbers")),
        }
    }

    /// The key as the upstream gets it.
    pub(super) fn text(self) -> String {
        STANDARD.encode(self.0)
    }

    /// True if the head of a response answers this key.
    fn is_answered(self, head: &Fields) -> bool {
        let both = [self.text().as_bytes(), SUFFIX].concat();
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &both);
        let wanted = STANDARD.encode(hash.as_ref());
        head.value("sec-websocket-accept") == Some(wanted.as_bytes())
    }

    /// True if a response opens the tunnel, false if it refuses to. One that does neither is a failure: 200 alone
    /// would open a tunnel for the client that its upstream knows nothing of.
    fn is_opened(self, head: &Fields) -> Result<bool, Failure> {
        match head.status() {
            Some(101) if self.is_answered(head) => Ok(true),
            Some(101 | 200..300) | None => {
                let reason = "the upstream does not answer as WebSocket does";
                Err(Failure::upstream(502, reason))
            }
            Some(_) => Ok(false),
        }
    }
}

/// The head that opens a tunnel over HTTP/2 (RFC 8441 §5), of the one that opens it at the upstream.
pub(super) fn tunnel_head(opened: &Head) -> Head {
    let mut fields = Fields::new();
    let kept = opened.fields.iter();
    // A tunnel has no length, whatever the head says (RFC 9110 §9.3.6).
    let is_own = |name: &[u8]| matches!(name, b"sec-websocket-accept" | b"content-length");
    let kept = kept.filter(|field| !is_own(field.name));
    kept.for_each(|field| fields.push_field(field));
    Head {
        status: match opened.status {
            101 => 200,
            status => status,
        },
        fields: Rc::new(fields),
        len: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_answered_by_its_own_hash_alone() {
        // RFC 6455 §1.3
        let key = WebSocketKey(*b"the sample nonce");
        assert_eq!(key.text(), "dGhlIHNhbXBsZSBub25jZQ==");
        let head = |status, accept| -> Fields {
            let fields = [(":status", status), ("sec-websocket-accept", accept)];
            fields.into_iter().collect()
        };
        let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert!(key.is_opened(&head("101", right)).unwrap());
        assert!(!key.is_opened(&head("403", "")).unwrap());
        for (status, accept) in [
            ("101", ""),
            ("101", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo"),
            ("200", right),
        ] {
            let failure = key.is_opened(&head(status, accept)).unwrap_err();
            assert_eq!(failure.status(), 502, "{status} {accept}");
        }
    }
}
