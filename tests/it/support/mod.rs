//! What the tests share.

pub(crate) mod bundles;
pub(crate) mod cluster;
pub(crate) mod deployments;
pub(crate) mod documents;
pub(crate) mod fakeroot;
pub(crate) mod faults;
pub(crate) mod fleet;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod newest_nginx;
pub(crate) mod nginx;
pub(crate) mod orders;
pub(crate) mod postgres;
pub(crate) mod probe;
pub(crate) mod quickstart;
pub(crate) mod registry;
pub(crate) mod rooms;
pub(crate) mod staged;
