//! `haversack stage`: one ready-to-install tree a host.

use haversack::types::count::count;
use std::fmt::Write as _;

use haversack::event::Event;
use haversack::plan;
use haversack::stage::{self, OsRandom, StageReport, StageRequest};
use haversack::verify;

use super::plan::{acceptable, read, rules, supply};
use super::{Context, stand_ins_line};
use crate::cli::args::StageArgs;
use crate::cli::custodian::{self, Deed};
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::{Trusting, places};

/// Opens the bundle, checks the plan against it, stages, and remembers the bundle.
pub(crate) fn run(args: &StageArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let plan = read(&args.deployment)?;
    let mut trusting = Trusting::load(&args.trust)?;
    let Trusting {
        trust,
        memory,
        options,
    } = &trusting;
    let dirs = places(&args.bundle);
    custodian::prepare(&args.custodian, &dirs)?;
    let bundle = verify::open(&dirs, trust, memory, options)?;
    for warning in bundle.warnings() {
        context.observer.on(&Event::Warning {
            id: warning.id,
            text: &warning.text,
        });
    }
    let rules = rules(supply(bundle.contents()), &args.accept);
    acceptable(&plan, &rules)?;
    let checked = plan.check(&rules).map_err(|refused| {
        let shown = plan::render_text(&refused.plan, &refused.findings);
        Failure::new(refused.id(), &refused, Some(refused.hint().to_owned())).with_details(shown)
    })?;
    let request = StageRequest {
        out: args.output.clone(),
        secrets: args.secrets.clone(),
    };
    let report = stage::stage(
        &bundle,
        &checked,
        &request,
        &OsRandom,
        context.observer,
        context.cancel,
    )?;
    trusting.memory.record(
        bundle.sums().header(),
        &bundle.identity(),
        bundle.override_reason(),
    )?;
    let deed = Deed {
        role: "installer",
        action: "staged",
        identity: bundle.identity(),
        result: "ok",
        note: bundle.override_reason(),
        state: None,
    };
    custodian::record(&args.custodian, &deed)?;
    context.output.result(&report, &text(&report));
    Ok(Class::Ok)
}

fn text(report: &StageReport) -> String {
    let mut text = format!(
        "staged {} {} into {}\n  identity  {}\n",
        report.bundle.name,
        report.bundle.version,
        report.out.display(),
        report.bundle.identity
    );
    text.push_str(&stand_ins_line(&report.stand_ins));
    for host in &report.hosts {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  host {:<12} {}; MANIFEST.sha256 {}",
            host.name.as_str(),
            count(host.files, "file"),
            host.manifest
        );
    }
    let kept = if report.secrets_made.is_empty() {
        "all kept".to_owned()
    } else {
        report.secrets_made.join(", ")
    };
    let _ = writeln!(text, "  secrets made now: {kept}");
    let _ = writeln!(
        text,
        "  bundle files that no host needs: {}, each checked",
        report.only_checked
    );
    if report.egress.is_empty() {
        text.push_str("  hosts outside the deployment that generated files name: none\n");
    }
    for one in &report.egress {
        let _ = writeln!(
            text,
            "  outside, acknowledged: {} in {} line {}",
            one.host, one.file, one.line
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    let _ = writeln!(
        text,
        "  next: read {}",
        report.out.join("INSTALL.md").display()
    );
    text
}
