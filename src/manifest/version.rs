//! Filling in placeholders. Pure.

/// A placeholder that is not known, or a brace that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no placeholder here; known are {1}")]
pub(super) struct PlaceholderError(String, String);

/// `text` with `{name}` replaced for every given name.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> Result<String, PlaceholderError> {
    let unknown = |found: &str| {
        let known: Vec<String> = values
            .iter()
            .map(|(name, _)| format!("{{{name}}}"))
            .collect();
        PlaceholderError(found.chars().take(40).collect(), known.join(", "))
    };
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, tail) = after
            .split_once('}')
            .ok_or_else(|| unknown(&format!("{{{after}")))?;
        let (_, value) = values
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| unknown(&format!("{{{name}}}")))?;
        filled.push_str(value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_placeholders_once() {
        let values = [("version", "{arch}"), ("arch", "amd64")];
        assert_eq!(
            fill("a{version}b{arch}", &values).as_deref(),
            Ok("a{arch}bamd64")
        );
        assert_eq!(
            fill("a{verison}", &values).unwrap_err().to_string(),
            "`{verison}` is no placeholder here; known are {version}, {arch}"
        );
        assert!(fill("a{version", &values).is_err());
    }
}
