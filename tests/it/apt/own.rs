//! A repository of our own.
