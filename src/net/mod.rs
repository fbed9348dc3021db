//! HTTP: documents into memory and files onto disk, from servers that may misbehave.
//!
//! A download is written to a `.part` file, hashed on the way, and resumed by `Range` (RFC 9110 §14)
//! only when the server answers 206 with a `Content-Range` that begins exactly where the part ends;
//! any other answer starts over, so that an error page is never appended. Sizes are capped before
//! bytes are written, a stalled or dripping body is given up, and a redirect from https to http is
//! refused. A server that asks to wait (429, 503 with `Retry-After`) is given the time it asks for,
//! within a cap. TLS is verified against the certificates of the system (or `SSL_CERT_FILE`) and
//! those that the options add, and there is no switch that turns this off. Whether bytes are the
//! right ones is decided by their digest, by the caller.
//!
//! Container registries answer under `/v2/`; where one wants a token for reading, it is asked for.
//!
//! Credentials are kept by host, are sent over https only, and never follow a redirect to another
//! host, port or scheme; no error or event holds one.

mod client;
mod credentials;
mod download;
mod encoding;
mod error;
mod pour;
mod proxy;
mod redirect;
mod registry;
mod retry;
mod throttle;

pub use client::{Access, Client, ClientOptions};
pub use credentials::{Credentials, CredentialsError, MAX_CREDENTIALS};
pub use download::{Downloaded, Expected, Heard, Resume, hold_part};
pub use error::NetError;
pub use proxy::Via;
