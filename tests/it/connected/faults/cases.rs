//! The misbehaviours, and how each must end.

mod answers;
mod places;
mod transfers;

use std::time::Duration;

use super::SIZE;
use crate::support::faults::{Act, Answer, Call, Certificate, cut, head, well};

/// How a case must end.
pub(super) enum Ending {
    /// With the right bytes, some of them sent again.
    Right(Again),
    /// With this id, these words and exit code 7.
    Refused(&'static str, &'static str),
}

/// How many bytes may be sent again.
#[derive(Clone, Copy)]
pub(super) enum Again {
    Exactly(u64),
    AtMost(u64),
}

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) script: &'static [Answer],
    pub(super) ending: Ending,
    pub(super) path: &'static str,
    /// How many requests there must be, where that matters.
    pub(super) requests: Option<usize>,
    pub(super) certificate: Option<Certificate>,
    /// Whether the server's certificate is given with --ca-file.
    pub(super) trusted: bool,
    pub(super) mirror: Option<&'static [Answer]>,
    /// When connections are no longer refused.
    pub(super) late: Option<Duration>,
}

const fn case(name: &'static str, script: &'static [Answer], ending: Ending) -> Case {
    Case {
        name,
        script,
        ending,
        path: "large.bin",
        requests: None,
        certificate: None,
        trusted: false,
        mirror: None,
        late: None,
    }
}

const fn right(name: &'static str, again: u64, script: &'static [Answer]) -> Case {
    case(name, script, Ending::Right(Again::Exactly(again)))
}

const fn refused(
    name: &'static str,
    id: &'static str,
    text: &'static str,
    script: &'static [Answer],
) -> Case {
    case(name, script, Ending::Refused(id, text))
}

const fn after(requests: usize, case: Case) -> Case {
    Case {
        requests: Some(requests),
        ..case
    }
}

const fn over_tls(certificate: Certificate, trusted: bool, case: Case) -> Case {
    Case {
        certificate: Some(certificate),
        trusted,
        ..case
    }
}

const fn with_mirror(mirror: &'static [Answer], case: Case) -> Case {
    Case {
        mirror: Some(mirror),
        ..case
    }
}

const fn late(millis: u64, case: Case) -> Case {
    Case {
        late: Some(Duration::from_millis(millis)),
        ..case
    }
}

const PAGE: &str = "<!DOCTYPE html>\n<title>Sign in</title>";

fn status(code: u16, headers: &[(&str, &str)]) -> Vec<Act> {
    let mut all = vec![("Content-Length", "0".to_owned())];
    all.extend(
        headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    vec![head(code, &all)]
}

fn redirect(to: &str) -> Vec<Act> {
    status(302, &[("Location", to)])
}

/// These bytes with status 200, whatever was asked for.
pub(super) fn whole(bytes: &[u8]) -> Vec<Act> {
    let length = ("Content-Length", bytes.len().to_string());
    vec![head(200, &[length]), Act::Body(bytes.to_vec())]
}

/// The rest that was asked for, under another `Content-Range`.
fn ranged(call: &Call<'_>, range: &str, body: &[u8]) -> Vec<Act> {
    if call.from.is_none() {
        return well(call);
    }
    let mut headers = vec![("Content-Length", body.len().to_string())];
    if !range.is_empty() {
        headers.push(("Content-Range", range.to_owned()));
    }
    vec![head(206, &headers), Act::Body(body.to_vec())]
}

fn raw(text: &str) -> Vec<Act> {
    vec![Act::Head(text.to_owned())]
}

fn page(kind: &str) -> Vec<Act> {
    let headers = [
        ("Content-Type", kind.to_owned()),
        ("Content-Length", PAGE.len().to_string()),
    ];
    vec![head(200, &headers), Act::Body(PAGE.into())]
}

fn host(call: &Call<'_>) -> String {
    let lower = call.headers.to_ascii_lowercase();
    let (_, rest) = lower.split_once("host: ").unwrap();
    rest.lines().next().unwrap().trim().to_owned()
}

fn first_half(call: &Call<'_>) -> Vec<Act> {
    cut(call, SIZE / 2)
}

pub(super) const BUSY_FOR_A_SECOND: &[Answer] = &[|_| status(429, &[("Retry-After", "1")]), well];

const HALF: u64 = 300_000;

/// All of them.
pub(super) fn all() -> Vec<&'static Case> {
    [transfers::CASES, answers::CASES, places::CASES]
        .into_iter()
        .flatten()
        .collect()
}
