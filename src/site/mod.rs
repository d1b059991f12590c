//! The static site: request → response, without a socket.
