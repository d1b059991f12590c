//! The cost of work on files, in the unit in which all work is counted.

/// Work on files since it was last taken, in bytes that are moved through a socket: 2 KiB of them take
/// some 1.5 µs, and so does a request. Each system call for files is noted here, so that a request for
/// a name costs its connection's turn what it costs the machine, even if it has few bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort(usize);

impl Effort {
    /// Cost of openat2(2), fstat(2), close(2) and their allocations: 1 to 2 µs.
    const OPEN: usize = 2 << 10;

    /// Cost of a byte of a path: the kernel walks it name by name, 20 ns for each byte of short names.
    const PATH_BYTE: usize = 32;

    /// Cost of fstat(2), or of a read of very few bytes: 0.3 µs.
    const CALL: usize = 512;

    /// Number of bytes read and hashed that cost as much as one byte through a socket: 256 KiB take 40
    /// µs, including the pages of fresh memory.
    const READ_BYTES: usize = 4;

    /// Cost of one of several slices of a content, without the calls for its bytes: it is made and copied, 0.4 µs. A
    /// part of `multipart/byteranges` is two, its head and its bytes.
    const SLICE: usize = 512;

    /// Cost of a name in a directory, with its metadata and its line of a page: 2 µs.
    const NAME: usize = 3 << 10;

    /// Notes the opening of a path, successful or not.
    pub fn open(&mut self, path: &[u8]) {
        self.add(Effort::OPEN + path.len() * Effort::PATH_BYTE);
    }

    /// Notes the lookup of a path without an opening.
    pub fn look_up(&mut self, path: &[u8]) {
        self.add(Effort::CALL + path.len() * Effort::PATH_BYTE);
    }

    /// Notes a call for an open file.
    pub fn call(&mut self) {
        self.add(Effort::CALL);
    }

    /// Notes a read of `len` bytes.
    pub fn read(&mut self, len: usize) {
        self.add(Effort::CALL + len / Effort::READ_BYTES);
    }

    /// Notes the look at a directory's next name.
    pub fn name(&mut self) {
        self.add(Effort::NAME);
    }

    /// Notes one of several slices of a content.
    pub fn slice(&mut self) {
        self.add(Effort::SLICE);
    }

    /// Takes the work that was noted.
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
