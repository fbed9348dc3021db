//! The state that staging demands: a plan that no rule refuses.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::plan::derive::Plan;
use crate::plan::finding::{Finding, Findings, Severity};
use crate::plan::rules::{self, Acceptance, Context};
use crate::plan::staged::Staged;

/// A plan that no rule refuses. Made by [`Plan::check`] only, so that staging an unchecked plan
/// does not compile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct CheckedPlan {
    #[serde(flatten)]
    plan: Plan,
    findings: Findings,
}

impl CheckedPlan {
    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The warnings and information that remain, accepted ones marked.
    #[must_use]
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }
}

/// A plan that a rule refuses, with all findings.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[error("{} rules refuse the deployment of {}", findings.count(Severity::Error), plan.deployment.site)]
pub struct Refused {
    /// The plan, for showing.
    #[serde(flatten)]
    pub plan: Box<Plan>,
    /// Every finding; at least one is an error.
    pub findings: Findings,
}

impl Refused {
    /// The stable message id.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        "E540"
    }

    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "follow the fix of each error; an error cannot be accepted, and nothing was written"
    }
}

impl Plan {
    /// Applies every rule without deciding: for showing a plan.
    #[must_use]
    pub fn findings(&self, context: &Context) -> Findings {
        let accepted: BTreeSet<&str> = context.accepted.iter().map(String::as_str).collect();
        let found = rules::apply(self, context).into_iter();
        Findings::new(
            found
                .map(|finding| Finding {
                    accepted: finding.level == Severity::Warning && accepted.contains(finding.id),
                    ..finding
                })
                .collect(),
        )
    }

    /// Whether each id that [`Context::accepted`] holds can be accepted for this plan.
    ///
    /// # Errors
    /// The first id that no rule has, whose rule never warns, or that is an error here.
    pub fn acceptable(&self, context: &Context) -> Result<(), Acceptance> {
        let findings = self.findings(context);
        let found: Vec<&Finding> = findings.iter().collect();
        rules::acceptable(&context.accepted, &found)
    }

    /// Applies the rules that hold in generated files to what was staged for this plan. An error
    /// among the findings is a fault of the program that generated them.
    #[must_use]
    pub fn examine_staged(&self, staged: &Staged) -> Findings {
        Findings::new(rules::examine(self, staged))
    }

    /// Applies every rule.
    ///
    /// # Errors
    /// The plan and all findings, when at least one is an error. An error cannot be accepted.
    pub fn check(self, context: &Context) -> Result<CheckedPlan, Refused> {
        let findings = self.findings(context);
        if findings.refuses() {
            Err(Refused {
                plan: Box::new(self),
                findings,
            })
        } else {
            Ok(CheckedPlan {
                plan: self,
                findings,
            })
        }
    }
}
