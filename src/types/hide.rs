//! Text that people gave, without the secrets in it, to be shown and kept.

use crate::types::url::is_credential;

/// The text with stars, one a character, for the user name and password of URLs, and for the values of a query that carry
/// a token by their name.
#[must_use]
pub fn hide_credentials(text: &str) -> String {
    hide_tokens(&hide_users(text))
}

/// The line with stars for the user name and password of URLs.
fn hide_users(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''))
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                shown.push_str(&"*".repeat(user.chars().count()));
                shown.push('@');
                shown.push_str(host);
            }
            None => shown.push_str(authority),
        }
        rest = tail;
    }
    shown.push_str(rest);
    shown
}

/// The line with stars for the values of a query that carry a token by their name.
fn hide_tokens(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest
        .find(['?', '&', ';'])
        .and_then(|at| rest.split_at_checked(at.saturating_add(1)))
    {
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '&' | ';' | '#' | '"' | '\'');
        let end = after.find(ends).unwrap_or(after.len());
        let (pair, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        match pair.split_once('=') {
            Some((name, value)) if is_credential(name) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(&"*".repeat(value.chars().count()));
            }
            _ => shown.push_str(pair),
        }
        rest = tail;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_tokens_in_queries() {
        for (line, shown) in [
            (
                "\"https://h/a?token=hunter2\" # x",
                "\"https://h/a?token=*******\" # x",
            ),
            (
                "https://h/a?v=1&X-Amz-Signature=abc;b=c",
                "https://h/a?v=1&X-Amz-Signature=***;b=c",
            ),
            ("why? a & b; c=d", "why? a & b; c=d"),
            ("?key=é", "?key=*"),
        ] {
            assert_eq!(hide_credentials(line), shown);
        }
    }
}
