//! The static Huffman code of string literals (RFC 7541 §5.2, Appendix B).
//!
//! The code is canonical: codes of one length are consecutive, in the order of their symbols, and
//! shorter codes come first. The lengths are therefore the whole of Appendix B; every table here is
//! computed from them at compile time.

#![expect(
    clippy::indexing_slicing,
    reason = "tables cover all that indexes them, and outputs have room for what they get"
)]

use super::error::DecodeError;

/// The length of each symbol's code in bits (Appendix B); the last is EOS.
#[rustfmt::skip]
static LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The shortest code, in bits: what bounds how far a string may expand.
const MIN_LENGTH: usize = 5;
/// The longest code, in bits; EOS has it.
const MAX_LENGTH: usize = 30;
const EOS: usize = 256;

/// Bits looked up at a time. Twelve hold two of the common symbols, and the codes of all printable
/// ones but eleven; the table takes 16 KiB, of which text touches little.
const STEP_BITS: u32 = 12;

/// The meaning of the next [`STEP_BITS`] bits: one or two symbols, or the start of a longer code.
#[derive(Clone, Copy)]
struct DecodeStep {
    symbols: [u8; 2],
    /// Number of `symbols`; zero marks a longer code.
    count: u8,
    /// Bits that the symbols take.
    len: u8,
}

/// The codes of one length.
#[derive(Clone, Copy)]
struct CodeLength {
    /// The first of them.
    first: u32,
    /// Number of them, EOS included.
    count: u32,
    /// Index of their first symbol in [`SORTED`].
    offset: u32,
}

/// The code of each symbol, in the low bits.
static CODES: [u64; EOS] = codes();
static SORTED: [u8; EOS] = sorted();
static BY_LENGTH: [CodeLength; MAX_LENGTH + 1] = by_length();
static STEPS: [DecodeStep; 1 << STEP_BITS] = steps();

const fn by_length() -> [CodeLength; MAX_LENGTH + 1] {
    let mut counts = [0u32; MAX_LENGTH + 1];
    let mut symbol = 0;
    while symbol <= EOS {
        counts[LENGTHS[symbol] as usize] += 1;
        symbol += 1;
    }
    let mut result = [CodeLength {
        first: 0,
        count: 0,
        offset: 0,
    }; MAX_LENGTH + 1];
    let (mut code, mut offset, mut len) = (0, 0, 1);
    while len <= MAX_LENGTH {
        code <<= 1;
        result[len] = CodeLength {
            first: code,
            count: counts[len],
            offset,
        };
        code += counts[len];
        offset += counts[len];
        len += 1;
    }
    // The code is complete: every sequence of bits is a prefix of some string of codes.
    assert!(code == 1 << MAX_LENGTH);
    result
}

const fn codes() -> [u64; EOS] {
    let mut next = by_length();
    let mut result = [0; EOS];
    let mut symbol = 0;
    while symbol < EOS {
        let len = LENGTHS[symbol] as usize;
        result[symbol] = next[len].first as u64;
        next[len].first += 1;
        symbol += 1;
    }
    result
}

const fn sorted() -> [u8; EOS] {
    let mut next = by_length();
    let mut result = [0; EOS];
    let mut symbol = 0;
    while symbol < EOS {
        let len = LENGTHS[symbol] as usize;
        result[next[len].offset as usize] = symbol as u8;
        next[len].offset += 1;
        symbol += 1;
    }
    result
}

/// The symbol whose code begins `window`, of which the `available` highest bits count, if its code
/// is no longer than that.
const fn symbol_within(window: u32, available: u32) -> Option<u8> {
    let mut len = MIN_LENGTH as u32;
    while len <= available {
        let CodeLength {
            first,
            count,
            offset,
        } = BY_LENGTH[len as usize];
        let position = (window >> (32 - len)).wrapping_sub(first);
        if position < count {
            return Some(SORTED[(offset + position) as usize]);
        }
        len += 1;
    }
    None
}

