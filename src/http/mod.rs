//! The nouns of RFC 9110 that HTTP/1.1 and HTTP/2 share.
//!
//! Both versions decode a message head into [`Fields`], pseudo-header fields included, so that
//! everything behind them (the site, the handlers, the access log) sees one kind of request. The room
//! knows no socket, file or clock.

mod authority;
mod controls;
pub mod date;
mod expected;
pub mod field;
mod field_line;
pub mod grammar;
pub mod method;
mod patience;
pub mod quantity;
mod redact;
mod scheme;
pub mod status;
mod text;

pub use authority::is_authority;
pub(crate) use controls::{first_control, is_one_line};
pub use expected::Expected;
pub use field::{Field, Fields, Pseudo};
pub use field_line::{check_field, parse_field};
pub use grammar::is_token;
pub use method::Method;
pub use patience::Patience;
pub use redact::ShownValue;
pub(crate) use redact::is_credential;
pub use scheme::Scheme;
pub use text::{is_deceptive, printable};
