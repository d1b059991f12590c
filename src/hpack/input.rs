//! A block as it is read, from its front.

use super::error::DecodeError;

/// The bytes of a block that are not read yet.
pub(super) struct BlockInput<'a>(pub(super) &'a [u8]);

impl<'a> BlockInput<'a> {
    /// Takes one byte.
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.0.split_first().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(byte)
    }

    /// Takes `len` bytes.
    #[inline]
    pub(super) fn bytes(&mut self, len: u32) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len as usize)
            .ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }
}
