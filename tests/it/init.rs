//! `haversack init`: every combination gives files that parse and pass the rules, or the rule's
//! refusal; nothing is replaced; questions are asked on a terminal only.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its files has failed"
)]

mod command;
mod matrix;
mod staging;

use std::collections::BTreeSet;

use haversack::init::{Answers, StorageAnswer, hosts};
use haversack::plan::Context;
use haversack::plan::deployment::{Availability, Edition, Purpose, Switch};
use haversack::types::target::{Arch, Distribution};

fn context() -> Context {
    Context {
        now: jiff::Timestamp::now(),
        supply: Vec::new(),
        accepted: Vec::new(),
    }
}

/// One server with everything on it.
fn one_server() -> Answers {
    Answers {
        distribution: Distribution::Debian12,
        arch: Arch::Amd64,
        edition: Edition::Entry,
        purpose: Purpose::Production,
        site: "https://chat.mm.internal".parse().unwrap(),
        availability: Availability::Single,
        hosts: hosts(["mm1=10.20.0.10"]).unwrap(),
        storage: StorageAnswer::Local,
        database: None,
        push: Switch::Off,
        users: vec!["10.30.0.0/16".parse().unwrap()],
        admin: vec!["10.20.9.0/28".parse().unwrap()],
        dns: Vec::new(),
        ntp: Vec::new(),
        people: None,
        rows: BTreeSet::new(),
    }
}
