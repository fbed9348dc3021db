//! From manifest to lock.
