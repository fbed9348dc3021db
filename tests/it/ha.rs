//! High availability on one machine: a deployment of many machines, installed by the generated
//! playbook without a network, and judged from every machine and every neighbour on the wire.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "it takes minutes, and says how far it is; a test that panics says so"
)]

mod ports;
mod site;
mod traffic;
mod whole;
mod wire;
