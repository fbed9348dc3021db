//! From bundle and checked plan to a staged tree: one folder a host, ready to install.
