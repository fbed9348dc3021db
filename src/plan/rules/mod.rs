//! The rules: what is refused, what is warned about, and why.

use jiff::Timestamp;

use crate::plan::derive::Plan;
use crate::plan::finding::Finding;

/// What rules may know besides the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The time at which certificates must be valid.
    pub now: Timestamp,
    /// What the bundle holds; empty when no bundle was given.
    pub supply: Vec<Supply>,
    /// Ids of warnings that the operator accepts.
    pub accepted: Vec<String>,
}

/// One component of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Supply {
    /// Its name, such as `mattermost`.
    pub component: String,
    /// Its version, as upstream writes it.
    pub version: String,
}

pub(super) fn apply(_plan: &Plan, _context: &Context) -> Vec<Finding> {
    Vec::new()
}
