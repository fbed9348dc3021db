//! Where files come from: package repositories and single files.

pub mod apt;
pub mod documents;
pub mod github;
pub mod http;
