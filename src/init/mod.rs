//! A first manifest and a first deployment from a few answers: files that people go on to edit.
//!
//! The manifest comes from one template and from the rows of `manifests/options`; the manifests
//! that ship for Debian, Ubuntu and RHEL are what [`manifest`] gives for their [`ManifestWish`].

mod manifest;
mod render;
mod rows;

pub use manifest::{Detail, ManifestWish, manifest};
pub use render::RenderError;
pub use rows::Rows;
