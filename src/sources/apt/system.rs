//! The repositories that a system's own apt is configured with (sources.list(5)).
