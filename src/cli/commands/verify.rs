//! `haversack verify`: proves a bundle.

#[cfg(feature = "connected")]
mod evidence;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use haversack::bundle::places::volume_of;
use haversack::carry::{self, Taking};
use haversack::custody;
use haversack::event::Event;
use haversack::fs;
use haversack::report::envelope::ReportHeader;
use haversack::report::verification;
use haversack::trust::cms::CmsVerdict;
use haversack::trust::directory::Trust;
use haversack::types::count::count;
use haversack::types::path::RelPath;
use haversack::types::size::ByteSize;
use haversack::verify::{self, Damage, Problem, Seen, Survey, Verdict, VerifyError, VerifyReport};

use super::{Context, first_lock_lines, override_line, stand_ins_line};
use crate::cli::args::VerifyArgs;
use crate::cli::custodian::{self, Deed};
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::surroundings;
use crate::cli::trusting::{Trusting, created_now, places};

/// Verifies, prints the report, and remembers a good bundle.
pub(crate) fn run(args: &VerifyArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let mut trusting = Trusting::load(&args.trust)?;
    let dirs = places(&args.bundle);
    custodian::prepare(&args.custodian, &dirs)?;
    #[cfg(feature = "connected")]
    if let (true, [file]) = (args.evidence, dirs.as_slice()) {
        evidence::refuse_file(file)?;
    }
    let Trusting {
        trust,
        memory,
        options,
    } = &trusting;
    let (observer, cancel) = (context.observer, context.cancel);
    let mut next = None;
    let report = match dirs.as_slice() {
        [file] if fs::examine(file)?.is_some_and(|found| found.is_file()) => {
            if args.recarry.is_some() {
                return Err(Failure::usage(
                    "a bundle in one file has no list of what to bring again",
                    "send it again as it is, or unpack it (tar xf) and name the folder",
                ));
            }
            let from = &mut fs::open(file)?;
            let taking = Taking {
                trust,
                memory,
                options,
                bases: &[],
            };
            carry::check((from, file), taking, observer, cancel)?
        }
        _ => {
            let survey = verify::survey(&dirs, trust, memory, options, observer, cancel)
                .map_err(|error| refused(args, &dirs, error))?;
            if let Some(file) = &args.recarry {
                next = Some(recarry(&survey, file)?);
            }
            in_turn(survey.into_report(), args)?
        }
    };
    for warning in &report.warnings {
        context.observer.on(&Event::Warning {
            id: warning.id,
            text: &warning.text,
        });
    }
    let deed = |result| Deed {
        role: "receiver",
        action: "verified",
        identity: report.identity,
        result,
        note: report.override_reason.as_deref(),
        state: args.trust.state.as_ref(),
    };
    // Before anything is remembered: a bundle whose evidence does not hold is not accepted.
    #[cfg(feature = "connected")]
    let evidence = if args.evidence {
        match evidence::check(&dirs, &report, &trusting, context) {
            Ok(checked) => checked,
            Err(failure) => {
                custodian::record(&args.custodian, &deed(&failure.id))?;
                return Err(failure);
            }
        }
    } else {
        None
    };
    if matches!(report.verdict, Verdict::Good | Verdict::GoodInTurn) {
        let reason = report.override_reason.as_deref();
        trusting
            .memory
            .record(&report.header, &report.identity, reason)?;
    }
    if let Some(path) = &args.report {
        keep(&report, &trusting.trust, args, path)?;
    }
    custodian::record(&args.custodian, &deed(report.id().unwrap_or("ok")))?;
    #[cfg(feature = "connected")]
    if let Some(checked) = evidence {
        let value = serde_json::json!({ "report": report, "evidence": checked });
        let text = text_with(&report, next) + &checked.line(&report);
        context.output.result(&value, &text);
        return Ok(Class::Ok);
    }
    context.output.result(&report, &text_with(&report, next));
    Ok(report.id().map_or(Class::Ok, Class::of_id))
}

