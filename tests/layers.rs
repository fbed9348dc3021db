//! Enforces the layer table of `src/lib.rs`.
