//! Health checks: their paths, and the readiness that they ask for.

/// The readiness of the server for more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It serves.
    Ready,
    /// The operator has paused accepting.
    #[cfg(feature = "panel")]
    Paused,
    /// It was told to stop.
    Leaving,
}

/// The paths of health checks, and the answer to them.
pub(super) struct Health {
    paths: Vec<String>,
    readiness: Readiness,
}

impl Health {
    /// Health checks at these paths, of a server that is ready.
    pub(super) fn new(paths: Vec<String>) -> Self {
        Health {
            paths,
            readiness: Readiness::Ready,
        }
    }

    /// True if no path is checked.
    pub(super) fn is_off(&self) -> bool {
        self.paths.is_empty()
    }

    /// Notes that the server was told to stop.
    pub(super) fn leave(&mut self) {
        self.readiness = Readiness::Leaving;
    }

    /// Notes that accepting is paused.
    #[cfg(feature = "panel")]
    pub(super) fn pause(&mut self) {
        if self.readiness == Readiness::Ready {
            self.readiness = Readiness::Paused;
        }
    }

    /// Notes that connections are accepted again.
    #[cfg(feature = "panel")]
    pub(super) fn resume(&mut self) {
        if self.is_paused() {
            self.readiness = Readiness::Ready;
        }
    }

    /// True while accepting is paused.
    #[cfg(feature = "panel")]
    pub(super) fn is_paused(&self) -> bool {
        self.readiness == Readiness::Paused
    }

    /// The readiness for more requests.
    pub(super) fn readiness(&self) -> Readiness {
        self.readiness
    }

    /// True if a request for this target is a health check.
    pub(super) fn has(&self, target: &[u8]) -> bool {
        let path = path_of(target);
        self.paths.iter().any(|checked| checked.as_bytes() == path)
    }
}

/// The path of a request's target, without the query.
pub(super) fn path_of(target: &[u8]) -> &[u8] {
    target.split(|&byte| byte == b'?').next().unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_its_whole_path_whatever_the_query() {
        let health = Health::new(vec!["/healthz".into(), "/up".into()]);
        for target in ["/healthz", "/up", "/up?from=balancer", "/healthz?"] {
            assert!(health.has(target.as_bytes()), "{target}");
        }
        for target in ["/", "/health", "/healthz/", "/healthz/x", "*", "", "?/up"] {
            assert!(!health.has(target.as_bytes()), "{target}");
        }
        assert!(Health::new(Vec::new()).is_off());
    }
}
