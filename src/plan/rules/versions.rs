//! Deployment, bundle and catalogue together: support windows, upgrades, what a version needs.
//!
//! The clock decides nothing here: that a version is out of support is a warning at most.

use crate::types::count::count;
use jiff::civil::Date;

use crate::manifest::catalogue::{self, Verdict};
use crate::plan::deployment::{KubernetesInstall, Method};
use crate::plan::derive::Plan;
use crate::plan::rules::Kind::Checked;
use crate::plan::rules::{Context, Report, Supply, rules};

rules! {
    "TOOL-209" Backend Warning "PostgreSQL versioning policy" Checked(postgres_gets_fixes) =>
        "the PostgreSQL of the deployment still gets fixes",
        "holes that become known stay open",
        "build a bundle with a newer major, and plan the upgrade of the database";
    "TOOL-210" Application Warning "Mattermost releases" Checked(mattermost_gets_fixes) =>
        "the Mattermost of the bundle still gets fixes",
        "holes that become known stay open",
        "build a bundle with a release that is supported, best an extended support release";
    "TOOL-211" Application Error "Mattermost important upgrade notes" Checked(upgrade_is_allowed) =>
        "the upgrade is one that the publisher allows",
        "an upgrade that the publisher forbids may leave a database that nothing can read",
        "build a bundle with a version that the path allows";
    "TOOL-213" Application Info "this program" Checked(catalogue_has_an_age) =>
        "the bundle was compared with the catalogue of this program",
        "the catalogue does not know what happened after its day",
        "carry a newer haversack across with the next bundle";
    "TOOL-214" Application Info "Mattermost releases" Checked(newest_of_its_line) =>
        "the Mattermost of the bundle is the newest of its line that the catalogue knows",
        "a later release of the same line holds fixes only",
        "build a bundle with the newer release";
    "TOOL-215" Application Warning "Mattermost operator; M11" Checked(operator_pulls_nothing) =>
        "the operator pulls no image that nobody named",
        "a pod waits for ever for an image of the internet",
        "use Mattermost 11.9 or newer with operator 1.25.8 or newer, or carry the image too";
    "TOOL-201" Application Error "this program" Checked(method_is_staged) =>
        "the method is one that this version stages: linux",
        "this version reads and checks the deployment, and generates no files for the method yet",
        "use method = \"linux\", or a later version of haversack";
}

/// The day of the check.
fn today(context: &Context) -> Date {
    jiff::tz::Offset::UTC.to_datetime(context.now).date()
}

/// The version of Mattermost in the bundle.
pub(super) fn mattermost(context: &Context) -> Option<semver::Version> {
    let text = context.supplied("mattermost")?.version.as_str();
    text.trim_start_matches('v').parse().ok()
}

/// The major of PostgreSQL that will run on a host of this deployment.
fn postgres(plan: &Plan, context: &Context) -> Option<u32> {
    let supplied = context.supplied("postgresql").and_then(Supply::major_minor);
    let supplied = supplied.filter(|_| plan.database.host.is_some());
    let asked = plan.database.version.map(u32::from);
    asked.or(supplied.map(|(major, _)| major))
}

fn postgres_gets_fixes(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    let major = postgres(plan, context);
    let known = major.and_then(|major| catalogue::postgresql()?.major(major));
    if let Some(known) = known
        && let Some(end) = catalogue::day(&known.ends)
        && end <= today(context)
    {
        let subject = if plan.database.version.is_some() {
            "database.version"
        } else {
            "bundle"
        };
        report.warn(
            subject,
            format!(
                "PostgreSQL {} reached its end of life on {end}",
                known.major
            ),
        );
    }
}

fn mattermost_gets_fixes(_: &Plan, context: &Context, report: &mut Report<'_>) {
    let version = mattermost(context);
    let cycle = version
        .as_ref()
        .and_then(|version| catalogue::of("mattermost")?.cycle_of(version));
    if let Some(cycle) = cycle
        && let Some(end) = cycle.support_ends.as_ref().and_then(catalogue::day)
        && end < today(context)
    {
        let found = format!("support of Mattermost {} ended on {end}", cycle.cycle);
        report.warn("bundle", found);
    }
}

fn upgrade_is_allowed(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    let (Some(from), Some(to), Some(releases)) = (
        plan.deployment.upgrade_from.as_ref(),
        mattermost(context),
        catalogue::of("mattermost"),
    ) else {
        return;
    };
    if to < *from {
        let found =
            format!("{from} to {to} is a downgrade; the server does not start on a newer database");
        report.error("upgrade_from", found);
    }
    for rule in releases.upgrade(from, &to) {
        let found = format!("{from} to {to}: {}", rule.reason);
        match rule.verdict {
            Verdict::Forbidden => report.error("upgrade_from", found),
            Verdict::Notice => report.info("upgrade_from", found),
        }
    }
}

/// The day of the catalogue, and its age in days on the day of the check.
pub(crate) fn age(context: &Context) -> Option<(Date, i32)> {
    let day = catalogue::as_of()?;
    let days = today(context).since(day).ok()?.get_days();
    Some((day, days))
}

fn catalogue_has_an_age(_: &Plan, context: &Context, report: &mut Report<'_>) {
    if context.supply.is_empty() {
        return;
    }
    if let Some((day, days)) = age(context) {
        report.info(
            "bundle",
            format!("catalogue of {day}, {} old", count(days, "day")),
        );
    }
}

fn newest_of_its_line(_: &Plan, context: &Context, report: &mut Report<'_>) {
    let version = mattermost(context);
    let releases = catalogue::of("mattermost");
    if let (Some(version), Some(releases)) = (version, releases)
        && let Some((newer, day)) = releases.newest_of_line(&version)
    {
        let day = day.map_or_else(String::new, |day| format!(" of {day}"));
        report.info(
            "bundle",
            format!("Mattermost {version}; {newer}{day} exists"),
        );
    }
}

fn operator_pulls_nothing(plan: &Plan, context: &Context, report: &mut Report<'_>) {
    let operator = plan.deployment.kubernetes.as_ref();
    if operator.is_none_or(|cluster| cluster.install != KubernetesInstall::Operator) {
        return;
    }
    let supplied = context.supplied("mattermost-operator");
    let supplied: Option<semver::Version> =
        supplied.and_then(|one| one.version.trim_start_matches('v').parse().ok());
    let features = catalogue::operator().map(|known| known.features.as_slice());
    for feature in features.unwrap_or_default() {
        let old = |version: Option<semver::Version>, needed: &semver::VersionReq| {
            version.is_some_and(|version| !needed.matches(&version))
        };
        if old(mattermost(context), &feature.mattermost) || old(supplied.clone(), &feature.operator)
        {
            let found = format!(
                "without {} it pulls {}",
                feature.name,
                feature.otherwise.join(", ")
            );
            report.warn("kubernetes.install", found);
        }
    }
}

/// Comes last of all rules, so that it knows what the others say.
fn method_is_staged(plan: &Plan, _: &Context, report: &mut Report<'_>) {
    let method = plan.deployment.method;
    if method != Method::Linux {
        let found = if report.has_errors() {
            format!("method {method}, which only other versions may stage")
        } else {
            format!("method {method}; every other rule accepts it")
        };
        report.error("method", found);
    }
}
