//! Everything on its way from the peer: the decoder of its field blocks, a block whose end has not come
//! yet, and the connection's window for its DATA.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use super::repeated::{DecodedHead, LONGEST, RepeatedHead};
use super::snapshot::TableSnapshot;
use crate::h2::clock::Tick;
use crate::h2::error::{ConnectionError, ErrorCode};
use crate::h2::field_section::{RequestFacts, ResponseFacts};
use crate::h2::flow::{DEFAULT_WINDOW, Exceeded, Overflow, ReceiveWindow};
use crate::h2::frame::decode::Rfc7540Priority;
use crate::h2::frame::text::Blocks;
use crate::h2::settings::Role;
use crate::hpack::{DecodeError, DecodeLimits, Decoded, Decoder, INITIAL_TABLE_SIZE};
use crate::http::field::Fields;

/// The stage that the peer has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerPhase {
    /// Its preface is being compared; `matched` bytes were right.
    Preface { matched: u8 },
    /// Its first frame has to be SETTINGS (RFC 9113 §3.4).
    Settings,
    /// Frames come.
    Open,
    /// Nothing is taken any more.
    Closed,
}

/// The frame that begins a field block, but for the block itself.
#[derive(Clone, Copy)]
pub(super) struct BlockHead {
    pub(super) stream_id: u32,
    pub(super) kind: BlockKind,
}

/// The two frames that begin a field block.
#[derive(Clone, Copy)]
pub(super) enum BlockKind {
    Headers {
        end_stream: bool,
        rfc7540: Option<Rfc7540Priority>,
    },
    PushPromise {
        promised: u32,
    },
}

/// A field block whose end has not come yet.
pub(super) struct Block {
    pub(super) head: BlockHead,
    pub(super) bytes: Vec<u8>,
    continuations: u32,
    deadline: Option<Tick>,
}

impl Block {
    /// A block that begins with this fragment, and has to be complete by `deadline`.
    pub(super) fn new(head: BlockHead, fragment: &[u8], deadline: Option<Tick>) -> Self {
        Block {
            head,
            bytes: fragment.to_vec(),
            continuations: 0,
            deadline,
        }
    }

    /// Counts a CONTINUATION frame; gives their number (CVE-2024-27316).
    pub(super) fn count_continuation(&mut self) -> u32 {
        self.continuations = self.continuations.saturating_add(1);
        self.continuations
    }

    /// Appends a fragment. The buffer grows by no more than came, since what is held counts; that is
    /// at most eight times.
    pub(super) fn append(&mut self, fragment: &[u8]) {
        self.bytes.reserve_exact(fragment.len());
        self.bytes.extend_from_slice(fragment);
    }
}

/// Blocks that later ones follow, or may repeat.
#[derive(Default)]
struct KeptBlocks {
    /// A field block whose end has not come yet (RFC 9113 §4.3).
    begun: Option<Block>,
    /// Server: the last request.
    request: RepeatedHead<RequestFacts>,
    /// Client: the last response.
    response: Option<Box<RepeatedHead<ResponseFacts>>>,
}

impl KeptBlocks {
    /// Forgets the heads that later ones may repeat.
    fn forget_heads(&mut self) {
        self.request.forget();
        self.response = None;
    }
}

/// The receiving side of a connection.
pub(super) struct Inbound {
    decoder: Decoder,
    /// Blocks that are kept; none for a connection that has been idle for a while.
    kept: Option<Box<KeptBlocks>>,
    window: ReceiveWindow,
    /// Number of input batches fully parsed; see [`Stream::born`](crate::h2::stream::Stream::born).
    batches: u16,
    phase: PeerPhase,
}

impl Inbound {
    /// The receiving side of a connection of ours in this role.
    pub(super) fn new(role: Role) -> Self {
        Inbound {
            decoder: Decoder::new(INITIAL_TABLE_SIZE as usize),
            kept: None,
            window: ReceiveWindow::new(DEFAULT_WINDOW),
            batches: 0,
            phase: match role {
                Role::Server => PeerPhase::Preface { matched: 0 },
                Role::Client => PeerPhase::Settings,
            },
        }
    }

    /// The stage that the peer has reached.
    #[inline]
    pub(super) fn phase(&self) -> PeerPhase {
        self.phase
    }

    /// The peer has reached another stage.
    pub(super) fn enter(&mut self, phase: PeerPhase) {
        self.phase = phase;
    }

    /// Number of input batches fully parsed.
    pub(super) fn batches(&self) -> u16 {
        self.batches
    }

    /// No whole frame is left of the input.
    pub(super) fn end_batch(&mut self) {
        self.batches = self.batches.wrapping_add(1);
    }

