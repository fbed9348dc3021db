//! HTTP: documents into memory and files onto disk, from servers that may misbehave.
//!
//! A download is written to a `.part` file, hashed on the way, and resumed by `Range` (RFC 9110 §14)
//! only when the server answers 206 with a `Content-Range` that begins exactly where the part ends;
//! any other answer starts over, so that an error page is never appended. Sizes are capped before
//! bytes are written, a stalled or dripping body is given up, and a redirect from https to http is
//! refused. TLS is verified against the certificates of the system (or `SSL_CERT_FILE`) and there is
//! no switch that turns this off. Whether bytes are the right ones is decided by their digest, by
//! the caller.

mod client;
mod download;
mod error;
mod retry;

pub use client::{Client, ClientOptions};
pub use download::{Downloaded, Expected, Resume};
pub use error::NetError;
