//! The handler, and the exchange between a client's request and a call to an upstream.

use std::rc::Rc;
use std::time::Duration;

use super::forwarded::ForwardedFields;
use super::request_head::{UpstreamRule, takes_trailers, upstream_fields, upstream_trailers};
use super::response_head::{TrailerUse, client_head, interim_head};
use super::rule::ProxyRule;
use super::scheme::UpstreamVersion;
use super::websocket::{TunnelOffer, tunnel_head};
use crate::content::Slice;
use crate::exchange::{
    Answer, CallEnd, CallHead, Caller, Desk, Exchange, Failure, Handler, HeadMaker, Part, Repeats,
    Request, Room, Step, Until,
};
use crate::h1::BodyLength;
use crate::http::grammar::decimal;
use crate::http::{Fields, Method};
use crate::world::Files;

/// A handler that forwards requests to an upstream.
pub struct ProxyHandler {
    /// The number of the upstream.
    upstream: usize,
    rule: UpstreamRule,
    maker: HeadMaker,
    /// Fields that the operator adds to every response.
    common: Rc<Fields>,
    /// Fields that tell upstreams about clients.
    forwarded: ForwardedFields,
}

impl ProxyHandler {
    /// A handler for requests of this rule, which are forwarded to the upstream of this number.
    pub fn new(upstream: usize, rule: &ProxyRule, common: Rc<Fields>) -> Self {
        ProxyHandler {
            upstream,
            rule: UpstreamRule {
                scheme: rule.scheme,
                mount: rule.path.clone(),
                replacement: rule.replacement.clone(),
            },
            maker: HeadMaker::default(),
            common,
            forwarded: ForwardedFields::new(),
        }
    }
}

impl<F: Files> Handler<F> for ProxyHandler {
    fn accept(&mut self, request: &Request<'_>, desk: &mut Desk<'_>) -> Answer<F> {
        let version = self.rule.scheme.version();
        let tunnel = TunnelOffer::of(request, version);
        let (stage, tunnel) = match tunnel {
            Err(failure) => (ForwardStage::Refused(failure), None),
            Ok(tunnel) => {
                // What else the head is made of is in the fields, unless the proxy or a balancer says more.
                let is_told_by_fields =
                    tunnel.is_none() && request.id.is_none() && request.told_host.is_none();
                let origin = || {
                    let maker = self.maker.clone();
                    (maker, request.peer, request.scheme, request.version)
                };
                let origin = is_told_by_fields.then(origin);
                let calls = desk.calls();
                let head = calls.request_head(origin, request.fields, |mut fields| {
                    let own = Rc::make_mut(&mut fields);
                    upstream_fields(own, request, &self.rule, tunnel, &mut self.forwarded);
                    call_head(fields, request, tunnel)
                });
                (ForwardStage::New(head), tunnel)
            }
        };
        Answer::Exchange(Box::new(ProxyExchange {
            upstream: self.upstream,
            stage,
            tunnel,
            version,
            trailers: trailer_use(request),
            maker: self.maker.clone(),
            common: self.common.clone(),
        }))
    }
}

/// The head of a request with these fields, as far as its first part does not say that there is no content.
fn call_head(fields: Rc<Fields>, request: &Request<'_>, tunnel: Option<TunnelOffer>) -> CallHead {
    let (length, repeats) = match tunnel {
        Some(TunnelOffer::Upgrade(_)) => (BodyLength::None, Repeats::Allowed),
        Some(TunnelOffer::Connect) => (BodyLength::Unknown, repeats(request)),
        None => {
            let length = request.fields.value("content-length").and_then(decimal);
            let length = length.map_or(BodyLength::Unknown, BodyLength::Known);
            (length, repeats(request))
        }
    };
    CallHead {
        fields,
        length,
        repeats,
    }
}

/// The repetitions that the method allows (RFC 9110 §9.2.2).
fn repeats(request: &Request<'_>) -> Repeats {
    match request.method {
        Method::Get | Method::Head | Method::Options | Method::Put | Method::Delete => {
            Repeats::Allowed
        }
        Method::Other if request.fields.method() == Some(b"TRACE") => Repeats::Allowed,
        Method::Post | Method::Connect | Method::Other | Method::Unknown => Repeats::IfRefused,
    }
}

