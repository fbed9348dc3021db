//! From lock to store.