const fn steps() -> [DecodeStep; 1 << STEP_BITS] {
    let mut first = [None; 1 << STEP_BITS];
    let mut index = 0;
    while index < first.len() {
        first[index] = symbol_within((index as u32) << (32 - STEP_BITS), STEP_BITS);
        index += 1;
    }
    let mut result = [DecodeStep {
        symbols: [0; 2],
        count: 0,
        len: 0,
    }; 1 << STEP_BITS];
    let mut index = 0;
    while index < result.len() {
        if let Some(symbol) = first[index] {
            let len = LENGTHS[symbol as usize];
            result[index] = DecodeStep {
                symbols: [symbol, 0],
                count: 1,
                len,
            };
            let rest = (index << len) & ((1 << STEP_BITS) - 1);
            if let Some(second) = first[rest] {
                let both = len + LENGTHS[second as usize];
                if both as u32 <= STEP_BITS {
                    result[index] = DecodeStep {
                        symbols: [symbol, second],
                        count: 2,
                        len: both,
                    };
                }
            }
        }
        index += 1;
    }
    result
}

/// The room that decoding `len` bytes takes: what they stand for at most, and one byte, as a step
/// writes two of which the second may not count.
pub(super) const fn room_for(len: usize) -> usize {
    len.saturating_mul(8) / MIN_LENGTH + 1
}

/// Appends what `input` stands for. EOS within the string, padding of more than seven bits and
/// padding other than the start of EOS are errors (§5.2).
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.resize(start + room_for(input.len()), 0);
    let len = decode_into(input, &mut out[start..])?;
    out.truncate(start + len);
    Ok(())
}

/// Decodes into a buffer that is large enough for any string and gives the length of this one.
fn decode_into(input: &[u8], out: &mut [u8]) -> Result<usize, DecodeError> {
    let mut bits = Bits {
        window: 0,
        available: 0,
        rest: input,
    };
    let mut len = 0;
    loop {
        bits.refill();
        while bits.available >= STEP_BITS {
            let step = &STEPS[(bits.window >> (64 - STEP_BITS)) as usize];
            if step.count == 0 {
                if bits.available < MAX_LENGTH as u32 && !bits.rest.is_empty() {
                    break;
                }
                out[len] = bits.long_symbol()?;
                len += 1;
                continue;
            }
            out[len..len + 2].copy_from_slice(&step.symbols);
            len += usize::from(step.count);
            bits.window <<= step.len;
            bits.available -= u32::from(step.len);
        }
        if bits.rest.is_empty() {
            break;
        }
    }
    while let Some(symbol) = bits.last_symbol()? {
        out[len] = symbol;
        len += 1;
    }
    Ok(len)
}

/// The bits of a string that are not decoded yet.
struct Bits<'a> {
    /// The next ones, highest first.
    window: u64,
    /// Number of bits of `window` that count.
    available: u32,
    rest: &'a [u8],
}

impl Bits<'_> {
    /// Makes 56 bits or more available, or all that are left.
    #[inline]
    fn refill(&mut self) {
        if let Some(chunk) = self.rest.first_chunk::<8>() {
            // Bits beyond those counted are the right ones already, and come again next time.
            self.window |= u64::from_be_bytes(*chunk) >> self.available;
            let bytes = (63 - self.available) / 8;
            self.rest = &self.rest[bytes as usize..];
            self.available += bytes * 8;
            return;
        }
        while self.available <= 56
            && let Some((byte, rest)) = self.rest.split_first()
        {
            self.window |= u64::from(*byte) << (56 - self.available);
            self.available += 8;
            self.rest = rest;
        }
    }

    /// Takes a symbol whose code is longer than a step.
    #[cold]
    fn long_symbol(&mut self) -> Result<u8, DecodeError> {
        let code = (self.window >> 32) as u32;
        for len in STEP_BITS + 1..=MAX_LENGTH as u32 {
            let CodeLength {
                first,
                count,
                offset,
            } = BY_LENGTH[len as usize];
            let position = (code >> (32 - len)).wrapping_sub(first);
            if position < count {
                self.take(len)?;
                // EOS, the last code of all, is beyond the end of the symbols.
                let symbol = SORTED.get((offset + position) as usize);
                return symbol.copied().ok_or(DecodeError::Huffman);
            }
        }
        Err(DecodeError::Huffman)
    }

    /// Takes one of the last symbols, of which less than a step is left, or finds nothing but padding.
    fn last_symbol(&mut self) -> Result<Option<u8>, DecodeError> {
        // Bits beyond the end read as ones: the start of EOS, which is what padding must be.
        let padding = u64::MAX.checked_shr(self.available).unwrap_or(0);
        if self.window | padding == u64::MAX {
            return if self.available < 8 {
                Ok(None)
            } else {
                Err(DecodeError::Huffman)
            };
        }
        let step = &STEPS[((self.window | padding) >> (64 - STEP_BITS)) as usize];
        if step.count == 0 {
            return Err(DecodeError::Huffman);
        }
        let symbol = step.symbols[0];
        self.take(LENGTHS[usize::from(symbol)].into())?;
        Ok(Some(symbol))
    }

    /// Takes the `len` bits of a code, all of which the string must have.
    fn take(&mut self, len: u32) -> Result<(), DecodeError> {
        self.available = self
            .available
            .checked_sub(len)
            .ok_or(DecodeError::Huffman)?;
        self.window <<= len;
        Ok(())
    }
}

