//! `haversack custody`: the chain of custody.

use std::fmt::Write as _;
use std::path::Path;

use haversack::bundle;
use haversack::custody::{self, Chain, CustodyError, Draft, Expected, Head, Recorded, Relation};
use haversack::fs;
use haversack::report::paper::{self, Sheet};
use haversack::trust::directory::Trust;
use haversack::types::count::count;
use haversack::types::digest::Digest;
use haversack::types::phrase::Phrase;
use haversack::verify;
use serde_json::{Value, json};

use super::Context;
use crate::cli::args::{
    CustodyAddArgs, CustodyCommand, CustodyExportArgs, CustodyVerifyArgs, Paper, PaperFormat,
};
use crate::cli::custodian::{heads, held, now, signing_key, tool};
use crate::cli::exit::Class;
use crate::cli::failure::Failure;
use crate::cli::trusting::places;

/// Adds, proves or prints.
pub(crate) fn run(command: &CustodyCommand, context: &Context<'_>) -> Result<Class, Failure> {
    match command {
        CustodyCommand::Add(args) => add(args, context),
        CustodyCommand::Verify(args) => check(args, context),
        CustodyCommand::Export(args) => export(args, context),
    }
}

fn add(args: &CustodyAddArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let key = args.key.as_deref().map(signing_key).transpose()?;
    let begin = args.of.as_deref().map(custody::begin_of).transpose()?;
    if let Some(of) = &args.of {
        volumes_exist(of, &args.volume)?;
    }
    let expected = Expected {
        begin,
        head: args.head.clone(),
    };
    let object = match (&args.object, begin) {
        (Some(path), _) => custody::begin_of(path)?,
        (None, Some(begin)) => begin,
        (None, None) => custody::load(&args.log, &expected)?.begin(),
    };
    let draft = Draft {
        time: now()?,
        actor: args.actor.clone(),
        role: args.role.clone(),
        action: args.action.clone(),
        object,
        volumes: args.volume.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        second: args.second.clone(),
        tool: tool()?,
        result: args.result.clone(),
        note: args.note.clone(),
    };
    let mut heads = heads(args.state.as_ref())?;
    held(heads.as_ref(), &args.log, &expected)?;
    let added = custody::append(&args.log, &expected, draft, key.as_ref())?;
    if let Some(heads) = &mut heads {
        let about = custody::load(&args.log, &expected)?.begin();
        heads.record(&args.log, about, added.digest)?;
    }
    let value = json!({ "log": args.log, "event": added.event, "head": added.digest });
    let text = format!(
        "event {} written into {}\n  head      {}  ({})\n  next: write this head on the sign-off sheet; without it nobody else sees a \
         change of the last event\n",
        added.event.n,
        args.log.display(),
        added.digest,
        added.digest.label()
    );
    context.output.result(&value, &text);
    Ok(Class::Ok)
}

/// Refuses volumes such as `v7` that the bundle does not have; media may have names of their own.
fn volumes_exist(of: &Path, named: &[Phrase]) -> Result<(), Failure> {
    if named.is_empty() || !fs::examine(of)?.is_some_and(|found| found.is_dir()) {
        return Ok(());
    }
    let wanted = bundle::to_sign(of)?;
    let header = wanted.sums.header();
    for volume in named {
        let text = volume.as_str();
        let (last, number) = match (text.strip_prefix('v'), text.strip_prefix('p')) {
            (Some(number), _) => (header.volumes, number),
            (_, Some(number)) => (header.parity, number),
            _ => continue,
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        if !(1..=u64::from(last)).contains(&number) {
            return Err(Failure::plain(
                "E288",
                format!("the bundle has no volume {text}"),
                format!(
                    "it has {} volumes v… and {} volumes p…",
                    header.volumes, header.parity
                ),
            ));
        }
    }
    Ok(())
}

fn check(args: &CustodyVerifyArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let trust = args.trust.as_deref().map(Trust::load).transpose()?;
    let begin = args.of.as_deref().map(custody::begin_of).transpose()?;
    let expected = Expected {
        begin,
        head: args.head.clone(),
    };
    let heads = heads(args.state.as_ref())?;
    let mut remembered = None;
    let mut chains: Vec<(&Path, Chain)> = Vec::new();
    for log in &args.logs {
        // The digest on the sheet was the head of one of them.
        let expected = if chains.is_empty() {
            expected.clone()
        } else {
            Expected { begin, head: None }
        };
        let chain = custody::load(log, &expected).map_err(detailed)?;
        if let Some(heads) = &heads {
            let known = heads.check(log, &chain).map_err(detailed)?;
            if chains.is_empty() {
                remembered = known;
            }
        }
        chains.push((log, chain));
    }
    let carried = match &args.of {
        Some(of) => carried_log(of)?,
        None => None,
    };
    let relation = match chains.as_slice() {
        [(_, one), (_, other)] => Some(one.stands_to(other)),
        _ => None,
    };
    let Some((_, chain)) = chains.first() else {
        return Err(Failure::usage("no log is named", "name one"));
    };
    let mut text = String::new();
    if let Some(carried) = &carried {
        text.push_str("in the bundle, up to signing:\n");
        text.push_str(&shown(carried, trust.as_ref()));
    }
    text.push_str(&shown(chain, trust.as_ref()));
    text.push_str(&end_lines(chain, args.head.as_ref(), remembered));
    if let Some(relation) = relation {
        text.push_str(&relation_line(relation));
    }
    let value = json!({
        "about": chain.begin(),
        "head": chain.head(),
        "head_checked": args.head.is_some(),
        "remembered_events": remembered,
        "events": values(chain, trust.as_ref()),
        "carried": carried.as_ref().map(|chain| values(chain, trust.as_ref())),
        "relation": relation,
    });
    context.output.result(&value, &text);
    Ok(match relation {
        Some(Relation::Parted { .. }) => Class::of_id("E363"),
        _ => Class::Ok,
    })
}

/// How far the end of a log is proved: the chain alone shows no change of its last event.
fn end_lines(chain: &Chain, head: Option<&Head>, remembered: Option<u64>) -> String {
    let Some(last) = chain.events().last() else {
        return String::new();
    };
    let mut text = String::new();
    if let Some(n) = remembered {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  events 1 to {n} are as this host wrote them last, by its state folder"
        );
    }
    let proved = head.is_some_and(|head| head.is(&last.digest)) || remembered == Some(last.event.n);
    if !proved {
        let signed = match &last.signer {
            None => "it is not signed",
            Some(_) => "a signature can be taken off with it",
        };
        let _ = writeln!(
            text,
            "  NOT PROVED: the last event. No chain shows that its last event was changed, or that events behind it were taken \
             off; {signed}.\n  next: compare the head with the one on the sign-off sheet, or give it as --head"
        );
    }
    text
}