/// Writes the list of what must be brought again, and says what to do with it.
fn recarry(survey: &Survey, file: &Path) -> Result<String, Failure> {
    if fs::examine(file)?.is_some() {
        return Err(Failure::plain(
            "E285",
            format!("{} exists", file.display()),
            "name a file that does not exist yet",
        ));
    }
    let list = survey.recarry();
    fs::write_atomic(file, list.render().as_bytes(), 0o644)?;
    let (report, shown) = (survey.report(), file.display());
    let hint = report
        .hint()
        .map_or(String::new(), |hint| format!("; {hint}"));
    if list.pieces.is_empty() {
        return Ok(format!(
            "nothing has to be brought again, and {shown} is empty{hint}"
        ));
    }
    let at_once = match report.repairable {
        Some(true) => {
            "what is here gives everything back: haversack repair BUNDLE --trust DIR -o NEW; or "
        }
        _ => "",
    };
    Ok(format!(
        "{at_once}carry {shown} ({} pieces) to the connected side: haversack patch BUNDLE --list {shown} -o PATCH; then here \
         haversack repair BUNDLE --patch PATCH --trust DIR -o NEW",
        list.pieces.len(),
    ))
}

/// Remembers the volumes that are here, and counts those that were here before.
fn in_turn(report: VerifyReport, args: &VerifyArgs) -> Result<VerifyReport, Failure> {
    let mut seen = Seen::load(&surroundings::state_folder(args.trust.state.as_ref())?)?;
    if !matches!(
        report.verdict,
        Verdict::Incomplete | Verdict::Good | Verdict::Delta
    ) {
        // The last look at a medium counts, and not an earlier one.
        let here = report.present_volumes();
        let here: Vec<&str> = here.iter().map(String::as_str).collect();
        seen.withdraw(&report.identity, &here)?;
        return Ok(report);
    }
    let known = seen.volumes(&report.identity);
    let report = report.with_earlier(&known);
    match (report.verdict, created_now()) {
        (Verdict::Incomplete, Some(now)) => {
            seen.record(&report.identity, report.present_volumes(), now)?;
        }
        _ => seen.forget(&report.identity)?,
    }
    Ok(report)
}

/// Keeps the report as evidence.
fn keep(
    report: &VerifyReport,
    trust: &Trust,
    args: &VerifyArgs,
    path: &Path,
) -> Result<(), Failure> {
    let mut header = ReportHeader::new(verification::KIND, custodian::tool()?);
    header.time = Some(custodian::now()?);
    header.host = surroundings::host_name();
    header.operator.clone_from(&args.custodian.actor);
    let kept = verification::envelope(report, trust, header)?;
    fs::write_atomic(path, kept.render()?.as_bytes(), 0o644)?;
    Ok(())
}

/// A refusal is an event too: what was offered, and why it was not taken.
fn refused(args: &VerifyArgs, dirs: &[PathBuf], error: VerifyError) -> Failure {
    let offered = dirs.first().and_then(|dir| custody::begin_of(dir).ok());
    if let (Some(identity), false) = (offered, matches!(error, VerifyError::Cancelled(_))) {
        let deed = Deed {
            role: "receiver",
            action: "verified",
            identity,
            result: error.id(),
            note: None,
            state: args.trust.state.as_ref(),
        };
        if let Err(failure) = custodian::record(&args.custodian, &deed) {
            return failure;
        }
    }
    error.into()
}

pub(super) fn text(report: &VerifyReport) -> String {
    text_with(report, None)
}

