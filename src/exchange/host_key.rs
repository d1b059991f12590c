//! The host of a request, as its exchange remembers it.

/// One of the hosts that a server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HostKey {
    /// The default host, which requests for no other one are for.
    #[default]
    Default,
    /// Another one, by its number.
    Other(u32),
}

impl HostKey {
    /// The place among all hosts, the default one first.
    pub(crate) fn number(self) -> u16 {
        match self {
            HostKey::Default => 0,
            HostKey::Other(number) => {
                u16::try_from(number).map_or(u16::MAX, |it| it.saturating_add(1))
            }
        }
    }
}
