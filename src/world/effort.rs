//! What work on files is worth, in the unit in which all work is counted.

/// Work on files since it was last taken, in bytes that are moved through a socket: 2 KiB of them take
/// some 1.5 µs, and so does a request. Whoever calls the system for files notes each call here, so that
/// a request for a name costs its connection's turn what it costs the machine, however few bytes it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort(usize);

impl Effort {
    /// openat2(2), fstat(2), close(2) and what is allocated for them: 1 to 2 µs.
    const OPEN: usize = 2 << 10;

    /// The kernel walks a path name by name, 20 ns for each byte of short names.
    const PATH_BYTE: usize = 32;

    /// fstat(2), or a read of next to nothing: 0.3 µs.
    const CALL: usize = 512;

    /// So many bytes that are read, and hashed, are worth one that goes through a socket: 256 KiB take
    /// 40 µs, the pages of fresh memory among them.
    const READ_BYTES: usize = 4;

    /// A name in a directory, with what it names and its line of a page: 2 µs.
    const NAME: usize = 3 << 10;

    /// A path was looked up, whether or not something was there.
    pub fn open(&mut self, path: &[u8]) {
        self.add(Effort::OPEN + path.len() * Effort::PATH_BYTE);
    }

    /// A path was looked up without being opened.
    pub fn look_up(&mut self, path: &[u8]) {
        self.add(Effort::CALL + path.len() * Effort::PATH_BYTE);
    }

    /// A file that is open was asked for something.
    pub fn call(&mut self) {
        self.add(Effort::CALL);
    }

    /// Bytes were read.
    pub fn read(&mut self, len: usize) {
        self.add(Effort::CALL + len / Effort::READ_BYTES);
    }

    /// A directory's next name was looked at.
    pub fn name(&mut self) {
        self.add(Effort::NAME);
    }

    /// Takes what there is.
    pub fn take(&mut self) -> usize {
        std::mem::take(&mut self.0)
    }

    /// Adds other work.
    pub fn add(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_path_and_much_that_is_read_are_worth_more() {
        let mut effort = Effort::default();
        effort.open(b"a");
        let short = effort.take();
        effort.open(&[b'a'; 4000]);
        assert!(effort.take() > 20 * short);
        effort.read(256 << 10);
        assert!(effort.take() > 20 * short);
        assert_eq!(effort.take(), 0);
    }
}