    /// Gives back memory that the next block allocates again.
    pub(super) fn trim(&mut self) {
        self.decoder.trim();
        self.forget_blocks();
    }

    /// Gives back all memory that is not needed until the next block.
    pub(super) fn shrink(&mut self) {
        self.decoder.shrink();
        self.forget_blocks();
    }

    /// Forgets the last heads, because a table that was packed counts its changes anew.
    fn forget_blocks(&mut self) {
        match &mut self.kept {
            Some(kept) if kept.begun.is_some() => kept.forget_heads(),
            _ => self.kept = None,
        }
    }

    /// Bytes that are allocated for the decoder's table.
    pub(super) fn table_heap(&self) -> usize {
        self.decoder.heap()
    }

    /// Bytes that are allocated for blocks that are kept.
    pub(super) fn block_heap(&self) -> usize {
        let Some(kept) = &self.kept else {
            return 0;
        };
        let begun = kept.begun.as_ref();
        let begun = begun.map_or(0, |block| block.bytes.capacity());
        let response = kept.response.as_deref();
        let response = response.map_or(0, |head| size_of_val(head).saturating_add(head.heap()));
        size_of::<KeptBlocks>()
            .saturating_add(begun)
            .saturating_add(kept.request.heap())
            .saturating_add(response)
    }

    fn begun(&self) -> Option<&Block> {
        self.kept.as_deref()?.begun.as_ref()
    }
}

/// # Field blocks
impl Inbound {
    /// The stream of the field block whose end has not come yet.
    pub(super) fn continued(&self) -> Option<u32> {
        self.begun().map(|block| block.head.stream_id)
    }

    /// The time by which that block has to be complete.
    pub(super) fn block_deadline(&self) -> Option<Tick> {
        self.begun().and_then(|block| block.deadline)
    }

    /// Gives that block until `deadline` instead.
    pub(super) fn extend_block(&mut self, deadline: Option<Tick>) {
        let kept = self.kept.as_deref_mut();
        if let Some(block) = kept.and_then(|kept| kept.begun.as_mut()) {
            block.deadline = deadline;
        }
    }

    /// Keeps a block until its next frame.
    pub(super) fn keep_block(&mut self, block: Block) {
        self.kept.get_or_insert_default().begun = Some(block);
    }

    /// Takes the block that was kept.
    pub(super) fn take_block(&mut self) -> Option<Block> {
        self.kept.as_deref_mut()?.begun.take()
    }

    /// Decodes the whole block of a request into `fields`, unless it repeats the one before it.
    pub(super) fn decode_request(
        &mut self,
        block: &[u8],
        fields: &mut Fields,
        limits: &DecodeLimits,
    ) -> Result<DecodedHead<RequestFacts>, ConnectionError> {
        self.decode_head(block, fields, limits, |kept| &mut kept.request)
    }

    /// Decodes the whole block of a response into `fields`, unless it repeats the one before it.
    pub(super) fn decode_response(
        &mut self,
        block: &[u8],
        fields: &mut Fields,
        limits: &DecodeLimits,
    ) -> Result<DecodedHead<ResponseFacts>, ConnectionError> {
        self.decode_head(block, fields, limits, |kept| {
            kept.response.get_or_insert_default()
        })
    }

    /// Decodes a block, or finds it to be that of the `last` head.
    fn decode_head<F: Copy>(
        &mut self,
        block: &[u8],
        fields: &mut Fields,
        limits: &DecodeLimits,
        last: impl Fn(&mut KeptBlocks) -> &mut RepeatedHead<F>,
    ) -> Result<DecodedHead<F>, ConnectionError> {
        let before = self.decoder.table_changes();
        if let Some(kept) = &mut self.kept
            && let Some(facts) = last(kept).repeat(block, before, fields)
        {
            return Ok(DecodedHead::Repeated(facts));
        }
        let decoded = self.decode(block, fields, limits)?;
        // The first heads of a connection make entries, and nothing is kept of them.
        if block.len() <= LONGEST && self.decoder.table_changes() == before {
            last(self.kept.get_or_insert_default()).note(block, before);
        } else if let Some(kept) = &mut self.kept {
            last(kept).forget();
        }
        Ok(DecodedHead::New(decoded))
    }

    /// True if this block is that of the request before it, which says nothing that has to be waited for.
    pub(super) fn repeats(&self, block: &[u8]) -> bool {
        let table = self.decoder.table_changes();
        let kept = self.kept.as_deref();
        kept.is_some_and(|kept| kept.begun.is_none() && kept.request.is_again(block, table))
    }

    /// The request whose block was decoded last has these fields, which say this.
    pub(super) fn learn_request(&mut self, fields: &Fields, facts: RequestFacts) {
        if let Some(kept) = &mut self.kept {
            kept.request.learn(fields, facts);
        }
    }

