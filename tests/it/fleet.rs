//! The Ansible playbooks of a staged tree, run by the real Ansible.

mod run;
