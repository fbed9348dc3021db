//! A bundle on ways that take no folders: as one file through a pipe, and back.
//!
//! The single file is a strict ustar ([`crate::archive::ustar`]) of exactly the bundle's folder:
//! `SHA256SUMS`, the signatures, `bundle.json`, then every other file in the order of the list. Its layout
//! follows from the signed list, so that the reader knows each next byte of it that is not payload, needs
//! no seek, and refuses the first that is different. The signatures are judged before anything is written.
//!
//! A diode that drops loose files is served too ([`Drop`], [`scatter()`]): no name, order or time means
//! anything there, only hashes do.
//!
//! A delta lists the full new bundle and carries what its base lacks. What arrives of one is completed from the
//! base, and becomes the very full bundle: same list, signatures and identity as if all of it had come.
//!
//! What arrives is written to a folder beside the target, each file once, hashed on the way; the target
//! appears when all of it is proved. Of a transmission that was cut short or damaged, the files that are
//! right stay in that folder, and the next one brings the others.

mod base;
mod error;
mod finding;
mod flat;
mod gather;
mod incoming;
mod reader;
mod receive;
mod scatter;
mod whole;
mod write;

pub use error::CarryError;
pub use flat::{Drop, Missing, Settle};
pub use gather::gather;
pub use receive::{Carried, Received, Taking, check, receive};
pub use scatter::{Scattered, scatter};
pub use write::{Streamed, stream};
