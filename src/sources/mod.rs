//! Where files come from: single URLs, local paths, package repositories.
