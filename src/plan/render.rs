//! A plan as text: hosts, port matrix, findings.

use std::fmt::{self, Write as _};

use crate::plan::derive::Plan;
use crate::plan::finding::{Findings, Severity};
use crate::plan::flow::{Flow, Protocol};
use crate::plan::rules::Layer;

/// The plan and its findings as text for people, ending in a line that counts them.
#[must_use]
pub fn render_text(plan: &Plan, findings: &Findings) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, plan, findings);
    text
}

fn write(text: &mut String, plan: &Plan, findings: &Findings) -> fmt::Result {
    let deployment = &plan.deployment;
    writeln!(
        text,
        "{}  {}, edition {}, {}, {} availability",
        deployment.site,
        deployment.method,
        deployment.edition,
        deployment.purpose,
        deployment.availability,
    )?;
    hosts(text, plan)?;
    database(text, plan)?;
    matrix(text, plan)?;
    self::findings(text, findings)
}

fn hosts(text: &mut String, plan: &Plan) -> fmt::Result {
    writeln!(text, "\nHosts")?;
    let mut rows = Vec::new();
    for host in &plan.deployment.hosts {
        let roles: Vec<&str> = host.roles.iter().map(|role| role.as_str()).collect();
        rows.push(vec![
            host.name.to_string(),
            host.address.to_string(),
            host.distribution.to_string(),
            format!("{} GiB", host.memory_gb),
            roles.join(", "),
        ]);
    }
    table(text, &rows)
}

fn database(text: &mut String, plan: &Plan) -> fmt::Result {
    let database = &plan.database;
    writeln!(text, "\nDatabase")?;
    writeln!(
        text,
        "  {} at {}, database {}, user {}, sslmode {}",
        database.engine, database.endpoint, database.name, database.user, database.sslmode,
    )?;
    writeln!(
        text,
        "  max_connections {} ({} needed), shared_buffers {} MB, work_mem {} MB",
        database.max_connections,
        database.needed_connections,
        database.tuning.shared_buffers_mb,
        database.tuning.work_mem_mb,
    )
}

fn matrix(text: &mut String, plan: &Plan) -> fmt::Result {
    writeln!(
        text,
        "\nConnections between hosts and networks (all others are closed)"
    )?;
    let rows: Vec<Vec<String>> = plan
        .flows
        .iter()
        .map(|flow| {
            vec![
                flow.from.to_string(),
                format!("-> {}", flow.to),
                service(flow),
                flow.purpose.to_owned(),
                flow.rule.to_owned(),
            ]
        })
        .collect();
    table(text, &rows)
}

/// Protocol and port of a flow, such as `tcp/443`; the protocol alone when it has no ports.
pub(super) fn service(flow: &Flow) -> String {
    match flow.protocol {
        Protocol::Tcp | Protocol::Udp => format!("{}/{}", flow.protocol, flow.port),
        Protocol::Vrrp => flow.protocol.to_string(),
    }
}

fn findings(text: &mut String, findings: &Findings) -> fmt::Result {
    writeln!(text, "\nFindings")?;
    for (level, layer) in Severity::ALL
        .iter()
        .flat_map(|level| Layer::ALL.iter().map(move |layer| (*level, *layer)))
    {
        let mut some = findings
            .iter()
            .filter(|one| (one.level, one.layer) == (level, layer))
            .peekable();
        if some.peek().is_some() {
            writeln!(text, "  {layer} layer")?;
        }
        for finding in some {
            writeln!(text, "  {}", finding.to_string().replace('\n', "\n  "))?;
        }
    }
    let count = |level| findings.count(level);
    let accepted = findings.iter().filter(|finding| finding.accepted).count();
    write!(
        text,
        "  {} errors, {} warnings, {} accepted, {} for information",
        count(Severity::Error),
        count(Severity::Warning),
        accepted,
        count(Severity::Info),
    )?;
    if findings.refuses() {
        write!(text, "; nothing can be staged until the errors are gone")?;
    }
    writeln!(text)
}

/// Rows with their columns aligned, the last one not padded.
fn table(text: &mut String, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, " {cell:<width$} ")?;
        }
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
}
