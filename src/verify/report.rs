//! The result of a verification, for people and for files. Its body depends on the bundle, the trust
//! and the memory only: no time, no host, no path of this machine.

use serde::Serialize;

use crate::bundle::contents::Contents;
use crate::bundle::header::Header;
use crate::bundle::places;
use crate::trust::cms::CmsResult;
use crate::trust::judge::{Ignored, Signer};
use crate::types::digest::Digest;
use crate::types::target::Target;
use crate::verify::authentic::Authentic;
use crate::verify::damage::Damage;
use crate::verify::memory::Standing;
use crate::verify::problem::Problem;
use crate::verify::seen::Volumes;

/// The way of what no repair gives back.
const CARRY: &str = "carry again only what is lost: run this with --recarry LIST; on the connected side haversack patch BUNDLE \
                     --list LIST -o PATCH; then here haversack repair BUNDLE --patch PATCH --trust DIR -o NEW";

/// What makes a bundle of a delta.
const COMPLETE: &str = "what it carries is good; now complete it with its base on the isolated side: haversack receive DELTA --base OLD --trust DIR -o NEW";

/// What came out in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every listed file is here, and every byte is what was signed.
    Good,
    /// Everything that is here is good, and the volumes that are not were verified before, one medium after the
    /// other. A medium may have changed since; whatever uses its bytes hashes them again.
    GoodInTurn,
    /// Everything that is here is good, but volumes are not here.
    Incomplete,
    /// Everything that a delta carries is good. It is no bundle before its base completes it.
    Delta,
    /// Something is wrong.
    Bad,
    /// Nothing wrong was found, but not everything could be read.
    Unreadable,
}

/// Something a person should know, and that no decision was made by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A stable id.
    pub id: &'static str,
    /// One sentence.
    pub text: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Format of this report: 1.
    pub report: u32,
    /// What came out.
    pub verdict: Verdict,
    /// SHA-256 of `SHA256SUMS`.
    pub identity: Digest,
    /// What the bundle is.
    pub header: Header,
    /// What it is for; none when `bundle.json` is wrong.
    pub target: Option<Target>,
    /// Components whose files stand in for the real programs: not for production. Empty when
    /// `bundle.json` is wrong, for then nothing is known about them.
    pub stand_ins: Vec<String>,
    /// Files that nobody upstream vouches for, as `path: reason`. Empty when `bundle.json` is wrong.
    pub first_locks: Vec<String>,
    /// Trusted keys that signed.
    pub signers: Vec<Signer>,
    /// How many of them the policy asks for.
    pub threshold: u8,
    /// Signature files that did not count.
    pub ignored_signatures: Vec<Ignored>,
    /// What the host's `openssl` says of CMS signatures, when the policy asks about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cms: Vec<CmsResult>,
    /// How it stands to what was accepted before.
    pub standing: Standing,
    /// Why it was accepted although the memory refuses it.
    pub override_reason: Option<String>,
    /// Files whose every byte was hashed and is good.
    pub files_good: u64,
    /// Bytes of these files.
    pub bytes_good: u64,
    /// Of a delta, how many files come from its base; they are not looked at.
    #[serde(skip_serializing_if = "is_zero")]
    pub files_of_base: u64,
    /// Of a delta, how many files its changes make of files of its base.
    #[serde(skip_serializing_if = "is_zero")]
    pub files_made: u64,
    /// Volumes that are not here.
    pub absent_volumes: Vec<String>,
    /// Those of them that were verified before, and when.
    #[serde(skip_serializing_if = "Volumes::is_empty")]
    pub earlier_volumes: Volumes,
    /// What is wrong, sorted by path.
    pub problems: Vec<Problem>,
    /// What is lost in blocks, when the bundle carries parity; none when all is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Whether `haversack repair` makes it whole from what is here, without anything that is carried again; none
    /// when all is good, and when that was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repairable: Option<bool>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

impl VerifyReport {
    /// The report of one who remembers that these volumes were verified before.
    #[must_use]
    pub fn with_earlier(mut self, earlier: &Volumes) -> Self {
        if self.verdict == Verdict::Incomplete {
            let absent = self.absent_volumes.iter();
            let known = absent.filter_map(|volume| Some((volume.clone(), *earlier.get(volume)?)));
            self.earlier_volumes = known.collect();
            if self.earlier_volumes.len() == self.absent_volumes.len() {
                self.verdict = match self.header.base {
                    None => Verdict::GoodInTurn,
                    Some(_) => Verdict::Delta,
                };
            }
        }
        self
    }

