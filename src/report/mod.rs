//! Evidence for people.
