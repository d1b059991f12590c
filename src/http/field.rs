//! Header and trailer fields (RFC 9110 §5) in one arena.
//!
//! A field section of any number of fields is two allocations: one holds the bytes of all names and
//! values, the other the places where each begins and ends. Clearing keeps both, so a section that is
//! used for one message after another stops allocating.

use std::fmt;

/// One field line: a name and a value, both as bytes (RFC 9110 §5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field<'a> {
    /// The name. It is lowercase in everything that this crate produces.
    pub name: &'a [u8],
    /// The value without surrounding whitespace.
    pub value: &'a [u8],
    /// True if the value must never enter a compression context (RFC 7541 §7.1.3).
    pub sensitive: bool,
}

impl<'a> Field<'a> {
    /// A field that may be compressed freely.
    pub const fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Field {
            name,
            value,
            sensitive: false,
        }
    }

    /// A field that no compression context may remember (RFC 7541 §7.1.3).
    pub const fn sensitive(name: &'a [u8], value: &'a [u8]) -> Self {
        Field {
            name,
            value,
            sensitive: true,
        }
    }
}

/// A name and its value side by side. Tables keep them so, because both are then copied in one go.
#[derive(Clone, Copy)]
pub(crate) struct Joined<'a> {
    /// The name and, behind it, the value.
    pub bytes: &'a [u8],
    /// Length of the name: the value begins there.
    pub name_len: usize,
}

impl<'a> Joined<'a> {
    /// The name.
    #[inline]
    pub const fn name(&self) -> &'a [u8] {
        self.bytes.split_at(self.name_len).0
    }

    /// The value.
    #[inline]
    pub const fn value(&self) -> &'a [u8] {
        self.bytes.split_at(self.name_len).1
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}",
            self.name.escape_ascii(),
            self.value.escape_ascii()
        )
    }
}

/// The pseudo-header fields of RFC 9113 §8.3 and RFC 8441 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Pseudo {
    /// `:method`
    Method,
    /// `:scheme`
    Scheme,
    /// `:authority`
    Authority,
    /// `:path`
    Path,
    /// `:protocol` (RFC 8441 §4)
    Protocol,
    /// `:status`
    Status,
}

impl Pseudo {
    const COUNT: usize = 6;

    /// The pseudo-header field of this name, if there is one.
    pub fn from_name(name: &[u8]) -> Option<Pseudo> {
        Some(match name {
            b":method" => Pseudo::Method,
            b":scheme" => Pseudo::Scheme,
            b":authority" => Pseudo::Authority,
            b":path" => Pseudo::Path,
            b":protocol" => Pseudo::Protocol,
            b":status" => Pseudo::Status,
            _ => return None,
        })
    }
}

/// Place of one field in the arena. The value follows its name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FieldSpan {
    start: u32,
    value_start: u32,
    end: u32,
    sensitive: bool,
}

impl FieldSpan {
    /// The field in its arena.
    #[inline]
    fn field<'a>(&self, bytes: &'a [u8]) -> Field<'a> {
        let both = &bytes[self.start as usize..self.end as usize];
        let (name, value) = both.split_at(self.name_len());
        Field {
            name,
            value,
            sensitive: self.sensitive,
        }
    }

    #[inline]
    fn name_len(&self) -> usize {
        (self.value_start - self.start) as usize
    }
}

/// A field section: an ordered list of fields, pseudo-header fields first.
///
/// Heads of HTTP/1.1 are translated into pseudo-header fields as well, so `fields.path()` is the target
/// of a request of either version.
#[derive(Clone, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    spans: Vec<FieldSpan>,
    /// Position of each pseudo-header field in `spans`, plus one; zero is absent.
    pseudo: [u16; Pseudo::COUNT],
}

impl Fields {
    /// Bytes that RFC 7541 §4.1 and RFC 9113 §6.5.2 add to a field's length for its bookkeeping.
    pub const OVERHEAD: usize = 32;

    /// An empty section. Making it allocates nothing.
    pub const fn new() -> Self {
        Fields {
            bytes: Vec::new(),
            spans: Vec::new(),
            pseudo: [0; Pseudo::COUNT],
        }
    }

