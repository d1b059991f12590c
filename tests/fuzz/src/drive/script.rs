//! Reading a script.

/// The rest of a script. Behind its end all bytes are zero.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(input: &'a [u8]) -> Self {
        Script(input)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// One of the choices.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Up to 255 bytes, with their number in front.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.take(len)
    }

    /// Up to 65,535 bytes, with their number in front.
    pub fn long_bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.short());
        self.take(len)
    }

    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A number of 32 bits, often one at which behaviour changes.
    pub fn number(&mut self) -> u32 {
        const EDGES: [u32; 24] = [
            0,
            1,
            2,
            5,
            32,
            64,
            99,
            100,
            128,
            1_000,
            1_024,
            4_095,
            4_096,
            4_097,
            16_383,
            16_384,
            16_385,
            65_535,
            65_536,
            1 << 20,
            (1 << 24) - 1,
            (1 << 31) - 1,
            1 << 31,
            u32::MAX,
        ];
        match self.byte() {
            choice @ 0..=199 => EDGES[usize::from(choice) % EDGES.len()],
            200..=227 => self.byte().into(),
            228..=250 => self.short().into(),
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }
}
