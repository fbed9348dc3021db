//! Deployments and rules.