    /// An empty section with room for so many fields of so many bytes in all.
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        Fields {
            bytes: Vec::with_capacity(bytes),
            spans: Vec::with_capacity(fields),
            ..Fields::new()
        }
    }

    /// The section of a request, with the four pseudo-header fields that nearly all have (RFC 9113 §8.3.1). Others go
    /// behind them by [`push`](Self::push).
    pub fn request(method: &str, scheme: &str, authority: &str, path: &str) -> Self {
        let pairs = [
            (":method", method),
            (":scheme", scheme),
            (":authority", authority),
            (":path", path),
        ];
        pairs.into_iter().collect()
    }

    /// Bytes of memory behind it.
    pub(crate) fn heap(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<FieldSpan>()
    }

    /// Forgets all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.pseudo = [0; Pseudo::COUNT];
    }

    /// Appends a field that may be compressed freely.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_field(Field::new(name, value));
    }

    /// Appends a field. [`Fields::pseudo`] finds the first field of each pseudo-header name.
    pub fn push_field(&mut self, field: Field<'_>) {
        let start = self.bytes.len();
        self.bytes.reserve(field.name.len() + field.value.len());
        self.bytes.extend_from_slice(field.name);
        self.bytes.extend_from_slice(field.value);
        self.end_field(start, field.name.len(), field.sensitive);
    }

    /// Appends a field of HTTP/1.1 with its name in lowercase, as HTTP/2 sends it (RFC 9113 §8.2.1) and as
    /// names are compared everywhere.
    pub(crate) fn push_lowercase(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.reserve(name.len() + value.len());
        self.bytes.extend_from_slice(name);
        make_lowercase(&mut self.bytes[start..]);
        self.bytes.extend_from_slice(value);
        self.end_field(start, name.len(), false);
    }

    /// An empty section with room for the fields of another one, and for so many more of so many bytes in all.
    #[cfg(feature = "server")]
    pub(crate) fn with_room_of(other: &Fields, fields: usize, bytes: usize) -> Self {
        Fields::with_capacity(other.spans.len() + fields, other.bytes.len() + bytes)
    }

    /// Forgets all fields, and makes room as [`Fields::with_room_of`] does.
    #[cfg(feature = "proxy")]
    pub(crate) fn make_room_of(&mut self, other: &Fields, fields: usize, bytes: usize) {
        self.clear();
        self.bytes.reserve(other.bytes.len() + bytes);
        self.spans.reserve(other.spans.len() + fields);
    }

    /// Takes the fields of another section in place of its own, with room for so many more of so many bytes in all.
    #[cfg(feature = "proxy")]
    pub(crate) fn copy_with_room(&mut self, other: &Fields, fields: usize, bytes: usize) {
        self.make_room_of(other, fields, bytes);
        self.copy_from(other);
    }

    /// Drops pseudo-header fields, and others that are not wanted. Their bytes stay in the arena, which is no longer
    /// than it was.
    #[cfg(feature = "proxy")]
    pub(crate) fn retain_regular(&mut self, mut is_wanted: impl FnMut(Field<'_>) -> bool) {
        let Fields {
            bytes,
            spans,
            pseudo,
        } = self;
        *pseudo = [0; Pseudo::COUNT];
        spans.retain(|span| {
            let field = span.field(bytes);
            field.name.first() != Some(&b':') && is_wanted(field)
        });
    }

    /// Appends a field whose value is these parts behind each other.
    #[cfg(feature = "proxy")]
    pub(crate) fn push_parts(&mut self, name: &[u8], parts: &[&[u8]]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.end_field(start, name.len(), false);
    }

    /// Appends a field whose name and value lie side by side.
    #[inline]
    pub(crate) fn push_joined(&mut self, field: Joined<'_>, sensitive: bool) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(field.bytes);
        self.end_field(start, field.name_len, sensitive);
    }

    /// Makes one field of the bytes that were appended since `start`.
    #[inline(always)]
    fn end_field(&mut self, start: usize, name_len: usize, sensitive: bool) {
        if self.bytes.get(start) == Some(&b':') {
            self.note_pseudo(start, name_len);
        }
        self.spans.push(FieldSpan {
            start: start as u32,
            value_start: (start + name_len) as u32,
            end: self.bytes.len() as u32,
            sensitive,
        });
    }

    /// Remembers the next span as a pseudo-header field, if its name is one and no earlier field has
    /// that name.
    fn note_pseudo(&mut self, start: usize, name_len: usize) {
        let Some(pseudo) = Pseudo::from_name(&self.bytes[start..start + name_len]) else {
            return;
        };
        let slot = &mut self.pseudo[pseudo as usize];
        if *slot == 0 {
            *slot = u16::try_from(self.spans.len() + 1).unwrap_or(0);
        }
    }

    /// Takes the fields of another section in place of its own, and keeps the memory.
    pub(crate) fn copy_from(&mut self, other: &Fields) {
        self.clear();
        self.bytes.extend_from_slice(&other.bytes);
        self.spans.extend_from_slice(&other.spans);
        self.pseudo = other.pseudo;
    }

    /// True if another section has these very fields, which is told without a look at each of them.
    #[cfg(feature = "server")]
    pub(crate) fn is_copy_of(&self, other: &Fields) -> bool {
        self.bytes == other.bytes && self.spans == other.spans
    }

    /// Appends all fields of another section that has no pseudo-header field, in one piece.
    #[cfg(feature = "proxy")]
    pub(crate) fn append_regular(&mut self, other: &Fields) {
        debug_assert!(other.regular().count() == other.len());
        let shift = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&other.bytes);
        self.spans.extend(other.spans.iter().map(|span| FieldSpan {
            start: span.start + shift,
            value_start: span.value_start + shift,
            end: span.end + shift,
            sensitive: span.sensitive,
        }));
    }

    /// Appends all fields of another section.
    pub fn extend_from(&mut self, other: &Fields) {
        other.iter().for_each(|field| self.push_field(field));
    }

    /// The number of fields, pseudo-header fields included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if the section has no field, pseudo-header fields included.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The uncompressed size as RFC 9113 §6.5.2 counts it: names, values, and 32 bytes a field.
    pub fn size(&self) -> usize {
        let lengths = self.spans.iter().map(|span| span.end - span.start);
        lengths.map(|len| len as usize + Self::OVERHEAD).sum()
    }

    /// All fields in order, pseudo-header fields included.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Field<'_>> + ExactSizeIterator + Clone {
        self.spans.iter().map(|span| self.field(span))
    }

    /// All fields in order, without pseudo-header fields.
    pub fn regular(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.iter()
            .filter(|field| field.name.first() != Some(&b':'))
    }

    /// All fields behind the pseudo-header fields at the beginning.
    #[cfg(feature = "server")]
    pub(crate) fn behind_pseudo(&self) -> impl Iterator<Item = Field<'_>> {
        let is_pseudo = |span: &&FieldSpan| self.bytes.get(span.start as usize) == Some(&b':');
        let count = self.spans.iter().take_while(is_pseudo).count();
        let behind = self.spans.get(count..).unwrap_or_default();
        behind.iter().map(|span| self.field(span))
    }

    /// The value of the first field of a lowercase name.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The values of all fields of a lowercase name, in order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        // Most names differ in their length, for which no byte is looked at.
        let spans = self.spans.iter();
        spans
            .filter(move |span| span.name_len() == name.len())
            .map(|span| self.field(span))
            .filter(move |field| field.name == name.as_bytes())
            .map(|field| field.value)
    }

    /// The value of a pseudo-header field.
    pub fn pseudo(&self, pseudo: Pseudo) -> Option<&[u8]> {
        let position = usize::from(self.pseudo[pseudo as usize]).checked_sub(1)?;
        self.spans.get(position).map(|span| self.field(span).value)
    }

    /// `:method`
    pub fn method(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Method)
    }

    /// `:path`: path and query
    pub fn path(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Path)
    }

    /// `:authority`, or `host` where `:authority` is absent (RFC 9113 §8.3.1)
    pub fn authority(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Authority)
            .or_else(|| self.value("host"))
    }

    /// `:scheme`
    pub fn scheme(&self) -> Option<&[u8]> {
        self.pseudo(Pseudo::Scheme)
    }

    /// `:status` as a number from 100 to 999 (RFC 9110 §15)
    pub fn status(&self) -> Option<u16> {
        match self.pseudo(Pseudo::Status)? {
            [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
            }
            _ => None,
        }
    }

    fn field(&self, span: &FieldSpan) -> Field<'_> {
        span.field(&self.bytes)
    }
}

/// As [`<[u8]>::make_ascii_lowercase`], which is made for longer text than a name.
fn make_lowercase(name: &mut [u8]) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let lowercase = |word: &mut [u8; 8]| {
        let bytes = u64::from_ne_bytes(*word);
        // No addition carries into the next byte.
        let low = bytes & (ONES * 0x7f);
        let from_a = low + ONES * u64::from(0x80 - b'A');
        let beyond_z = low + ONES * u64::from(0x7f - b'Z');
        let capital = (from_a ^ beyond_z) & !bytes & (ONES * 0x80);
        *word = (bytes | capital >> 2).to_ne_bytes();
    };
    let (words, rest) = name.as_chunks_mut::<8>();
    words.iter_mut().for_each(lowercase);
    if rest.is_empty() {
        return;
    }
    match name.last_chunk_mut::<8>() {
        // Those of its bytes that were changed before stay as they are.
        Some(word) => lowercase(word),
        None => name.iter_mut().for_each(|byte| byte.make_ascii_lowercase()),
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut fields = Fields::new();
        for (name, value) in pairs {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }
}

#[cfg(test)]
mod tests;
