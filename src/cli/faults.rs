//! Faults that tests ask for, in programs that are built for tests only.

use haversack::fs::fault::{Plan, arm};

/// What fails: see [`Plan`].
const PLAN: &str = "HAVERSACK_FAULT";
/// A file that gets a line for each effect.
const TRACE: &str = "HAVERSACK_FAULT_TRACE";

/// Arms the plan of the environment, when there is one.
///
/// # Panics
/// When it cannot be read: a test that asks for nothing must not pass.
pub(crate) fn from_environment() {
    let Ok(plan) = std::env::var(PLAN) else {
        return;
    };
    let mut plan: Plan = plan.parse().expect(PLAN);
    if let Some(path) = std::env::var_os(TRACE) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the trace is no effect of the program"
        )]
        let trace = std::fs::File::create(path).expect(TRACE);
        plan.trace = Some(trace);
    }
    arm(plan);
}