/// The report, with another next step than its own.
fn text_with(report: &VerifyReport, next: Option<String>) -> String {
    let header = &report.header;
    let word = match report.verdict {
        Verdict::Good => "GOOD",
        Verdict::GoodInTurn => "GOOD, one medium after the other",
        Verdict::Incomplete => "GOOD so far, not complete",
        Verdict::Delta => "DELTA, good as carried",
        Verdict::Bad => "BAD",
        Verdict::Unreadable => "NOT PROVEN: not everything could be read",
    };
    let mut text = format!(
        "{word}: {} {} number {}\n",
        header.name,
        header.version.as_str(),
        header.sequence.get()
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  identity  {}  ({})",
        report.identity,
        report.identity.label()
    );
    for signer in &report.signers {
        let _ = writeln!(text, "  signed by {} {}", signer.key, signer.name);
    }
    let _ = writeln!(text, "  needed    {} of the trusted keys", report.threshold);
    let _ = writeln!(
        text,
        "  hashed    {}, {}",
        count(report.files_good, "file"),
        ByteSize(report.bytes_good)
    );
    if let Some(base) = header.base {
        let _ = writeln!(
            text,
            "  delta on  {base}  ({})\n            {} carried good; {} to come from the base, {} to be made by changes",
            base.label(),
            count(report.files_good, "file"),
            report.files_of_base,
            report.files_made
        );
    }
    if !report.absent_volumes.is_empty() {
        let all = u32::from(header.volumes).saturating_add(u32::from(header.parity));
        let _ = writeln!(
            text,
            "  here      {} of {}",
            report.present_volumes().join(", "),
            count(all, "volume")
        );
    }
    text.push_str(&override_line(report.override_reason.as_deref()));
    for (volume, when) in &report.earlier_volumes {
        let _ = writeln!(text, "  before    {volume} was good at {when}");
    }
    text.push_str(&stand_ins_line(&report.stand_ins));
    for one in &report.cms {
        let said = match &one.verdict {
            CmsVerdict::Good { subject, .. } => format!("good, by {subject}"),
            CmsVerdict::Bad { reason } => format!("BAD: {reason}"),
            CmsVerdict::Dates { reason } => format!("OUT OF DATE: {reason}"),
            CmsVerdict::Revoked { reason } => format!("REVOKED: {reason}"),
            CmsVerdict::NotChecked { reason } => format!("not checked: {reason}"),
        };
        let _ = writeln!(text, "  CMS       {}: {said}", one.file);
    }
    text.push_str(&first_lock_lines(&report.first_locks));
    for ignored in &report.ignored_signatures {
        let _ = writeln!(text, "  not counted: {}: {}", ignored.file, ignored.reason);
    }
    for problem in &report.problems {
        let _ = writeln!(text, "  [{}] {problem}", problem.id());
    }
    if report.verdict == Verdict::Delta {
        text.push_str("  [E512] the base is not here\n");
    }
    if report.verdict == Verdict::Incomplete {
        text.push_str("  [E801] volumes are missing\n");
    }
    if let Some(damage) = &report.damage {
        text.push_str(&damage_lines(damage));
    }
    if report.repairable == Some(false) {
        text.push_str(&small_line(report));
    }
    if let Some(hint) = next.or_else(|| report.hint()) {
        let _ = writeln!(text, "  next: {hint}");
    }
    text
}

/// How many blocks a person is told by name; `--json` names more.
const SHOWN: usize = 12;

/// The damaged small files, which nothing but a good copy gives back.
fn small_line(report: &VerifyReport) -> String {
    let damaged = report.problems.iter().filter(|one| one.is_damage());
    let small = damaged.filter(|one| {
        let path = one.path().parse::<RelPath>();
        path.is_ok_and(|path| volume_of(&path).is_none())
    });
    let names: BTreeSet<&str> = small.map(Problem::path).collect();
    let names: Vec<&str> = names.into_iter().take(SHOWN).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        "  small     {}: no parity covers them, they are carried again\n",
        names.join(" ")
    )
}

fn damage_lines(damage: &Damage) -> String {
    let mut names: Vec<&str> = damage
        .blocks
        .iter()
        .map(String::as_str)
        .take(SHOWN)
        .collect();
    if damage.blocks.len() > SHOWN {
        names.push("…");
    }
    let outlook = if damage.repairable {
        "the parity suffices to rebuild them".to_owned()
    } else {
        format!(
            "too many: {} lost in one group, {} can be rebuilt",
            damage.worst_lost, damage.worst_left
        )
    };
    format!(
        "  lost      {} payload and {} of {}: {}\n  outlook   {outlook}\n",
        damage.data_lost,
        count(damage.parity_lost, "parity block"),
        ByteSize(damage.block_bytes),
        names.join(" ")
    )
}
