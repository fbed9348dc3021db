//! `haversack plan`: checks a deployment and shows it.

use haversack::types::count::count;
use std::fmt::Write as _;
use std::path::Path;

use haversack::event::Event;
use haversack::plan::{self, Context as Rules, Plan, Severity, Supply};
use haversack::verify;
use serde_json::json;

use super::Context;
use crate::cli::args::PlanArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::surroundings;
use crate::cli::trusting::{Trusting, places};

/// Prints hosts, ports and findings.
///
/// `--json` prints one object: `plan` (the deployment with all that follows from it, `flows` is the
/// port matrix), `findings` (sorted; `level`, `id`, `host`, `subject`, `place`, `expected`, `found`,
/// `why`, `fix`, `source`, `layer`, `accepted`), `graph` (nodes and edges for a drawing, see
/// [`haversack::plan::graph`]), `accepted` (ids) and `catalogue` (`as_of`, `age_days`).
///
/// Errors end in a policy exit, warnings in findings under
/// `--strict`.
pub(crate) fn run(args: &PlanArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let supply = match (&args.bundle, &args.trust) {
        (Some(bundle), Some(trust)) => supply_of(bundle, trust, context)?,
        _ => Vec::new(),
    };
    let plan = read(&args.deployment)?;
    let rules = rules(supply, &args.accept);
    acceptable(&plan, &rules)?;
    let findings = plan.findings(&rules);
    let mut text = plan::render_text(&plan, &findings);
    let age = rules.catalogue_age();
    if let Some((day, days)) = &age {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  catalogue of {day}, {} old", count(*days, "day"));
    }
    let catalogue = age.map(|(day, days)| json!({ "as_of": day.to_string(), "age_days": days }));
    context.output.result(
        &json!({
            "plan": plan,
            "findings": findings,
            "graph": plan.graph(),
            "accepted": findings.accepted(),
            "catalogue": catalogue,
        }),
        &text,
    );
    Ok(if findings.refuses() {
        Class::Policy
    } else if args.strict && findings.count(Severity::Warning) > 0 {
        Class::Findings
    } else {
        Class::Ok
    })
}

/// Refuses an id after `--accept` that is none of a warning.
pub(crate) fn acceptable(plan: &Plan, rules: &Rules) -> Result<(), Failure> {
    plan.acceptable(rules)
        .map_err(|error| Failure::usage(error.to_string(), error.hint()))
}

/// Reads a deployment and derives its plan.
pub(crate) fn read(path: &Path) -> Result<Plan, Failure> {
    Ok(Plan::new(plan::load(path)?))
}

/// What the rules may know.
pub(crate) fn rules(supply: Vec<Supply>, accepted: &[String]) -> Rules {
    Rules {
        now: surroundings::now(),
        supply,
        accepted: accepted.iter().map(|id| id.to_ascii_uppercase()).collect(),
    }
}

/// What a bundle holds, as the rules ask for it.
pub(crate) fn supply(contents: &haversack::bundle::contents::Contents) -> Vec<Supply> {
    let mut supply: Vec<Supply> = contents
        .files
        .values()
        .flat_map(|file| {
            let version = file.version.clone().unwrap_or_default();
            // A package supplies itself; its component needs it only.
            let names: Vec<String> = match &file.package {
                Some(package) => vec![package.clone()],
                None => file.components.iter().map(ToString::to_string).collect(),
            };
            names.into_iter().map(move |component| Supply {
                component,
                version: version.clone(),
            })
        })
        .filter(|one| !one.version.is_empty())
        .collect();
    supply.sort();
    supply.dedup();
    supply
}

fn supply_of(bundle: &Path, trust: &Path, context: &Context<'_>) -> Result<Vec<Supply>, Failure> {
    let trusting = Trusting::without_memory(trust)?;
    let opened = verify::open(
        &places(&[bundle.to_owned()]),
        &trusting.trust,
        &trusting.memory,
        &trusting.options,
    )?;
    for warning in opened.warnings() {
        context.observer.on(&Event::Warning {
            id: warning.id,
            text: &warning.text,
        });
    }
    Ok(supply(opened.contents()))
}
