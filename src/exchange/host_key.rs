//! The host of a request, as its exchange remembers it.

/// One of the hosts that a server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HostKey {
    /// The default host. It has all requests that are for no other host.
    #[default]
    Default,
    /// Another one, by its number. It keeps that when the hosts are read again.
    Other(u32),
}
