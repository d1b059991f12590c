//! Flow-control windows (RFC 9113 §5.2, §6.9): the only place with window arithmetic.
//!
//! ```text
//!  sending                         receiving
//!  Window                          ReceiveWindow
//!  |<- what we may still send ->|  |<- window: peer may send ->|<- held ->|<- owed ->|
//!                                  |<------------------- size ---------------------->|
//! ```
//!
//! Received bytes are *held* until their user releases them, then *owed* until a WINDOW_UPDATE gives them
//! back. Nothing is announced for every frame: only when half of what could be announced is owed.
//!
//! Windows may be negative: SETTINGS_INITIAL_WINDOW_SIZE can shrink below what was already sent
//! (§6.9.2).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// The largest window (RFC 9113 §6.9.1).
pub const MAX_WINDOW: u32 = (1 << 31) - 1;

/// The initial size of every window (RFC 9113 §6.9.2).
pub const DEFAULT_WINDOW: u32 = 65_535;

/// The smallest share of the whole window that is worth a WINDOW_UPDATE while its user holds most of
/// it: an eighth, so that a slow user does not cause one for every byte that it releases.
const LEAST_SHARE: i64 = 8;

/// A window passed [`MAX_WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// More bytes came than the window allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded;

/// The bytes that a change of SETTINGS_INITIAL_WINDOW_SIZE adds to every window (§6.9.2).
pub fn difference(before: u32, after: u32) -> i64 {
    i64::from(after).saturating_sub(before.into())
}

/// Number of bytes that may still be sent in one direction; may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(i32);

impl Window {
    /// A window of this size, at most [`MAX_WINDOW`].
    pub fn new(size: u32) -> Self {
        Window(i32::try_from(size).unwrap_or(i32::MAX))
    }

    /// The bytes that may be sent now.
    pub fn available(self) -> u32 {
        self.0.max(0).unsigned_abs()
    }

    /// The window as it is, debts included.
    pub fn value(self) -> i32 {
        self.0
    }

    /// WINDOW_UPDATE.
    pub fn widen(&mut self, increment: u32) -> Result<(), Overflow> {
        self.adjust(i64::from(increment))
    }

    /// A change of SETTINGS_INITIAL_WINDOW_SIZE: the difference applies to every stream (§6.9.2).
    pub fn adjust(&mut self, difference: i64) -> Result<(), Overflow> {
        let value = i64::from(self.0).saturating_add(difference);
        // Downwards, two differences cannot add up to more than -2 * MAX_WINDOW; a window deeper in
        // debt than i32 can say has no effect that differs from the lowest value.
        self.0 = i32::try_from(value.max(i64::from(i32::MIN))).map_err(|_| Overflow)?;
        Ok(())
    }

    /// Bytes go over the wire.
    pub fn consume(&mut self, len: u32) -> Result<(), Exceeded> {
        // Both numbers have 32 bits, so nothing wraps.
        let left = i64::from(self.0).wrapping_sub(i64::from(len));
        // A frame without bytes is allowed whatever the window is.
        if left < 0 && len > 0 {
            return Err(Exceeded);
        }
        self.0 = left as i32;
        Ok(())
    }
}

/// Bytes of a window of this size of which less than so many may be held while the peer can still send.
/// Half: what is owed of the rest is given back before it is half of that.
pub fn most_held(size: u32) -> u32 {
    size.div_ceil(2)
}

/// The bytes that we let the peer send, and those that it sent and that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveWindow {
    window: Window,
    /// Received and not released yet.
    held: u32,
    /// The window that the peer sees when nothing is held.
    size: u32,
}

impl ReceiveWindow {
    /// A window of which nothing is used.
    pub fn new(size: u32) -> Self {
        let size = size.min(MAX_WINDOW);
        ReceiveWindow {
            window: Window::new(size),
            held: 0,
            size,
        }
    }

    /// Bytes that the peer may send now.
    pub fn available(&self) -> u32 {
        self.window.available()
    }

    /// The window as the peer sees it, debts included.
    pub fn value(&self) -> i32 {
        self.window.value()
    }

    /// Bytes received and not released.
    pub fn held(&self) -> u32 {
        self.held
    }

