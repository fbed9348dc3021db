//! Haversack builds offline bundles of the Mattermost stack on a connected machine, and on an
//! isolated network verifies them and stages them onto the hosts that will run it.
//!
//! The modules are the journey of the data; each imports only modules of rows above it
//! (`tests/layers.rs` enforces this):
//!
//! | layer | modules | holds |
//! |---|---|---|
//! | 0 | [`types`] | digests, names, paths, sizes: no I/O |
//! | 1 | [`event`] | how progress is reported without knowing a terminal |
//! | 2 | [`fs`], [`pool`] | durable files; bounded parallel work |
//! | 3 | [`archive`], [`delta`], [`manifest`], [`trust`], `net`, [`parity`] | tar streams; changes of packed files; the wish list; signatures and evidence; HTTP; repair blocks |
//! | 4 | [`lock`], [`store`], [`nginx`] | exact artifacts; content-addressed cache; what an NGINX configuration says |
//! | 5 | `sources`, [`bundle`], [`plan`] | where files come from; the bundle format; deployment and rules |
//! | 6 | `resolve`, `fetch`, [`verify`], [`checks`], [`custody`] | the steps that join them; what a host must satisfy; who held a bundle |
//! | 7 | [`stage`], [`preflight`], [`repair`], [`carry`], [`media`], [`gather`], [`report`] | generated trees; a host against its checks; damage mended; one file for a pipe; a volume to its medium, and media into one folder; evidence for people |
//! | 8 | [`init`] | a first manifest and deployment from a few answers |
//! | 9 | `cli` (binary only) | arguments, printing, progress bars, exit codes |
//!
//! `net`, `sources`, `resolve` and `fetch` exist with the feature `connected` only: the
//! isolated-side program contains no HTTP stack.

pub mod archive;
pub mod bundle;
pub mod carry;
pub mod checks;
pub mod custody;
pub mod delta;
pub mod event;
#[cfg(feature = "connected")]
pub mod fetch;
pub mod fs;
pub mod gather;
pub mod init;
pub mod lock;
pub mod manifest;
pub mod media;
#[cfg(feature = "connected")]
pub mod net;
pub mod nginx;
pub mod parity;
pub mod plan;
pub mod pool;
pub mod preflight;
pub mod repair;
pub mod report;
#[cfg(feature = "connected")]
pub mod resolve;
#[cfg(feature = "connected")]
pub mod sources;
pub mod stage;
pub mod store;
pub mod trust;
pub mod types;
pub mod verify;