    /// The response whose block was decoded last has these fields, which say this.
    pub(super) fn learn_response(&mut self, fields: &Fields, facts: ResponseFacts) {
        let kept = self.kept.as_deref_mut();
        if let Some(response) = kept.and_then(|kept| kept.response.as_mut()) {
            response.learn(fields, facts);
        }
    }

    /// Decodes a whole block into `fields`, which are emptied first.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        fields: &mut Fields,
        limits: &DecodeLimits,
    ) -> Result<Decoded, ConnectionError> {
        fields.clear();
        self.decoder.decode(block, fields, limits).map_err(|error| {
            let code = match error {
                DecodeError::ListTooLarge => ErrorCode::ENHANCE_YOUR_CALM,
                _ => ErrorCode::COMPRESSION_ERROR,
            };
            ConnectionError::new(code, reason_of(error))
        })
    }

    /// The peer has acknowledged SETTINGS: blocks may be decoded by other limits from now on.
    pub(super) fn change_limits(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.forget_heads();
        }
    }

    /// The peer has acknowledged another SETTINGS_HEADER_TABLE_SIZE.
    pub(super) fn set_max_table_size(&mut self, size: u32) {
        self.decoder.set_max_table_size(size as usize);
    }
}

fn reason_of(error: DecodeError) -> &'static str {
    match error {
        DecodeError::InvalidIndex => "invalid index into a header table",
        DecodeError::IntegerOverflow => "integer too large in a field block",
        DecodeError::Huffman => "invalid Huffman code",
        DecodeError::Truncated => "field block ends within a field",
        DecodeError::TableSizeExceeded => "dynamic table size beyond its limit",
        DecodeError::TableSizeMisplaced => "dynamic table size update out of place",
        DecodeError::TableSizeMissing => "dynamic table size update missing",
        DecodeError::ListTooLarge => "field section far too large",
    }
}

/// # The connection's window
impl Inbound {
    /// DATA that the peer may send now on all streams together.
    pub(super) fn window(&self) -> u32 {
        self.window.available()
    }

    /// The window as it is, debts included.
    pub(super) fn window_value(&self) -> i32 {
        self.window.value()
    }

    /// A decoder of the blocks that come from now on, for an observer. `announced` is the largest table that was ever
    /// announced.
    pub(super) fn blocks(&self, announced: u32) -> Blocks {
        let mut decoder = self.decoder.clone();
        decoder.set_max_table_size(announced.max(INITIAL_TABLE_SIZE) as usize);
        let begun = self.begun().map(|block| &block.bytes[..]);
        Blocks::resumed(decoder, begun.unwrap_or_default())
    }

    /// The decoder's table.
    pub(super) fn table(&self) -> TableSnapshot {
        let (size, max_size) = self.decoder.table_size();
        TableSnapshot {
            size,
            max_size,
            entries: self.decoder.table_entries(),
        }
    }

    /// DATA that came and that no user has released yet.
    pub(super) fn held(&self) -> u32 {
        self.window.held()
    }

    /// A DATA frame came, padding included.
    pub(super) fn receive(&mut self, len: u32) -> Result<(), Exceeded> {
        self.window.receive(len)
    }

    /// Bytes of DATA were used up.
    pub(super) fn release(&mut self, len: u32) {
        self.window.release(len);
    }

    /// The increment of the WINDOW_UPDATE that is due now, if one is; it counts as sent.
    pub(super) fn poll_update(&mut self) -> Option<u32> {
        self.window.poll_update()
    }

    /// Makes the window larger for good; a WINDOW_UPDATE of this increment has to follow.
    pub(super) fn grow(&mut self, increment: u32) -> Result<(), Overflow> {
        self.window.grow(increment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_compared_from_its_third_time_on() {
        let mut inbound = Inbound::new(Role::Client);
        let limits = DecodeLimits {
            list_size: 1_000,
            fields: 10,
            crumbs: 10,
            overrun: 10,
        };
        // An entry of the static table: `:status: 200`.
        let block = [0x88];
        let response = ResponseFacts {
            status: 200,
            content_length: None,
        };
        for is_known in [false, false, true, true] {
            let mut fields = Fields::new();
            let head = inbound.decode_response(&block, &mut fields, &limits);
            match head {
                Ok(DecodedHead::Repeated(found)) => assert!(is_known && found == response),
                Ok(DecodedHead::New(Decoded::Whole)) if !is_known => {
                    inbound.learn_response(&fields, response);
                }
                _ => panic!("it is whole"),
            }
            assert_eq!(fields.status(), Some(200));
        }
    }
}
