//! The lock: the exact files a manifest stands for, and the evidence that was checked for each.
//!
//! A lock is made by resolving a manifest once; `build` uses it and never resolves anew. It is
//! canonical TOML: the same content always has the same bytes.

mod model;

pub use model::{Artifact, Evidence, Lock, LockedFile, Package, Repository, Suite, Vouched};
