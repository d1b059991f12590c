//! The record of a request's arrival at an upstream, by which its client's answer is judged.

/// A request that an upstream has seen.
pub struct Delivery {
    /// The connection that it came on.
    pub link: usize,
    /// The name of the upstream's treatment.
    pub play: String,
    /// The part of the answer that the server could have.
    pub given: Given,
    pub claim: Claim,
}

/// The part of a right answer that was sent before anything went wrong on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    Part,
    Whole,
    /// All of it, but it may be lost, or be known by its length alone.
    Unsure,
}

/// The upstream's word about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// None: it may have been acted on.
    None,
    /// Nothing was done with it, so it may be sent again (RFC 9113 §8.7).
    Refused,
}
