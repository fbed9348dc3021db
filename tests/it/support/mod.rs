//! What the tests share.

pub(crate) mod documents;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod quickstart;
