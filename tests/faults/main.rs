//! What can go wrong: each fault that users are promised an answer to, a fault at each file operation,
//! and hostile bytes.
//!
//! The program that is run here is built with the feature `fault-injection`; see `src/fs/fault.rs`.
//! Every case begins from the same folder, runs a command with one fault, looks at what is there, runs
//! the command again without a fault, and compares the result with that of a run that met none.
#![expect(
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests prepare files by hand, print their figures, and may fail"
)]

#[expect(dead_code, reason = "shared with the integration tests")]
#[path = "../it/support/bundles.rs"]
mod bundles;
#[expect(dead_code, reason = "shared with the integration tests")]
#[path = "../it/support/http.rs"]
mod http;
#[expect(dead_code, reason = "shared with the integration tests")]
#[path = "../it/support/staged.rs"]
mod staged;

#[expect(
    unreachable_pub,
    reason = "shared with the fuzzer, for which it is a library"
)]
#[path = "../fuzz/targets.rs"]
mod targets;

mod bench;
mod corpus;
mod scenarios;
mod table;
mod transfers;

use bench::{Fault, Scenario, run_all};

/// Errors of Linux (errno(3)).
const EINTR: i32 = 4;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// Runs a command with every fault at every operation, and prints a line of figures.
fn survives(scenario: &Scenario) {
    let faults = [
        Fault::Refuse(EIO),
        Fault::Refuse(ENOSPC),
        Fault::Refuse(EROFS),
        Fault::Refuse(EINTR),
        Fault::From(ENOSPC),
        Fault::Short,
    ];
    let row = run_all(scenario, &faults);
    println!("{row}");
    let wrong = &row.violations;
    let shown: Vec<&str> = wrong.iter().take(40).map(String::as_str).collect();
    assert!(
        wrong.is_empty(),
        "{} violations:\n{}",
        wrong.len(),
        shown.join("\n")
    );
}

#[test]
fn verify_survives_whatever_fails_at_any_file_operation() {
    survives(&scenarios::verify());
}

#[test]
fn sign_survives_whatever_fails_at_any_file_operation() {
    survives(&scenarios::sign_bundle());
}

#[test]
fn repair_survives_whatever_fails_at_any_file_operation() {
    survives(&scenarios::repair());
}

#[test]
fn build_survives_whatever_fails_at_any_file_operation() {
    survives(&scenarios::build());
}

#[test]
fn stage_survives_whatever_fails_at_any_file_operation() {
    survives(&scenarios::stage_anew());
}

#[test]
fn stage_over_an_earlier_tree_survives_whatever_fails_at_any_file_operation() {
    survives(&scenarios::stage_over());
}

#[test]
fn receiving_a_folder_survives_whatever_fails_at_any_file_operation() {
    survives(&transfers::receive_folder());
}

#[test]
fn receiving_a_single_file_survives_whatever_fails_at_any_file_operation() {
    survives(&transfers::receive_single_file());
}

#[test]
fn receiving_loose_files_survives_whatever_fails_at_any_file_operation() {
    survives(&transfers::receive_loose_files());
}

#[test]
fn receiving_a_delta_survives_whatever_fails_at_any_file_operation() {
    survives(&transfers::receive_delta());
}

#[test]
fn gathering_from_media_survives_whatever_fails_at_any_file_operation() {
    survives(&transfers::gather());
}

#[test]
fn an_event_of_custody_survives_whatever_fails_at_any_file_operation() {
    survives(&transfers::custody());
}

#[test]
fn an_update_of_trust_survives_whatever_fails_at_any_file_operation() {
    survives(&transfers::trust_update());
}
