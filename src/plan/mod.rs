//! The plan: a deployment, checked against every rule that it touches.
//!
//! [`load()`] reads the operator's file into a [`deployment::Deployment`], or gives all of its
//! problems at once. [`Plan::new`] derives everything that follows from it: port matrix, database
//! settings, addresses. [`Plan::check`] applies the rules and gives the [`CheckedPlan`] that
//! staging demands.

pub mod address;
mod certificates;
mod checked;
pub mod deployment;
mod derive;
mod finding;
pub mod flow;
pub mod graph;
mod load;
mod parse;
mod problem;
mod reader;
mod render;
mod rules;
pub mod staged;
mod words;

pub use checked::{CheckedPlan, Refused};
pub use derive::{ACCOUNT_ID, DatabasePlan, Listen, Plan, RESERVED_CONNECTIONS, Tuning};
pub use finding::{Finding, Findings, Severity};
pub use load::{Files, HostFiles, Loaded, MAX_DEPLOYMENT, MAX_PEM, load};
pub use parse::parse;
pub use problem::{DeploymentError, MAX_PROBLEMS, Place, Problem, ProblemId, Problems};
pub use render::render_text;
pub use rules::{Acceptance, Context, Explanation, Layer, Supply, explain, explain_all};