/// HTTP/2 always has room for trailers. A client of HTTP/1.1 has to ask (RFC 9110 §6.5.1): others could take them for
/// a part of the next response.
fn trailer_use(request: &Request<'_>) -> TrailerUse {
    if request.version == "HTTP/2.0" {
        TrailerUse::Wanted
    } else if takes_trailers(request.fields) {
        TrailerUse::BehindChunks
    } else {
        TrailerUse::Dropped
    }
}

/// A request that is forwarded.
struct ProxyExchange {
    upstream: usize,
    stage: ForwardStage,
    /// The offer of a request of HTTP/2 for a tunnel.
    tunnel: Option<TunnelOffer>,
    version: UpstreamVersion,
    trailers: TrailerUse,
    maker: HeadMaker,
    common: Rc<Fields>,
}

/// The stage of a forwarded request.
enum ForwardStage {
    /// Nothing was sent: the first part of the request tells how long its content is.
    New(CallHead),
    /// The upstream is called.
    Called(Caller, CallStage),
    /// Nothing was sent, nor will be.
    Refused(Failure),
    /// Nothing is wanted any more.
    Over,
}

/// The stage of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CallStage {
    /// The head of the response is awaited.
    Asked,
    /// The head of the response was passed on.
    Answered,
    /// Bytes of another protocol go both ways.
    Tunnel(ClientSide),
    /// The upstream's side of a tunnel has ended, and the client's goes on.
    HalfTunnel,
}

/// The client's side of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientSide {
    Open,
    Ended,
}

impl ForwardStage {
    /// The call, once there is one.
    fn called(&self) -> Option<&Caller> {
        match self {
            ForwardStage::Called(caller, _) => Some(caller),
            ForwardStage::New(_) | ForwardStage::Refused(_) | ForwardStage::Over => None,
        }
    }
}

/// The end of a request's content, as far as its first part tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstPart {
    /// There is no content.
    End,
    /// There is content, or may be.
    Other,
}

impl ProxyExchange {
    /// Begins the call if it has not begun.
    fn begin(&mut self, first: FirstPart, desk: &mut Desk<'_>) {
        if let ForwardStage::New(_) = &self.stage
            && let ForwardStage::New(mut head) =
                std::mem::replace(&mut self.stage, ForwardStage::Over)
        {
            if first == FirstPart::End {
                head.length = BodyLength::None;
            }
            let caller = desk.call(self.upstream, head);
            self.stage = ForwardStage::Called(caller, CallStage::Asked);
        }
    }

    /// The call, which begins now if it has not.
    fn caller(&mut self, first: FirstPart, desk: &mut Desk<'_>) -> Option<&Caller> {
        self.begin(first, desk);
        self.stage.called()
    }

    /// The client sends no more.
    fn end(&mut self, desk: &mut Desk<'_>) {
        match (&mut self.stage, self.tunnel) {
            (ForwardStage::Called(caller, CallStage::Tunnel(side)), _) => {
                caller.finish_content();
                *side = ClientSide::Ended;
            }
            (ForwardStage::Called(caller, CallStage::HalfTunnel), _) => {
                // The connection sends what is left without it.
                caller.finish_content();
                self.stage = ForwardStage::Over;
            }
            (ForwardStage::New(_) | ForwardStage::Called(_, CallStage::Asked), Some(_)) => {
                let reason = "the client has closed the tunnel before it was open";
                self.stage = ForwardStage::Refused(Failure::new(400, reason));
            }
            _ => {
                if let Some(caller) = self.caller(FirstPart::End, desk) {
                    caller.finish_content();
                }
            }
        }
    }
}

impl<F: Files> Exchange<F> for ProxyExchange {
    fn receive(&mut self, part: Part<'_>, desk: &mut Desk<'_>) {
        match part {
            Part::Data(data) => {
                if let Some(caller) = self.caller(FirstPart::Other, desk) {
                    caller.add_content(data);
                }
            }
            Part::Trailers(_) if self.tunnel.is_some() => {}
            Part::Trailers(fields) => match self.version {
                // Few upstreams take trailers of a request, and some take them for fields of the head.
                UpstreamVersion::Http1 => {}
                UpstreamVersion::Http2 => {
                    if let Some(trailers) = upstream_trailers(fields)
                        && let Some(caller) = self.caller(FirstPart::Other, desk)
                    {
                        caller.add_trailers(trailers);
                    }
                }
            },
            Part::End => self.end(desk),
            Part::Gone => self.stage = ForwardStage::Over,
        }
    }

