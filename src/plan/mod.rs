//! The plan: a deployment, checked against every rule that it touches.
