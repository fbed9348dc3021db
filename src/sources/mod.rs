//! Where files come from: single URLs, local paths, package repositories.

pub mod apt;
pub mod documents;
pub mod http;
