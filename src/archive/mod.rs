//! Upstream archives: what is inside, read as a stream, with limits, and never unpacked.
