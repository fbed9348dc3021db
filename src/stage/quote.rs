//! Quoting of values for the languages of the generated files.
//!
//! Values reach templates as validated types; these filters are the second line. A value that a
//! language cannot carry is an error, never a changed value.

use std::fmt::Write as _;

/// A value that a generated file cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a value with {problem} cannot be written into {language}")]
pub(super) struct QuoteError {
    /// What is in it.
    problem: &'static str,
    /// Where it should go.
    language: &'static str,
}

const fn refuse(problem: &'static str, language: &'static str) -> QuoteError {
    QuoteError { problem, language }
}

fn no_control(text: &str, language: &'static str) -> Result<(), QuoteError> {
    if text.chars().any(char::is_control) {
        Err(refuse("a control character or line break", language))
    } else {
        Ok(())
    }
}

/// One word of a POSIX shell (IEEE 1003.1 §2.2.2): in single quotes, unless it needs none.
///
/// # Errors
/// When it holds a control character.
pub(super) fn sh(text: &str) -> Result<String, QuoteError> {
    no_control(text, "a shell script")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// An SQL string constant; right for both settings of `standard_conforming_strings`, because a
/// backslash is refused.
///
/// # Errors
/// When it holds a backslash or control character.
pub(super) fn sql(text: &str) -> Result<String, QuoteError> {
    no_control(text, "SQL")?;
    if text.contains('\\') {
        return Err(refuse("a backslash", "SQL"));
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// An SQL identifier, always in double quotes unless it is lower-case ASCII and no key word that
/// matters here.
///
/// # Errors
/// When it is empty, longer than PostgreSQL's 63 bytes, or holds a control character.
pub(super) fn sql_name(text: &str) -> Result<String, QuoteError> {
    no_control(text, "SQL")?;
    if text.is_empty() || text.len() > 63 {
        return Err(refuse("no characters, or more than 63,", "an SQL name"));
    }
    Ok(format!("\"{}\"", text.replace('"', "\"\"")))
}

/// The value of a line `KEY=value` for systemd's `EnvironmentFile=` and for a shell that reads the
/// file with `.`: in single quotes, or, when one of these is in it, in double quotes with a
/// backslash before each character that both readers want escaped there (IEEE 1003.1 §2.2.3;
/// systemd's `SHELL_NEED_ESCAPE`).
///
/// # Errors
/// When it holds a control character.
pub(super) fn systemd_env(text: &str) -> Result<String, QuoteError> {
    no_control(text, "an environment file")?;
    if !text.contains(['\'', '\\']) {
        return Ok(format!("'{text}'"));
    }
    let escaped = text.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '"' | '\\' | '`' | '$') {
            out.push('\\');
        }
        out.push(c);
        out
    });
    Ok(format!("\"{escaped}\""))
}

/// A word of a systemd unit (systemd.syntax(7)): specifiers and variables cannot be in it.
///
/// # Errors
/// When it holds white space, quotes, `%`, `$`, backslash or a control character.
pub(super) fn systemd(text: &str) -> Result<String, QuoteError> {
    no_control(text, "a unit")?;
    if text.is_empty() || text.contains([' ', '"', '\'', '%', '$', '\\', ';']) {
        return Err(refuse("white space, quotes, `%`, `$` or `;`", "a unit"));
    }
    Ok(text.to_owned())
}

/// A string of the nftables language, in double quotes. It knows no escapes, and at most 128 bytes
/// in a comment.
///
/// # Errors
/// When it holds a double quote, a backslash or control character, or is too long.
pub(super) fn nft(text: &str) -> Result<String, QuoteError> {
    no_control(text, "an nftables rule")?;
    if text.contains(['"', '\\']) {
        return Err(refuse("a quote or backslash", "an nftables rule"));
    }
    if text.len() > 127 {
        return Err(refuse("more than 127 bytes", "an nftables comment"));
    }
    Ok(format!("\"{text}\""))
}

/// Text in a comment of XML (XML 1.0 §2.5), which knows no escapes.
///
/// # Errors
/// When it holds two hyphens in a row, ends with one, or holds a control character.
pub(super) fn xml(text: &str) -> Result<String, QuoteError> {
    no_control(text, "an XML comment")?;
    if text.contains("--") || text.ends_with('-') {
        return Err(refuse("two hyphens, or one at its end,", "an XML comment"));
    }
    Ok(text.to_owned())
}

