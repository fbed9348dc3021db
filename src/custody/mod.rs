//! The chain of custody: who held a bundle, when, and what they did with it.
//!
//! A log `custody.jsonl` holds one event a line. Each event carries the SHA-256 of the line before it
//! (`prev`), so that a line cannot be changed, taken out or moved without a trace. The first event
//! carries the digest of what the log is about:
//!
//! - *before signing*, the SHA-256 of a file, such as the lock or the approved dossier. `haversack build
//!   --custody LOG` puts that log into the bundle as `evidence/custody.jsonl`, so that the bundle's
//!   identity commits to it;
//! - *from signing on*, the identity of the bundle. This log travels beside the medium, never on it, and
//!   the receiver continues a copy of it.
//!
//! What a chain cannot show by itself is that its *last* events were taken off or written anew. For that
//! the head (the SHA-256 of the last line) is written on the sign-off sheet, events may be signed, and the
//! host that wrote the last event remembers its digest ([`Heads`]).
//!
//! One line, with `prev`, `object` and `signature` shortened here:
//! ```json
//! {"custody":1,"n":2,"time":"2026-11-23T18:00:00Z","actor":"Ann Example","role":"courier","action":"carried",
//! "object":"9f2c…","volumes":["v1"],"from":"low side","to":"high side","second":"Bob Example",
//! "tool":"haversack 0.1.0","result":"ok","note":"seal 4711","prev":"0a1b…","signature":"U1NIU0lH…"}
//! ```
//! The keys come in this order; `volumes`, `from`, `to`, `second`, `note` and `signature` are left out when
//! there is nothing to say. Only that one text of an event is read. The signature is an SSH signature
//! (base64 of the whole blob) in the namespace `haversack-custody` over the line without
//! `,"signature":"…"`; `prev` of the next event is the SHA-256 of the line as it stands, without its line
//! feed.

mod chain;
mod event;
mod heads;
mod log;

pub use chain::{Chain, Expected, Fault, Head, ParseHeadError, Recorded, Relation};
pub use event::{ACTIONS, Draft, Event, EventError, NAMESPACE, ROLES};
pub use heads::Heads;
pub use log::{CustodyError, append, begin_of, load};

/// Longest log, in bytes.
pub const MAX_LOG: u64 = 4 * 1024 * 1024;
/// Most events of a log.
pub const MAX_EVENTS: usize = 10_000;
/// Longest line, in bytes.
pub const MAX_LINE: usize = 16 * 1024;
/// Most volumes that an event names.
pub const MAX_VOLUMES: usize = 1_998;
