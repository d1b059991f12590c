//! Tests of HPACK by section of RFC 7541.
