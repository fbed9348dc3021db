//! Staged trees against the real validators.
