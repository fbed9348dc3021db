//! Manifest to lock to store.