/// Bytes that [`encode`] may touch behind a string: it writes a word at a time.
pub(super) const SLACK: usize = 8;

/// Writes `input` encoded to the front of `out`, padded with the start of EOS, and gives its length: at most that of
/// `out` less [`SLACK`]. `None` where it is longer; then `out` has a part of it.
#[inline]
pub(super) fn encode(input: &[u8], out: &mut [u8]) -> Option<usize> {
    let room = out.len();
    let (mut last, mut out) = (LastBits::default(), out);
    // Eight codes of common symbols fit into a word, with the bits that were left before.
    let (groups, mut rest) = input.as_chunks::<8>();
    let mut left = groups.iter();
    while let Some(group) = left.next() {
        let next = group.iter().fold(last, LastBits::with);
        if next.count >= u64::BITS {
            rest = &input[8 * (groups.len() - 1 - left.len())..];
            return encode_rare(last, rest, out, room);
        }
        (last, out) = next.write(out)?;
    }
    let next = rest.iter().fold(last, LastBits::with);
    if next.count >= u64::BITS {
        return encode_rare(last, rest, out, room);
    }
    (last, out) = next.write(out)?;
    last.end(out, room)
}

/// [`encode`] for the rest of a string, symbol by symbol: some have codes of up to thirty bits.
#[cold]
fn encode_rare(mut last: LastBits, rest: &[u8], mut out: &mut [u8], room: usize) -> Option<usize> {
    for symbol in rest {
        (last, out) = last.with(symbol).write(out)?;
    }
    last.end(out, room)
}

/// The bits behind the last whole byte that was written.
#[derive(Clone, Copy, Default)]
struct LastBits {
    /// The low `count` bits; what is above them does not count.
    bits: u64,
    count: u32,
}

impl LastBits {
    /// These bits, and a symbol's code behind them. Those of more than a word are lost.
    #[inline(always)]
    fn with(self, symbol: &u8) -> Self {
        let len = u32::from(LENGTHS[usize::from(*symbol)]);
        LastBits {
            bits: self.bits << len | CODES[usize::from(*symbol)],
            count: self.count + len,
        }
    }

    /// Writes the whole bytes, of which there are fewer than eight, and some bits more that are written again. Gives
    /// those bits, and the rest of the room.
    #[inline(always)]
    fn write(self, out: &mut [u8]) -> Option<(Self, &mut [u8])> {
        let word = self.bits << (self.count.wrapping_neg() % u64::BITS);
        *out.first_chunk_mut::<8>()? = word.to_be_bytes();
        let kept = LastBits {
            count: self.count % 8,
            ..self
        };
        Some((kept, &mut out[(self.count / 8) as usize..]))
    }

    /// Writes the last bits, and those of EOS behind them. Gives the length of all in a room of so many bytes.
    #[inline(always)]
    fn end(self, out: &mut [u8], room: usize) -> Option<usize> {
        let mut len = room - out.len();
        if self.count > 0 {
            *out.first_mut()? = (self.bits << (8 - self.count)) as u8 | u8::MAX >> self.count;
            len += 1;
        }
        (len + SLACK <= room).then_some(len)
    }
}
