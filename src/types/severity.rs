//! Which of several refusals leads: the one that a person must look at first.
//!
//! Ids are those of `haversack explain`. Bytes that are not what was stated come first, then signatures and keys that do
//! not hold, then policy and this machine; that a file could not be had is the least.

/// How severe a refusal of this id is: 0 is the most severe.
#[must_use]
pub fn rank(id: &str) -> u8 {
    match id.as_bytes() {
        [b'E', b'3', ..] => 0,
        // Other bytes than were locked.
        b"E705" => 1,
        [b'E', b'4', ..] => 2,
        // A page in place of a file, and what contradicts itself.
        b"E702" | b"E710" | b"E712" => 3,
        [b'E', b'5', ..] => 4,
        [b'E', b'6', ..] => 5,
        [b'E', b'2', ..] => 6,
        _ => 7,
    }
}

/// The most severe of these ids, the first of equals.
#[must_use]
pub fn most_severe(ids: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    ids.into_iter().min_by_key(|id| rank(id))
}

/// The next steps of several refusals, the most severe first, each once: alone when all have the same, otherwise with the id
/// that it belongs to.
#[must_use]
pub fn next_steps(all: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Option<String> {
    let mut steps: Vec<(&'static str, String)> = Vec::new();
    for (id, step) in all {
        let Some(step) = step else { continue };
        if !steps.iter().any(|(_, known)| *known == step) {
            steps.push((id, step));
        }
    }
    steps.sort_by_key(|(id, _)| rank(id));
    match steps.as_slice() {
        [] => None,
        [(_, only)] => Some(only.clone()),
        several => {
            let lines = several.iter().map(|(id, step)| format!("{id}: {step}"));
            Some(lines.collect::<Vec<_>>().join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn altered_bytes_lead_whatever_else_failed() {
        let ids = ["E706", "E705", "E330", "E413"];
        assert_eq!(most_severe(ids), Some("E330"));
        assert_eq!(most_severe(["E706", "E705"]), Some("E705"));
        assert_eq!(most_severe(["E707", "E706"]), Some("E707"));
        assert_eq!(most_severe([]), None);
    }

    #[test]
    fn each_step_is_told_once_and_the_most_severe_first() {
        let step = |text: &str| Some(text.to_owned());
        let told = next_steps([
            ("E706", step("look")),
            ("E705", step("compare")),
            ("E706", step("look")),
            ("E707", None),
        ]);
        assert_eq!(told.as_deref(), Some("E705: compare; E706: look"));
        let same = next_steps([("E706", step("look")), ("E706", step("look"))]);
        assert_eq!(same.as_deref(), Some("look"));
        assert_eq!(next_steps([("E707", None)]), None);
    }
}
