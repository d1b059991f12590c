//! Connections that were ready when those before them had used up what a turn of the loop has for them.
//!
//! Each of a crowd of connections may take all that a turn of a connection may, again and again, or be closed for it and
//! come again as a new one. So those that are known to take little do not wait for them.

use crate::exchange::Queue;
use crate::server::slots::Weight;
use crate::world::Token;

/// Connections that are late.
pub(super) struct Late {
    /// Those that took little in their last turns.
    light: Queue<Token>,
    /// Those of which nothing is known yet.
    unknown: Queue<Token>,
}

impl Late {
    pub(super) fn new() -> Self {
        Late {
            light: Queue::new(),
            unknown: Queue::new(),
        }
    }

    /// True if no connection is late.
    pub(super) fn is_empty(&self) -> bool {
        self.light.is_empty() && self.unknown.is_empty()
    }

    /// Puts a connection of this weight behind those that are late before it.
    pub(super) fn push(&mut self, token: Token, weight: Weight) {
        self.of(weight).push_back(token);
    }

    /// Takes the first of those of this weight.
    pub(super) fn pop(&mut self, weight: Weight) -> Option<Token> {
        self.of(weight).pop_front()
    }

    fn of(&mut self, weight: Weight) -> &mut Queue<Token> {
        match weight {
            Weight::Unknown => &mut self.unknown,
            Weight::Light | Weight::Heavy => &mut self.light,
        }
    }
}
