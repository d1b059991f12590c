//! Answers of the server itself, which no host, no site and no access log sees.

use super::health::Readiness;
use super::services::Services;
use crate::exchange::Response;
use crate::http::{Fields, Method};
use crate::world::Files;

impl<F: Files> Services<F> {
    /// The answer to a health check, if the request is one. Every host and every name that a client may
    /// use has them: a balancer asks by address.
    pub(super) fn check_health(&mut self, request: &Fields) -> Option<Response<F>> {
        let method = Method::from_bytes(request.method()?);
        let is_check =
            matches!(method, Method::Get | Method::Head) && self.health.has(request.path()?);
        is_check.then(|| self.readiness().to(method))
    }

    /// The word on whether more requests are welcome.
    pub(super) fn readiness(&mut self) -> Response<F> {
        let (status, text) = match self.health.readiness() {
            Readiness::Ready => (200, "ok\n"),
            Readiness::Leaving => (503, "stopping\n"),
        };
        self.routes.text(status, text)
    }
}
