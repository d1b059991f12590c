//! The content coding that a request prefers (RFC 9110 §12.5.3).

/// The content coding of a file: none, or that of a sidecar beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Coding {
    /// The file itself.
    Identity,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstandard,
    /// `.br`
    Brotli,
}

impl Coding {
    /// The codings of sidecars. At equal weight the later is preferred, because it is usually smaller.
    pub(crate) const SIDECARS: [Coding; 3] = [Coding::Gzip, Coding::Zstandard, Coding::Brotli];

    /// The name in `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
            Coding::Zstandard => "zstd",
            Coding::Brotli => "br",
        }
    }

    /// The extension that a sidecar's name adds to the file's name.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Coding::Identity => "",
            Coding::Gzip => ".gz",
            Coding::Zstandard => ".zst",
            Coding::Brotli => ".br",
        }
    }

    fn from_name(name: &[u8]) -> Option<Coding> {
        let is = |coding: &str| name.eq_ignore_ascii_case(coding.as_bytes());
        Some(if is("br") {
            Coding::Brotli
        } else if is("zstd") {
            Coding::Zstandard
        } else if is("gzip") || is("x-gzip") {
            // `x-gzip` means `gzip` (RFC 9110 §8.4.1.3).
            Coding::Gzip
        } else if is("identity") {
            Coding::Identity
        } else {
            return None;
        })
    }
}

/// The weights of `Accept-Encoding`, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Preferences {
    weights: [Option<u16>; 4],
    /// The weight of `*`, which stands for every coding that is not named.
    any: Option<u16>,
}

impl Preferences {
    /// Reads the values of all `Accept-Encoding` fields of a request. Malformed elements are ignored.
    /// Without any value only identity is sent, because a client that does not ask may not be able to
    /// decode.
    pub(crate) fn parse<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut preferences = Preferences::default();
        for element in values.flat_map(|value| value.split(|byte| *byte == b',')) {
            let mut parts = element.split(|byte| *byte == b';');
            let name = parts.next().unwrap_or_default().trim_ascii();
            let Some(weight) = parts.next().map_or(Some(1000), weight) else {
                continue;
            };
            if name == b"*" {
                preferences.any = Some(weight);
            } else if let Some(coding) = Coding::from_name(name)
                && let Some(place) = preferences.weights.get_mut(coding as usize)
            {
                *place = Some(weight);
            }
        }
        preferences
    }

    /// The position of the coding to send among the available ones, of which there is at least one. A
    /// request that refuses them all gets the file without coding, as RFC 9110 §12.5.3 allows: its
    /// client wants the content nevertheless, and no other server answers 406.
    pub(crate) fn choose(self, codings: impl Iterator<Item = Coding>) -> Option<usize> {
        let preferred = |coding: Coding| match self.weight(coding) {
            0 => (0, Coding::Brotli as u8 - coding as u8),
            weight => (weight, coding as u8),
        };
        codings
            .enumerate()
            .max_by_key(|(_, coding)| preferred(*coding))
            .map(|(position, _)| position)
    }

    fn weight(self, coding: Coding) -> u16 {
        // Identity is acceptable unless it is excluded, but ranks below every coding that is named.
        let unnamed = match coding {
            Coding::Identity => 1,
            _ => 0,
        };
        let named = self.weights.get(coding as usize).copied().flatten();
        named.or(self.any).unwrap_or(unnamed)
    }
}

/// A weight (RFC 9110 §12.4.2): `q=` and a number from 0 to 1 with at most three decimals.
fn weight(parameter: &[u8]) -> Option<u16> {
    let value = match parameter.trim_ascii() {
        [b'q' | b'Q', b'=', value @ ..] => value,
        _ => return None,
    };
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (decimal, unit) in decimals.iter().zip([100, 10, 1]) {
        if !decimal.is_ascii_digit() {
            return None;
        }
        thousandths += u16::from(decimal - b'0') * unit;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::Coding::*;
    use super::*;

    fn choose(accept: &[&str], codings: &[Coding]) -> Option<Coding> {
        let values = accept.iter().map(|value| value.as_bytes());
        let position = Preferences::parse(values).choose(codings.iter().copied())?;
        Some(codings[position])
    }

    const ALL: [Coding; 4] = [Identity, Gzip, Zstandard, Brotli];

    #[test]
    fn at_equal_weight_br_then_zstd_then_gzip() {
        assert_eq!(choose(&["gzip, deflate, br, zstd"], &ALL), Some(Brotli));
        assert_eq!(choose(&["gzip, zstd"], &ALL), Some(Zstandard));
        assert_eq!(choose(&["gzip", "zstd"], &ALL), Some(Zstandard));
        assert_eq!(choose(&["gzip, br"], &[Identity, Gzip]), Some(Gzip));
        assert_eq!(choose(&["X-GZIP"], &ALL), Some(Gzip));
        assert_eq!(choose(&["gzip, identity"], &ALL), Some(Gzip));
    }

    #[test]
    fn weights_decide_first() {
        assert_eq!(choose(&["br;q=0.5, gzip;q=0.8"], &ALL), Some(Gzip));
        assert_eq!(choose(&["br ; q=0.501 , gzip;q=0.5"], &ALL), Some(Brotli));
        assert_eq!(choose(&["gzip;q=0.5, identity"], &ALL), Some(Identity));
        assert_eq!(choose(&["br;q=0, *"], &ALL), Some(Zstandard));
        assert_eq!(choose(&["gzip;q=0.001"], &ALL), Some(Gzip));
        assert_eq!(choose(&["br;q=1.000"], &ALL), Some(Brotli));
    }

    #[test]
    fn identity_is_sent_to_who_does_not_ask_for_anything_else() {
        assert_eq!(choose(&[], &ALL), Some(Identity));
        assert_eq!(choose(&[""], &ALL), Some(Identity));
        assert_eq!(choose(&["deflate"], &ALL), Some(Identity));
        assert_eq!(choose(&["br;q=0"], &ALL), Some(Identity));
    }

    #[test]
    fn identity_can_be_refused_where_there_is_another() {
        assert_eq!(choose(&["identity;q=0"], &ALL), Some(Identity));
        assert_eq!(choose(&["*;q=0"], &ALL), Some(Identity));
        assert_eq!(choose(&["gzip, *;q=0"], &ALL), Some(Gzip));
        assert_eq!(choose(&["gzip, identity;q=0"], &ALL), Some(Gzip));
        assert_eq!(choose(&["gzip, identity;q=0"], &[Identity]), Some(Identity));
        assert_eq!(choose(&["*;q=0, identity"], &ALL), Some(Identity));
    }

    #[test]
    fn malformed_elements_are_passed_over() {
        for accept in [
            "br;q=2",
            "br;q=1.001",
            "br;q=0.1234",
            "br;q=",
            "br;x=1",
            "br;q=a",
            "b r",
        ] {
            assert_eq!(choose(&[accept], &ALL), Some(Identity), "{accept}");
            let with_another = format!("{accept}, gzip;q=0.1,,");
            assert_eq!(choose(&[&with_another], &ALL), Some(Gzip), "{accept}");
        }
    }
}
