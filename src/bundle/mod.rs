#![doc = include_str!("FORMAT.md")]

mod base;
pub mod blocks;
pub mod changes;
pub mod contents;
mod documents;
mod evidence_text;
mod from_lock;
pub mod header;
mod layout;
mod pack;
pub mod patch;
pub mod payload;
pub mod places;
mod planned;
pub mod protect;
pub mod receipt;
mod request;
mod sign;
pub mod sums;
pub mod volumes;

pub use base::Base;
pub use documents::VERIFY_SH;
pub use from_lock::{FromLockError, LockOptions, from_lock};
pub use pack::{PackError, UnsignedBundle, foresee, pack};
pub use request::{Item, ItemChange, PackRequest, RequestError, Source};
pub use sign::{FULL, SignError, SignedBundle, ToSign, attach, attach_ssh, sign, to_sign};