    /// True if the peer may send a good part of the window, whatever is still owed to it: its user holds
    /// less than half.
    pub fn is_open(&self) -> bool {
        self.held < most_held(self.size)
    }

    /// A DATA frame came, padding included (§6.1).
    pub fn receive(&mut self, len: u32) -> Result<(), Exceeded> {
        self.window.consume(len)?;
        self.held = self.held.saturating_add(len);
        Ok(())
    }

    /// Gives up to `len` held bytes back; returns how many there were.
    pub fn release(&mut self, len: u32) -> u32 {
        let len = len.min(self.held);
        self.held = self.held.saturating_sub(len);
        len
    }

    /// The increment of the WINDOW_UPDATE that is due now, if one is; it counts as sent.
    pub fn poll_update(&mut self) -> Option<u32> {
        let size = i64::from(self.size);
        let held = i64::from(self.held);
        let wanted = size.saturating_sub(held);
        let owed = wanted.saturating_sub(self.window.value().into());
        let is_little = owed.saturating_mul(2) < wanted || owed.saturating_mul(LEAST_SHARE) < size;
        if owed <= 0 || is_little {
            return None;
        }
        // A debt makes more owed than a frame can carry; what is left follows with the next one.
        let increment = owed.min(i64::from(MAX_WINDOW)) as u32;
        self.window.widen(increment).ok()?;
        Some(increment)
    }

    /// Our SETTINGS_INITIAL_WINDOW_SIZE changed, and the peer knows (§6.9.2).
    pub fn adjust(&mut self, difference: i64) -> Result<(), Overflow> {
        self.window.adjust(difference)?;
        let size = i64::from(self.size).saturating_add(difference);
        self.size = size.clamp(0, i64::from(MAX_WINDOW)) as u32;
        Ok(())
    }

    /// Makes the window larger for good; a WINDOW_UPDATE of this increment has to follow.
    pub fn grow(&mut self, increment: u32) -> Result<(), Overflow> {
        self.adjust(i64::from(increment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_be_negative_and_comes_back() {
        let mut window = Window::new(100);
        window.consume(60).unwrap();
        window.adjust(-100).unwrap();
        assert_eq!((window.value(), window.available()), (-60, 0));
        assert_eq!(window.consume(1), Err(Exceeded));
        assert_eq!(window.consume(0), Ok(()));
        window.widen(61).unwrap();
        assert_eq!(window.available(), 1);
    }

    #[test]
    fn a_window_past_its_maximum_is_an_overflow_and_unchanged() {
        let mut window = Window::new(MAX_WINDOW);
        assert_eq!(window.widen(1), Err(Overflow));
        assert_eq!(window.available(), MAX_WINDOW);
    }

    #[test]
    fn an_update_is_due_when_half_is_owed() {
        let mut window = ReceiveWindow::new(1000);
        window.receive(499).unwrap();
        assert_eq!(window.release(499), 499);
        assert_eq!(window.poll_update(), None);
        window.receive(1).unwrap();
        assert_eq!(window.poll_update(), None, "one byte is still held");
        window.release(1);
        assert_eq!(window.poll_update(), Some(500));
        assert_eq!(window.available(), 1000);
        assert_eq!(window.poll_update(), None);
    }

    #[test]
    fn a_user_that_holds_most_of_a_window_still_gets_the_rest() {
        let mut window = ReceiveWindow::new(1000);
        window.receive(1000).unwrap();
        window.release(100);
        assert_eq!(window.poll_update(), None, "under an eighth");
        window.release(100);
        assert_eq!(window.poll_update(), Some(200));
    }

    #[test]
    fn nothing_is_released_twice() {
        let mut window = ReceiveWindow::new(10);
        window.receive(10).unwrap();
        assert_eq!(window.receive(1), Err(Exceeded));
        assert_eq!(window.release(25), 10);
        assert_eq!(window.release(1), 0);
        assert_eq!(window.poll_update(), Some(10));
    }

    #[test]
    fn a_smaller_size_is_paid_off_before_anything_is_announced() {
        let mut window = ReceiveWindow::new(1000);
        window.receive(800).unwrap();
        window.adjust(-900).unwrap();
        assert_eq!(window.window.value(), -700);
        window.release(800);
        assert_eq!(window.poll_update(), Some(800));
        assert_eq!(window.available(), 100);
    }
}
