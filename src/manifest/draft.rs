//! A manifest whose versions are not all chosen yet.

use super::check;
use super::model::{Accepted, Manifest};
use super::problem::ManifestProblems;
use super::versions::{Choices, Reading, Rest, VersionWish};

/// A manifest as it is written: everything is checked but the versions that a publisher's list decides.
///
/// Reading stays pure. What needs the network is in [`Draft::wishes`]; whoever has chosen calls
/// [`Draft::choose`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    text: String,
    file_name: String,
    outline: Manifest,
    wishes: Vec<VersionWish>,
}

impl Draft {
    /// Reads a manifest. `file_name` is what messages call it.
    ///
    /// # Errors
    /// [`ManifestProblems`] with everything that is wrong, sorted by place.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ManifestProblems> {
        let mut reading = Reading::default();
        let outline = check::parse(text, file_name, &mut reading)?;
        Ok(Self {
            text: text.to_owned(),
            file_name: file_name.to_owned(),
            outline,
            wishes: reading.wishes,
        })
    }

    /// The manifest so far. A version that is not known yet is `0.0.0` in it, also within URLs: look
    /// only at what does not depend on versions, such as name, target, keys, repositories and digest.
    #[must_use]
    pub const fn outline(&self) -> &Manifest {
        &self.outline
    }

    /// The versions that are to be chosen, in the order of the manifest.
    #[must_use]
    pub fn wishes(&self) -> &[VersionWish] {
        &self.wishes
    }

    /// What the artifact at a place among `[[artifact]]` accepts.
    #[must_use]
    pub fn accepted(&self, position: usize) -> &[Accepted] {
        let artifact = self.outline.artifacts.get(position);
        artifact.map_or(&[], |artifact| &artifact.accepted)
    }

    /// The manifest with these versions. Where nothing is chosen, the newest that is known without
    /// network is taken.
    ///
    /// # Errors
    /// When a choice is not allowed, or one is missing that needs the network.
    pub fn choose(&self, choices: &Choices) -> Result<Manifest, ManifestProblems> {
        let mut reading = Reading::with(choices, Rest::Refuse);
        check::parse(&self.text, &self.file_name, &mut reading)
    }

    /// As [`Draft::choose`], but a version that needs the network and was not chosen stays as in
    /// [`Draft::outline`]: for whoever goes on with the other artifacts to tell everything that is wrong.
    ///
    /// # Errors
    /// When a choice is not allowed.
    pub fn choose_some(&self, choices: &Choices) -> Result<Manifest, ManifestProblems> {
        let mut reading = Reading::with(choices, Rest::LeaveOpen);
        check::parse(&self.text, &self.file_name, &mut reading)
    }
}
