//! `haversack preflight` and the generated `preflight.sh` on the same machine: one list of checks,
//! two verdicts, always equal.

mod agree;
mod script;