    /// The volumes that are here.
    #[must_use]
    pub fn present_volumes(&self) -> Vec<String> {
        let payload = (1..=self.header.volumes).map(|number| format!("v{number}"));
        let parity = (1..=self.header.parity).map(|number| format!("p{number}"));
        let all = payload.chain(parity);
        all.filter(|volume| !self.absent_volumes.contains(volume))
            .collect()
    }

    /// The volumes that were neither here nor verified before.
    #[must_use]
    pub fn volumes_to_insert(&self) -> Vec<&str> {
        let absent = self.absent_volumes.iter();
        let new = absent.filter(|volume| !self.earlier_volumes.contains_key(*volume));
        new.map(String::as_str).collect()
    }

    /// The report of a bundle of which every file came and is right: so many files and bytes.
    pub(crate) fn proved(
        authentic: &Authentic,
        threshold: u8,
        contents: &Contents,
        (files, bytes): (u64, u64),
    ) -> Self {
        Self {
            report: 1,
            verdict: Verdict::Good,
            identity: authentic.identity,
            header: authentic.sums.header().clone(),
            target: Some(contents.target),
            stand_ins: contents.stand_ins(),
            first_locks: contents.unvouched(),
            signers: authentic.judgement.signers.clone(),
            threshold,
            ignored_signatures: authentic.judgement.ignored.clone(),
            cms: authentic.cms.clone(),
            standing: authentic.standing,
            override_reason: authentic.override_reason.clone(),
            files_good: files,
            bytes_good: bytes,
            files_of_base: 0,
            files_made: 0,
            absent_volumes: Vec::new(),
            earlier_volumes: Volumes::new(),
            problems: Vec::new(),
            damage: None,
            repairable: None,
            warnings: authentic.warnings.clone(),
        }
    }

    /// The id of the worst problem, such as `E301`; `E801` when volumes are missing; `E512` of a delta, whose base is
    /// not here; none when all is good. The first digit is the exit class.
    #[must_use]
    pub fn id(&self) -> Option<&'static str> {
        let worst = self.problems.iter().map(Problem::id).min();
        worst.or(match self.verdict {
            Verdict::Incomplete => Some("E801"),
            Verdict::Delta => Some("E512"),
            _ => None,
        })
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if let Some(strange) = self.problems.iter().find(|one| !one.is_damage()) {
            return strange.hint();
        }
        if self.verdict == Verdict::Delta {
            return Some(COMPLETE.to_owned());
        }
        if self.header.base.is_some() && !self.problems.is_empty() {
            return Some("carry this delta over again; or ask for the full bundle".to_owned());
        }
        let insert = self.volumes_to_insert().join(", ");
        match (self.problems.first(), self.repairable) {
            (Some(_), Some(true)) => Some(
                "what is here gives everything back: haversack repair BUNDLE --trust DIR -o NEW"
                    .to_owned(),
            ),
            (Some(Problem::Unreadable { .. }), _) => self.problems.first()?.hint(),
            (Some(_), Some(false)) => Some(CARRY.to_owned()),
            (Some(problem), None) => problem.hint(),
            (None, _) if self.verdict != Verdict::Incomplete => None,
            (None, repairable) => {
                let of_parity = |volume: &String| places::of_parity(volume);
                Some(if self.absent_volumes.iter().all(of_parity) {
                    format!(
                        "the payload is complete; insert {insert}, or have the parity made anew: haversack repair BUNDLE --trust DIR -o NEW"
                    )
                } else if repairable == Some(true) {
                    format!(
                        "insert {insert} and run the same command again; what is lost for good, the parity gives back: haversack repair BUNDLE --trust DIR -o NEW"
                    )
                } else {
                    format!(
                        "insert {insert}: run the same command again, with one place or all of them; of what is lost for good, --recarry LIST writes the list for haversack patch"
                    )
                })
            }
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What came out, from what was found.
pub(crate) fn verdict(problems: &[Problem], absent: usize, delta: bool) -> Verdict {
    if problems.is_empty() {
        return match (absent, delta) {
            (0, false) => Verdict::Good,
            (0, true) => Verdict::Delta,
            _ => Verdict::Incomplete,
        };
    }
    let unreadable = |problem: &Problem| matches!(problem, Problem::Unreadable { .. });
    if problems.iter().all(unreadable) {
        Verdict::Unreadable
    } else {
        Verdict::Bad
    }
}
