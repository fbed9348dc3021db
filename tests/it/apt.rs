//! The apt source against the real apt.