    fn is_forwarded(&self) -> bool {
        true
    }

    fn upstream_time(&self) -> Option<Duration> {
        self.stage.called().and_then(Caller::response_time)
    }

    fn held(&self) -> usize {
        self.stage.called().map_or(0, Caller::held)
    }

    fn is_tunnel(&self) -> bool {
        match &self.stage {
            ForwardStage::Called(_, CallStage::Tunnel(_)) => true,
            ForwardStage::Called(caller, CallStage::HalfTunnel) => !caller.is_over(),
            _ => false,
        }
    }

    fn poll(&mut self, room: &mut Room<'_, F>, desk: &mut Desk<'_>) -> Result<Step<F>, Failure> {
        self.begin(FirstPart::Other, desk);
        let ForwardStage::Called(caller, stage) = &mut self.stage else {
            return match std::mem::replace(&mut self.stage, ForwardStage::Over) {
                ForwardStage::Refused(failure) => Err(failure),
                _ => Ok(Step::End(None)),
            };
        };
        if *stage == CallStage::Asked {
            if let Some(head) = caller.take_interim().as_ref().and_then(interim_head) {
                return Ok(Step::Informational(head));
            }
            if let Some(fields) = caller.take_head() {
                let opened = self.tunnel.map(|offer| offer.is_opened(&fields));
                let opened = opened.transpose()? == Some(true);
                let head = desk.calls().response_head(&self.maker, fields, |fields| {
                    client_head(fields, &self.common, self.trailers, self.version)
                });
                let is_switch = head.status == 101;
                *stage = if is_switch || opened {
                    CallStage::Tunnel(ClientSide::Open)
                } else {
                    CallStage::Answered
                };
                let is_only = self.trailers == TrailerUse::Wanted && caller.ends_here();
                return Ok(if opened {
                    Step::Head(tunnel_head(&head))
                } else if is_switch {
                    Step::Switch(head)
                } else if is_only && head.len.is_none() {
                    Step::Only(head)
                } else {
                    Step::Head(head)
                });
            }
        } else {
            let mut seen = 0;
            let taken = caller.take_reply(|front, back| {
                seen = front.len() + back.len();
                let written = room.write(front);
                if written < front.len() {
                    written
                } else {
                    written + room.write(back)
                }
            });
            let is_written = taken > 0 || (seen > 0 && room.left() == 0);
            // The last content goes out with the end.
            if is_written && !(*stage == CallStage::Answered && caller.ends_here()) {
                return Ok(Step::Written);
            }
        }
        match caller.take_end() {
            Some(CallEnd::Complete(trailers)) => {
                if *stage == CallStage::Tunnel(ClientSide::Open) {
                    *stage = CallStage::HalfTunnel;
                } else {
                    self.stage = ForwardStage::Over;
                }
                let wanted = self.trailers != TrailerUse::Dropped;
                Ok(Step::End(trailers.filter(|_| wanted)))
            }
            Some(CallEnd::Failed(failure)) => {
                self.stage = ForwardStage::Over;
                Err(failure)
            }
            None => Ok(Step::Wait(Until::Woken)),
        }
    }

    fn take_slice(&mut self, most: u64) -> Option<Slice<F>> {
        match &self.stage {
            ForwardStage::Called(caller, CallStage::Answered) => {
                caller.take_lent(most).map(Slice::Lent)
            }
            _ => None,
        }
    }

    /// A tunnel has no end in itself.
    fn content_limit(&self) -> Option<u64> {
        self.tunnel.map(|_| u64::MAX)
    }

    /// The upstream's connection has deadlines of its own, each with its reason.
    fn head_timeout(&self) -> Option<Duration> {
        Some(Duration::MAX)
    }

    /// As for the head.
    fn idle_timeout(&self) -> Option<Duration> {
        Some(Duration::MAX)
    }
}
