//! Places in a bundle: what the path of a file says of it. No I/O.

use crate::types::path::RelPath;

/// Name of the list in a bundle.
pub const SUMS: &str = "SHA256SUMS";
/// Name of the folder of signatures, the only one that the list does not cover.
pub const SIG: &str = "sig";
/// Name of the folder that stands for the bundle that a delta builds on.
pub const BASE: &str = "base";
/// Name of the folder that stands for the files that a delta makes of those of its base, by changes.
pub const MADE: &str = "made";
/// Name of the folder of a volume that holds changes.
pub const CHANGE: &str = "change";
/// Name of the file that says what each change is.
pub const CHANGES_JSON: &str = "changes.json";

/// The volume or parity volume that a path lies in (`v1`, `p2`); none for the small files.
#[must_use]
pub fn volume_of(path: &RelPath) -> Option<&str> {
    let first = path.first();
    let digits = first.strip_prefix(['v', 'p'])?;
    let numbered = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (first.len() < path.as_str().len() && numbered).then_some(first)
}

/// Whether a volume, such as `p1`, holds parity.
#[must_use]
pub fn of_parity(volume: &str) -> bool {
    volume.starts_with('p')
}

/// Where a file that a delta takes from its base lies in that bundle; none for every other file.
#[must_use]
pub fn in_base(path: &RelPath) -> Option<RelPath> {
    path.below(BASE)?.parse().ok()
}

/// Where a file that a delta makes by a change lies in the full bundle; none for every other file.
#[must_use]
pub fn in_made(path: &RelPath) -> Option<RelPath> {
    path.below(MADE)?.parse().ok()
}

/// Whether a listed file is one that a delta does not carry: its base has it, or a change makes it.
#[must_use]
pub fn is_left_out(path: &RelPath) -> bool {
    in_base(path).is_some() || in_made(path).is_some()
}

/// Where the change lies that makes the file at this place of a volume; none when no list can say so.
#[must_use]
pub fn change_of(place: &RelPath) -> Option<RelPath> {
    let volume = volume_of(place).filter(|volume| volume.starts_with('v'))?;
    let rest = place.below(volume)?;
    format!("{volume}/{CHANGE}/{rest}").parse().ok()
}

/// Whether a list with changes names this file for their sake only.
#[must_use]
pub fn is_of_changes(path: &RelPath) -> bool {
    let in_volume = volume_of(path).filter(|volume| volume.starts_with('v'));
    let rest = in_volume.and_then(|volume| path.below(volume));
    path.as_str() == CHANGES_JSON
        || rest
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(folder, _)| folder == CHANGE)
}
