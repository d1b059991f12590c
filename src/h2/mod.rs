//! HTTP/2 without I/O (RFC 9113), client and server role.