/// The comment of a rule of ufw, which shows it in single quotes and takes no others in it.
///
/// # Errors
/// When it holds a quote, a backslash or a control character.
pub(super) fn ufw(text: &str) -> Result<String, QuoteError> {
    no_control(text, "a rule of ufw")?;
    if text.contains(['\'', '"', '\\']) {
        return Err(refuse("a quote or backslash", "a rule of ufw"));
    }
    Ok(text.to_owned())
}

/// A word of an nginx configuration that means itself: no variable, block or end of statement.
///
/// # Errors
/// When it holds a character with a meaning for nginx.
pub(super) fn nginx(text: &str) -> Result<String, QuoteError> {
    no_control(text, "an nginx configuration")?;
    if text.is_empty() || text.contains([' ', '"', '\'', '$', '{', '}', ';', '#', '\\']) {
        return Err(refuse(
            "white space, quotes, `$`, `;`, `#` or braces",
            "an nginx configuration",
        ));
    }
    Ok(text.to_owned())
}

/// A YAML string in double quotes (YAML 1.2 §7.3.1), never a number, boolean or null.
///
/// # Errors
/// When it holds a control character, or `{{`, which Ansible would take for a template.
pub(super) fn yaml(text: &str) -> Result<String, QuoteError> {
    no_control(text, "YAML")?;
    if text.contains("{{") || text.contains("{%") || text.contains("{#") {
        return Err(refuse("the start of a template", "an Ansible inventory"));
    }
    Ok(format!(
        "\"{}\"",
        text.replace('\\', r"\\").replace('"', "\\\"")
    ))
}

/// Percent-encodes everything but RFC 3986's unreserved characters, for any part of a URL.
#[must_use]
pub(super) fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in [
            "",
            "plain",
            "it's $HOME `x` \"y\" \\",
            "a b",
            "*",
            "~",
            "-n",
            "é",
        ] {
            let script = format!("printf %s {}", sh(text).unwrap());
            let out = std::process::Command::new("/bin/sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            // printf takes `-n` and the empty word as they are.
            assert_eq!(String::from_utf8(out.stdout).unwrap(), text);
        }
        assert!(sh("a\nb").is_err());
        assert!(sh("a\0b").is_err());
    }

    #[test]
    fn sql_doubles_quotes_and_refuses_backslashes() {
        assert_eq!(sql("o'brien").unwrap(), "'o''brien'");
        assert!(sql("a\\'b").is_err());
        assert!(sql("a\nb").is_err());
        assert_eq!(sql_name("mm\"user").unwrap(), "\"mm\"\"user\"");
        assert!(sql_name("").is_err());
        assert!(sql_name(&"a".repeat(64)).is_err());
    }

    #[test]
    fn environment_files_are_read_back_by_a_shell() {
        assert_eq!(systemd_env("p$a%b\"c").unwrap(), "'p$a%b\"c'");
        assert_eq!(systemd_env("it's $x").unwrap(), "\"it's \\$x\"");
        for text in ["it's", "a\\b", "'\"`$(x)\\n%", "é ü"] {
            let script = format!("x={}; printf %s \"$x\"", systemd_env(text).unwrap());
            let out = std::process::Command::new("/bin/sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), text);
        }
        assert!(systemd_env("a\nb").is_err());
    }

    #[test]
    fn units_rulesets_and_nginx_refuse_their_own_syntax() {
        for bad in ["", "a b", "%h", "$x", "a;b", "a\"b"] {
            assert!(systemd(bad).is_err(), "{bad:?}");
            assert!(nginx(bad).is_err() || bad == "%h", "{bad:?}");
        }
        assert_eq!(nginx("10.0.0.1:8065").unwrap(), "10.0.0.1:8065");
        assert!(nft("a\"b").is_err());
        assert_eq!(nft("users to proxy").unwrap(), "\"users to proxy\"");
    }

    #[test]
    fn yaml_is_always_a_string_and_never_a_template() {
        assert_eq!(yaml("no").unwrap(), "\"no\"");
        assert_eq!(yaml("1.10").unwrap(), "\"1.10\"");
        assert_eq!(yaml(r#"a"b\c"#).unwrap(), r#""a\"b\\c""#);
        for bad in ["a\nb", "{{ x }}", "{% x %}", "{# x"] {
            assert!(yaml(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn percent_leaves_the_unreserved_only() {
        assert_eq!(percent("aZ9-._~"), "aZ9-._~");
        assert_eq!(percent("p@ss:/?#é"), "p%40ss%3A%2F%3F%23%C3%A9");
    }
}
