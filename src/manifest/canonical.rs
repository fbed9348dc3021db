//! The digest of what a manifest says, not of how it is laid out.

use toml::de::{DeTable, DeValue};

use crate::types::digest::{Digest, Hasher};

/// SHA-256 over the TOML value tree: `haversack-manifest 1`, a line feed, then each table with its keys
/// sorted bytewise and each value behind a letter for its type and its length in bytes. Comments,
/// white space, the order of keys, and the notation of texts and numbers do not count; the order of
/// lists does.
pub(super) fn digest(table: &DeTable<'_>) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"haversack-manifest 1\n");
    write_table(table, &mut hasher);
    hasher.finish()
}

fn write_table(table: &DeTable<'_>, hasher: &mut Hasher) {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| (key.get_ref().as_ref(), value))
        .collect();
    entries.sort_by_key(|(key, _)| *key);
    write(hasher, 't', &entries.len().to_string());
    for (key, value) in entries {
        write(hasher, 'k', key);
        write_value(value.get_ref(), hasher);
    }
}

fn write_value(value: &DeValue<'_>, hasher: &mut Hasher) {
    match value {
        DeValue::String(text) => write(hasher, 's', text),
        DeValue::Integer(number) => {
            let decimal = i64::from_str_radix(number.as_str(), number.radix());
            let text = decimal.map_or_else(|_| number.to_string(), |number| number.to_string());
            write(hasher, 'i', &text);
        }
        DeValue::Float(number) => write(hasher, 'f', number.as_str()),
        DeValue::Boolean(flag) => write(hasher, 'b', if *flag { "true" } else { "false" }),
        DeValue::Datetime(time) => write(hasher, 'd', &time.to_string()),
        DeValue::Array(items) => {
            write(hasher, 'a', &items.len().to_string());
            for item in items {
                write_value(item.get_ref(), hasher);
            }
        }
        DeValue::Table(table) => write_table(table, hasher),
    }
}

fn write(hasher: &mut Hasher, kind: char, text: &str) {
    hasher.update(format!("{kind}{}:{text}\n", text.len()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Digest {
        digest(DeTable::parse(text).unwrap().get_ref())
    }

    #[test]
    fn layout_does_not_count_and_content_does() {
        let plain = of("a = 1\nb = { c = \"x\", d = [1, 2] }\n");
        assert_eq!(plain, of("b.d = [ 1, 0x2 ] # two\nb.c = 'x'\na = 0b1"));
        for other in [
            "a = 2\nb = { c = \"x\", d = [1, 2] }",
            "a = 1\nb = { c = \"y\", d = [1, 2] }",
            "a = 1\nb = { c = \"x\", d = [2, 1] }",
            "a = \"1\"\nb = { c = \"x\", d = [1, 2] }",
            "a = 1\nb = { c = \"x\", d = [1], e = 2 }",
        ] {
            assert_ne!(plain, of(other), "{other}");
        }
    }
}
