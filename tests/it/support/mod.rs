//! What the tests share.

pub(crate) mod machine;
pub(crate) mod quickstart;