fn relation_line(relation: Relation) -> String {
    match relation {
        Relation::Same => "  both logs hold the same events\n".to_owned(),
        Relation::Longer => "  the first log continues the second\n".to_owned(),
        Relation::Shorter => "  the second log continues the first\n".to_owned(),
        Relation::Parted { common } => format!(
            "  TWO HEADS: the logs part after event {common}; two people continued copies of one log\n"
        ),
    }
}

/// The log that travels in a bundle, after its bytes were compared with the list.
fn carried_log(of: &Path) -> Result<Option<Chain>, Failure> {
    if !fs::examine(of)?.is_some_and(|found| found.is_dir()) {
        return Ok(None);
    }
    let described = verify::describe(&places(&[of.to_owned()]), None)?;
    let Some(bytes) = described.read("evidence/custody.jsonl", custody::MAX_LOG)? else {
        return Ok(None);
    };
    Chain::read(&bytes, &Expected::default())
        .map(Some)
        .map_err(|faults| {
            detailed(CustodyError::Broken {
                path: of.join("evidence/custody.jsonl"),
                faults,
            })
        })
}

/// All faults, each on a line of its own.
fn detailed(error: CustodyError) -> Failure {
    let mut lines = String::new();
    if let CustodyError::Broken { faults, .. } = &error {
        for fault in faults {
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "  [{}] {fault}", fault.id());
        }
    }
    Failure::from(error).with_details(lines)
}

fn export(args: &CustodyExportArgs, context: &Context<'_>) -> Result<Class, Failure> {
    let described = verify::describe(&places(&args.bundle), None)?;
    let chain = match &args.log {
        Some(log) => {
            let begin = Some(described.identity());
            Some(custody::load(log, &Expected { begin, head: None }).map_err(detailed)?)
        }
        None => None,
    };
    let sheet = Sheet::new(&described, chain.as_ref());
    let parts = match args.what {
        Paper::All => paper::Parts::All,
        Paper::Sheet => paper::Parts::Sheet,
        Paper::Labels => paper::Parts::Labels,
    };
    let text = match args.format {
        PaperFormat::Text => paper::text(&sheet, parts),
        PaperFormat::Html => paper::html(&sheet, parts),
    };
    let Some(path) = &args.output else {
        context.output.result(&sheet, &text);
        return Ok(Class::Ok);
    };
    fs::write_atomic(path, text.as_bytes(), 0o644)?;
    let digest = Digest::of(text.as_bytes());
    let value = json!({ "written": path, "sha256": digest });
    context
        .output
        .result(&value, &format!("wrote {}\n", path.display()));
    Ok(Class::Ok)
}

fn shown(chain: &Chain, trust: Option<&Trust>) -> String {
    let mut text = format!(
        "WHOLE: {} about {}\n",
        count(chain.events().len(), "event"),
        chain.begin()
    );
    for one in chain.events() {
        let event = &one.event;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  {:>3}  {}  {:<10} {} ({}): {}",
            event.n,
            event.time,
            event.action.as_str(),
            event.actor,
            event.role,
            event.result
        );
        if let Some(second) = &event.second {
            let _ = write!(text, "; with {second}");
        }
        if let Some(note) = &event.note {
            let _ = write!(text, "; {note}");
        }
        if let Some(line) = signer(one, trust) {
            let _ = write!(text, "; {line}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "  head {}  ({})", chain.head(), chain.head().label());
    text
}

/// Who signed an event, in words.
fn signer(one: &Recorded, trust: Option<&Trust>) -> Option<String> {
    let key = one.signer.as_ref()?;
    let id = key.key_id();
    Some(match trust {
        None => format!("signed by the key {id}, which was not held against a trust directory"),
        Some(trust) => match trust.keys().iter().find(|known| known.key == *key) {
            None => format!("signed by the unknown key {id}"),
            Some(known) if trust.revoked(&key.fingerprint()).is_some() => {
                format!("signed by {}, whose key {id} is revoked", known.name)
            }
            Some(known) => format!("signed by {} ({id})", known.name),
        },
    })
}

fn values(chain: &Chain, trust: Option<&Trust>) -> Vec<Value> {
    let events = chain.events().iter().map(|one| {
        json!({ "event": one.event, "digest": one.digest, "key": one.key(), "signer": signer(one, trust) })
    });
    events.collect()
}
