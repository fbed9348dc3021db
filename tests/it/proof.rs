//! The quickstart's bundle installed in a machine without network.
