//! Commands that write themselves into a custody log.

use std::path::{Path, PathBuf};

use haversack::bundle::header::Created;
use haversack::custody::{self, Draft, Expected, Heads};
use haversack::fs;
use haversack::trust::key::{KeyError, MAX_KEY_TEXT, SigningKey};
use haversack::types::digest::Digest;
use haversack::types::name::Name;
use haversack::types::phrase::Phrase;
use haversack::types::secret::Secret;

use super::args::CustodianArgs;
use super::failure::Failure;
use super::surroundings;

/// What a run did with a bundle.
pub(crate) struct Deed<'a> {
    /// As what the person acts.
    pub(crate) role: &'static str,
    /// What was done.
    pub(crate) action: &'static str,
    /// The identity of the bundle.
    pub(crate) identity: Digest,
    /// What came out: `ok`, or the id of a message.
    pub(crate) result: &'a str,
    /// Anything else.
    pub(crate) note: Option<&'a str>,
    /// The state folder, when one was named.
    pub(crate) state: Option<&'a PathBuf>,
}

/// Writes what was done into the log, when one was named.
pub(crate) fn record(args: &CustodianArgs, deed: &Deed<'_>) -> Result<(), Failure> {
    let (Some(log), Some(actor)) = (&args.custody, &args.actor) else {
        return Ok(());
    };
    let key = args.custody_key.as_deref().map(signing_key).transpose()?;
    let draft = Draft {
        time: now()?,
        actor: actor.clone(),
        role: word(deed.role)?,
        action: word(deed.action)?,
        object: deed.identity,
        volumes: Vec::new(),
        from: None,
        to: None,
        second: None,
        tool: tool()?,
        result: phrase(deed.result)?,
        note: deed.note.and_then(Phrase::of),
    };
    let expected = Expected {
        begin: Some(deed.identity),
        head: None,
    };
    let mut heads = heads(deed.state)?;
    held(heads.as_ref(), log, &expected)?;
    let added = custody::append(log, &expected, draft, key.as_ref())?;
    if let Some(heads) = &mut heads {
        heads.record(log, deed.identity, added.digest)?;
    }
    Ok(())
}

/// What this host remembers of the logs that it wrote; none without a place to remember it.
pub(crate) fn heads(state: Option<&PathBuf>) -> Result<Option<Heads>, Failure> {
    let folder = surroundings::custody_state(state);
    Ok(folder.map(|folder| Heads::load(&folder)).transpose()?)
}

/// Refuses a log in which the event that this host wrote last was changed or taken off.
pub(crate) fn held(heads: Option<&Heads>, log: &Path, expected: &Expected) -> Result<(), Failure> {
    if let (Some(heads), Some(_)) = (heads, fs::examine(log)?) {
        heads.check(log, &custody::load(log, expected)?)?;
    }
    Ok(())
}

/// Proves before a long run that its end can be written into the log.
pub(crate) fn prepare(args: &CustodianArgs, places: &[PathBuf]) -> Result<(), Failure> {
    let (Some(log), Some(bundle)) = (&args.custody, places.first()) else {
        return Ok(());
    };
    // Of a bundle in one file the identity is only known when it was read.
    if fs::examine(bundle)?.is_some_and(|found| found.is_file()) {
        return Ok(());
    }
    // That there is no bundle is for the run itself to say.
    if let (Some(_), Ok(begin)) = (fs::examine(log)?, custody::begin_of(bundle)) {
        let begin = Some(begin);
        custody::load(log, &Expected { begin, head: None })?;
    }
    args.custody_key.as_deref().map(signing_key).transpose()?;
    Ok(())
}

/// The time by the clock, as events have it.
pub(crate) fn now() -> Result<Created, Failure> {
    Created::from_epoch(surroundings::now().as_second())
        .ok_or_else(|| Failure::usage("the clock is before 1970 or after 9999", "set the clock"))
}

/// This program and its version.
pub(crate) fn tool() -> Result<Phrase, Failure> {
    phrase(concat!("haversack ", env!("CARGO_PKG_VERSION")))
}

/// A private key in a file.
pub(crate) fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let limit = u64::try_from(MAX_KEY_TEXT).unwrap_or(u64::MAX);
    let pem = Secret::new(fs::read_text(path, limit)?);
    SigningKey::from_pem(pem.reveal()).map_err(|error| of_key(&error, path))
}

/// What is told of a key that cannot be used.
pub(crate) fn of_key(error: &KeyError, path: &Path) -> Failure {
    let mut failure = Failure::new("E281", error, error.hint());
    failure
        .messages
        .insert(0, format!("cannot use the key {}", path.display()));
    failure
}

fn word(text: &str) -> Result<Name, Failure> {
    text.parse()
        .map_err(|error| Failure::new("E990", &error, None))
}

fn phrase(text: &str) -> Result<Phrase, Failure> {
    text.parse()
        .map_err(|error| Failure::new("E990", &error, None))
}
