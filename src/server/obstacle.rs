//! Obstacles of responses: the reason for which one cannot go on, for the panel and for metrics.

use crate::exchange::{ActiveRequest, Waits};
use crate::world::Files;

/// The reason for which a response cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The peer has used the window of the stream up, or left too little of it for a frame.
    StreamWindow,
    /// The peer has used the window of the connection up.
    ConnectionWindow,
    /// The socket takes no more.
    Socket,
    /// A disk has to bring content.
    Disk,
    /// A handler has nothing to say yet.
    Handler,
    /// An upstream has nothing to say yet.
    Upstream,
    /// The request's own content has to come.
    Request,
}

impl Obstacle {
    /// All of them.
    const ALL: [Obstacle; 7] = [
        Obstacle::StreamWindow,
        Obstacle::ConnectionWindow,
        Obstacle::Socket,
        Obstacle::Disk,
        Obstacle::Handler,
        Obstacle::Upstream,
        Obstacle::Request,
    ];

    /// The name for those who look.
    pub(super) fn name(self) -> &'static str {
        match self {
            Obstacle::StreamWindow => "stream-window",
            Obstacle::ConnectionWindow => "connection-window",
            Obstacle::Socket => "socket",
            Obstacle::Disk => "disk",
            Obstacle::Handler => "handler",
            Obstacle::Upstream => "upstream",
            Obstacle::Request => "request",
        }
    }

    /// The obstacle that a response has by itself, whatever its protocol allows.
    pub(super) fn of<F: Files>(active: &ActiveRequest<F>) -> Option<Obstacle> {
        match active.wait() {
            Waits::Not => None,
            Waits::Content => Some(Obstacle::Disk),
            Waits::Exchange if !active.waits_for_exchange() => Some(Obstacle::Request),
            Waits::Exchange if active.is_forwarded() => Some(Obstacle::Upstream),
            Waits::Exchange => Some(Obstacle::Handler),
        }
    }
}

/// Number of responses by their obstacles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ObstacleCounts([u32; Obstacle::ALL.len()]);

impl ObstacleCounts {
    /// Counts a response, if it has an obstacle.
    pub(super) fn add(&mut self, obstacle: Option<Obstacle>) {
        let count = obstacle.and_then(|obstacle| self.0.get_mut(obstacle as usize));
        if let Some(count) = count {
            *count += 1;
        }
    }

    /// Adds the responses of another connection.
    pub(super) fn add_all(&mut self, others: ObstacleCounts) {
        for (count, other) in self.0.iter_mut().zip(others.0) {
            *count += other;
        }
    }

    /// Each obstacle with the number of its responses.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Obstacle, u32)> {
        Obstacle::ALL.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_obstacle_has_a_count_of_its_own() {
        let mut counts = ObstacleCounts::default();
        for (index, obstacle) in Obstacle::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| counts.add(Some(obstacle)));
        }
        counts.add(None);
        let mut twice = counts;
        twice.add_all(counts);
        for (index, (obstacle, count)) in twice.iter().enumerate() {
            assert_eq!(obstacle, Obstacle::ALL[index]);
            assert_eq!(count as usize, 2 * (index + 1));
        }
    }
}
