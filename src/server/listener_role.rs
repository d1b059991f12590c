//! The role of a listener: what its connections are served.

/// The role of a listener, and of the connections that come by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerRole {
    /// The hosts and their sites.
    #[default]
    Public,
    /// Metrics and health checks, and nothing else.
    Metrics,
    /// The panel, and what a listener for metrics has.
    #[cfg(feature = "panel")]
    Panel,
}
