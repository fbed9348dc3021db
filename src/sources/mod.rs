//! Where files come from: package repositories, single files and container images.

pub mod apt;
pub mod documents;
pub mod github;
pub mod http;
pub mod oci;
pub mod rpm;
