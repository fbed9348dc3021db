//! What concerns all hosts of a staged tree together: the playbooks, run by the real Ansible, and
//! the search for hosts outside the deployment.

mod audit;
mod egress;
mod guide;
mod lint;
mod run;
