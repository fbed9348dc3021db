//! The manifest: what a bundle shall hold, as a person writes it.
