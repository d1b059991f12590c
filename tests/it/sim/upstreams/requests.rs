//! The requests of a run, by their numbers, and the content that belongs to each.

/// True for a request that is not idempotent.
pub fn is_post(number: usize) -> bool {
    number.is_multiple_of(3)
}

/// The method of a request.
pub fn method(number: usize) -> &'static str {
    if is_post(number) { "POST" } else { "GET" }
}

/// The content of a request. Some is larger than all windows and buffers on its way.
pub fn request_content(number: usize) -> Vec<u8> {
    let repeats = match number {
        _ if !is_post(number) => 0,
        _ if number.is_multiple_of(9) => 30_000,
        _ => 1,
    };
    b"content".repeat(repeats)
}

/// The content that an upstream answers a request with. Some is larger than a stream's window.
pub fn content(number: usize) -> Vec<u8> {
    let repeats = 1 + number * 37 % 900;
    let larger = if number.is_multiple_of(7) { 40 } else { 1 };
    format!("<{number}>").into_bytes().repeat(repeats * larger)
}

/// The trailers of an answer that has some.
pub fn trailers(number: usize) -> String {
    format!("x-sum: {number}")
}
