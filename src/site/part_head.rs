//! Fields of responses with one range of a file (RFC 9110 §15.3.7.1).

use std::rc::Rc;

use super::multipart::content_range;
use super::present::copy_without;
use super::range::ByteRange;
use crate::http::Fields;

/// The fields of the last response with a range. All who open an archive or a film ask for the same range of it, and a
/// connection sends a head that comes again for the price of a copy.
#[derive(Default)]
pub(super) struct PartHead(Option<Box<KeptHead>>);

struct KeptHead {
    /// The fields of a 200 that those of the response were made from.
    whole: Rc<Fields>,
    range: ByteRange,
    fields: Rc<Fields>,
}

impl PartHead {
    /// The fields of a 206 with a range, made from those of a 200 with all `len` bytes.
    pub(super) fn fields(&mut self, whole: &Rc<Fields>, range: ByteRange, len: u64) -> Rc<Fields> {
        if let Some(kept) = &self.0
            && kept.range == range
            && Rc::ptr_eq(&kept.whole, whole)
        {
            return kept.fields.clone();
        }
        let fields = Rc::new(part_fields(whole, range, len));
        self.0 = Some(Box::new(KeptHead {
            whole: whole.clone(),
            range,
            fields: fields.clone(),
        }));
        fields
    }
}

/// The fields of a 206 with a range, made from those of a 200 with all `len` bytes.
pub(super) fn part_fields(whole: &Fields, range: ByteRange, len: u64) -> Fields {
    let mut fields = copy_without(whole, &[b"content-length"]);
    let part_len = range.end - range.start;
    fields.push(b"content-length", part_len.to_string().as_bytes());
    let content_range = content_range(range, len);
    fields.push(b"content-range", content_range.as_bytes());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_comes_again_has_the_fields_that_were_made_for_it() {
        let file = |len: &str| -> Rc<Fields> {
            let fields = [("etag", "\"x\""), ("content-length", len)];
            Rc::new(fields.into_iter().collect())
        };
        let (first, second) = (file("1000"), file("2000"));
        let mut head = PartHead::default();
        let mut fields = |whole: &Rc<Fields>, start, end, len| {
            let fields = head.fields(whole, ByteRange { start, end }, len);
            let expected: Fields = [
                ("etag", "\"x\""),
                ("content-length", &(end - start).to_string()),
                ("content-range", &format!("bytes {start}-{}/{len}", end - 1)),
            ]
            .into_iter()
            .collect();
            assert_eq!(*fields, expected);
            fields
        };
        let seen = fields(&first, 0, 10, 1_000);
        assert!(Rc::ptr_eq(&seen, &fields(&first, 0, 10, 1_000)));
        assert!(!Rc::ptr_eq(&seen, &fields(&first, 0, 11, 1_000)));
        fields(&first, 1, 11, 1_000);
        fields(&second, 1, 11, 2_000);
        fields(&first, 0, 10, 1_000);
    }
}
