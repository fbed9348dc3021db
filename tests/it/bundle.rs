//! The bundle format: tampering, tools, verdicts.
