//! What each host must satisfy, out of the plan and the bundle: `checks.json` and `preflight.sh`.

mod call;
mod neighbours;
mod own;

use minijinja::Value;
use serde::Serialize;

use crate::bundle::contents::RepositoryInfo;
use crate::checks::{CheckList, DATABASE_QUERY, HostCheck, Phase, Probe, Word, row};
use crate::stage::host::Scene;
use crate::stage::payload::Program;
use crate::stage::render::{RenderError, values};
use crate::types::path::RelPath;

/// What checks are made of besides the plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payloads<'a> {
    /// The programs of the host with their files in the bundle and below `artifacts/`.
    pub(super) programs: &'a [(Program, RelPath)],
    /// The packages that are installed.
    pub(super) packages: &'a [String],
    /// The package repositories.
    pub(super) repositories: &'a [RepositoryInfo],
}

/// Collects the checks of one host.
struct Collector<'a> {
    scene: &'a Scene<'a>,
    payloads: Payloads<'a>,
    checks: Vec<HostCheck>,
}

impl Collector<'_> {
    fn add(
        &mut self,
        phase: Phase,
        id: &'static str,
        subject: &str,
        probe: Probe,
    ) -> Result<(), RenderError> {
        let row = row(id).ok_or_else(|| broken(format!("there is no row {id}")))?;
        self.checks.push(row.check(phase, subject, probe));
        Ok(())
    }
}

fn broken(why: String) -> RenderError {
    RenderError::value("checks.json", why)
}

/// A value that goes to programs as one argument.
fn word(text: &str) -> Result<Word, RenderError> {
    text.parse()
        .map_err(|why| broken(format!("a check cannot carry it: {why}")))
}

/// Every check of the host, in the order in which they are looked at.
pub(super) fn of_host(scene: &Scene<'_>, payloads: Payloads<'_>) -> Result<CheckList, RenderError> {
    let mut collector = Collector {
        scene,
        payloads,
        checks: Vec::new(),
    };
    own::add(&mut collector)?;
    neighbours::add(&mut collector)?;
    Ok(CheckList {
        host: scene.host.name.clone(),
        checks: collector.checks,
    })
}

/// One check as the template writes it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    check: &'a HostCheck,
    call: String,
}

/// `preflight.sh` of these checks.
pub(super) fn script(scene: &Scene<'_>, list: &CheckList) -> Result<Vec<u8>, RenderError> {
    let rows: Result<Vec<Row<'_>>, RenderError> = list
        .checks
        .iter()
        .map(|check| {
            let call = call::of(&check.probe).map_err(RenderError::quote("preflight.sh"))?;
            Ok(Row { check, call })
        })
        .collect();
    let values: Value = values! {
        host => list.host,
        checks => rows?,
        database_query => DATABASE_QUERY,
    };
    scene.renderer.render("preflight.sh", &values)
}
