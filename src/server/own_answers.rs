//! Answers of the server itself, which no host, no site and no access log sees.

use std::rc::Rc;

use super::health::{Readiness, path_of};
use super::services::Services;
use crate::exchange::Response;
use crate::http::{Fields, Method};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::exposition::{Exposition, FamilyKind, TextFormat};
use crate::world::Files;

const PLAIN: &[u8] = b"text/plain; charset=utf-8";

fn fields_of(media_type: &[u8]) -> Fields {
    let mut fields = Fields::new();
    fields.push(b"content-type", media_type);
    fields
}

impl<F: Files> Services<F> {
    /// The answer to a health check, if the request is one. Every host and every name that a client may
    /// use has them: a balancer asks by address.
    pub(super) fn check_health(&mut self, request: &Fields) -> Option<Response<F>> {
        let method = Method::from_bytes(request.method()?);
        let is_check =
            matches!(method, Method::Get | Method::Head) && self.health.has(request.path()?);
        is_check.then(|| self.readiness().to(method))
    }

    /// The answer to a request on a listener for metrics.
    pub(super) fn answer_scraper(&mut self, request: &Fields) -> Response<F> {
        let method = Method::from_bytes(request.method().unwrap_or_default());
        let path = path_of(request.path().unwrap_or_default());
        let response = match (path, method) {
            (b"/metrics" | b"/healthz" | b"/readyz", Method::Get | Method::Head) => match path {
                b"/metrics" => {
                    #[cfg(feature = "panel")]
                    self.begin_counting();
                    self.metrics(request)
                }
                b"/healthz" => self.brief(200, "ok\n"),
                _ => self.readiness(),
            },
            (b"/metrics" | b"/healthz" | b"/readyz", _) => {
                let mut fields = fields_of(PLAIN);
                fields.push(b"allow", b"GET, HEAD");
                let text = Rc::from(&b"only GET and HEAD\n"[..]);
                self.routes.own_answer(405, fields, text)
            }
            _ => self.brief(404, "there are /metrics, /healthz and /readyz\n"),
        };
        response.to(method)
    }

    fn brief(&mut self, status: u16, text: &str) -> Response<F> {
        let text = Rc::from(text.as_bytes());
        self.routes.own_answer(status, fields_of(PLAIN), text)
    }

    /// The word on whether more requests are welcome.
    fn readiness(&mut self) -> Response<F> {
        match self.health.readiness() {
            Readiness::Ready => self.brief(200, "ok\n"),
            #[cfg(feature = "panel")]
            Readiness::Paused => self.brief(503, "paused\n"),
            Readiness::Leaving => self.brief(503, "stopping\n"),
        }
    }

    /// All metrics, in the form that the client prefers.
    fn metrics(&mut self, request: &Fields) -> Response<F> {
        let format = TextFormat::preferred(request.value("accept").unwrap_or_default());
        let text: Rc<[u8]> = Rc::from(self.metrics_text(format).as_bytes());
        let is_held = match &mut self.metrics {
            Some(metrics) => metrics.hold(&text),
            None => false,
        };
        if !is_held {
            return self.brief(503, "too many answers are waiting to be read\n");
        }
        let mut fields = fields_of(format.media_type().as_bytes());
        fields.push(b"vary", b"accept");
        self.routes.own_answer(200, fields, text)
    }

    fn metrics_text(&self, format: TextFormat) -> String {
        let mut text = Exposition::new(format);
        if let Some(metrics) = &self.metrics {
            metrics.write(&mut text);
        }
        if let Some(counts) = self.log.as_ref().and_then(AccessLog::counts) {
            counts.write(&mut text);
        }
        self.traffic.write(&mut text);
        self.disk_waits.write(&mut text);
        self.limit_log.write(&mut text);
        self.routes.write_metrics(&mut text);
        text.single(
            FamilyKind::Gauge,
            "calmd_connections_limit",
            "The most connections at a time.",
            self.limits.max_connections,
        );
        text.single(
            FamilyKind::Gauge,
            "calmd_connections_memory_limit_bytes",
            "The most memory of all connections.",
            self.limits.memory_bytes,
        );
        text.single(
            FamilyKind::Gauge,
            "calmd_ready",
            "1 while more requests are welcome, 0 once the server was told to stop.",
            u64::from(self.health.readiness() == Readiness::Ready),
        );
        text.finish()
    }
}
