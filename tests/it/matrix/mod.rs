//! A matrix of deployments, each staged.

mod deployments;
mod samples;

use std::collections::BTreeSet;

use deployments::{Pair, all_pairs, matrix};
use samples::Samples;

/// Deployments that the matrix has at least.
const LEAST: usize = 60;

#[test]
fn the_matrix_has_every_pair_of_values_that_the_rules_accept() {
    let rows = matrix(LEAST);
    let seen: BTreeSet<Pair> = rows
        .iter()
        .flat_map(|case| case.pairs().collect::<Vec<_>>())
        .collect();
    assert_eq!(seen, all_pairs());
    let distinct: BTreeSet<_> = rows.iter().collect();
    assert_eq!(distinct.len(), rows.len());
    println!("{} rows {} pairs", rows.len(), seen.len());
}

#[test]
fn every_deployment_of_the_matrix_is_staged() {
    let samples = Samples::new();
    for (number, case) in matrix(LEAST).iter().enumerate() {
        let out = samples
            .stage(case, number)
            .unwrap_or_else(|why| panic!("{}\n{}\n{why}", case.name(), case.deployment()));
        assert!(out.join("plan.json").is_file(), "{}", case.name());
    }
}
