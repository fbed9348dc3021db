//! Places in texts, as people find them.

/// Line and column of a byte of a text, both counted from 1, the column in bytes.
#[must_use]
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line_start = before
        .rfind('\n')
        .map_or(0, |newline| newline.saturating_add(1));
    (
        before.matches('\n').count().saturating_add(1),
        at.saturating_sub(line_start).saturating_add(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_one() {
        for (at, place) in [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (4, (2, 2))] {
            assert_eq!(line_and_column("ab\ncd", at), place);
        }
    }
}
