//! Reads the configuration of an NGINX that stands in front of Mattermost, and says what it lacks,
//! with the symptom that each missing element causes. Pure: text in, findings out.
//!
//! [`read()`] takes files as NGINX would, within limits, and goes on behind what is broken.
//! [`examine()`] finds the server of the site and asks what holds *at the place that matters*: the
//! location in which `/api/v4/websocket` ends up, with everything that it inherits or, where it
//! sets one of a kind itself, does not inherit.
//!
//! Elements are required (an error when absent) or recommended (a warning or information). What is
//! not the cause of a symptom is not reported as one: a self-signed certificate, few
//! `worker_connections` or a low `keepalive` never stop live updates.
//!
//! The ids are those of the rules of [`crate::nginx::Finding::id`], the same that `plan` uses for
//! the generated site; sources are in the catalogue.

mod config;
mod effective;
mod examine;
mod finding;
mod pattern;
mod read;
#[cfg(test)]
mod tests;

pub use config::{Config, Directive, File, Place, Trouble, Word};
pub use examine::{Backend, Expected, Site, Strictness, Version, examine};
pub use finding::{Finding, Findings, Level, render};
pub use read::{MAX_DEPTH, MAX_DIRECTIVES, MAX_FILES, MAX_TEXT, MAX_WORDS, ReadError, read};
