//! High availability on one machine: a deployment of many machines, installed by the generated
//! playbook without a network, and judged from every machine and every neighbour on the wire.

mod wire;
