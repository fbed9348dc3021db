//! `haversack outdated`: how far a lock is behind what its publishers have.

use std::fmt::Write as _;

use haversack::resolve::{self, Earlier, Standing, State};
use serde_json::json;

use super::Context;
use super::lock::{Wish, Workshop, lock_path, options, read_lock};
use crate::cli::args::OutdatedArgs;
use crate::cli::exit::Class;
use crate::cli::failure::Failure;

/// Prints a row a component; with `--strict`, findings end with 1.
pub(crate) fn run(args: &OutdatedArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let workshop = Workshop::open(&args.source)?;
    let wish = Wish::read(&args.manifest)?;
    let lock = read_lock(
        &lock_path(&args.manifest, args.lock.as_deref()),
        &args.manifest,
    )?;
    let rows = resolve::outdated(
        &wish.draft,
        &lock,
        &wish.folder,
        (&workshop.web(context), &workshop.store),
        &options(workshop.jobs, Earlier::default()),
        context.observer,
        context.cancel,
    )?;
    let findings = rows.iter().filter(|row| row.is_finding()).count();
    context.output.result(
        &json!({ "components": rows, "findings": findings }),
        &text(&rows),
    );
    Ok(if args.strict && findings > 0 {
        Class::Findings
    } else {
        Class::Ok
    })
}

fn text(rows: &[Standing]) -> String {
    let heads = [
        "component",
        "what",
        "locked",
        "allowed",
        "in line",
        "newest",
        "support ends",
    ];
    let mut table = vec![heads.map(str::to_owned)];
    for row in rows {
        let or_dash = |one: &Option<String>| one.clone().unwrap_or_else(|| "-".to_owned());
        let locked = or_dash(&row.locked);
        let ends = or_dash(&row.support_ends);
        table.push([
            row.component.to_string(),
            row.what.clone(),
            marked(locked, row),
            or_dash(&row.allowed),
            or_dash(&row.in_line),
            or_dash(&row.newest),
            if row.unsupported {
                format!("{ends} PASSED")
            } else {
                ends
            },
        ]);
    }
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            let cells = table.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (at, line) in table.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        let row = at.checked_sub(1).and_then(|at| rows.get(at));
        for remark in row.into_iter().flat_map(|row| &row.remarks) {
            let _ = writeln!(text, "    {remark}");
        }
    }
    if rows.iter().any(|row| row.state == State::Behind) {
        text.push_str(
            "! the manifest allows a newer version: haversack lock MANIFEST --update COMPONENT\n",
        );
    }
    if rows.iter().any(|row| row.withdrawn) {
        text.push_str(
            "WITHDRAWN its source no longer lists that version: ask the publisher why before you carry it\n",
        );
    }
    text
}

/// The locked version, with marks that the legend explains.
fn marked(mut locked: String, row: &Standing) -> String {
    if row.state == State::Behind {
        locked.push_str(" !");
    }
    if row.withdrawn {
        locked.push_str(" WITHDRAWN");
    }
    locked
}
