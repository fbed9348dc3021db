//! The catalogue of message ids: what each means, and what to do. Ids never change their meaning.

use serde::Serialize;

/// What a message id means.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Message {
    /// Its id. The first digit is the exit code.
    pub(crate) id: &'static str,
    /// What happened.
    pub(crate) meaning: &'static str,
    /// What to do.
    pub(crate) next: &'static str,
}

/// The entry of an id.
pub(crate) fn find(id: &str) -> Option<&'static Message> {
    MESSAGES.iter().find(|message| message.id == id)
}

const fn m(id: &'static str, meaning: &'static str, next: &'static str) -> Message {
    Message { id, meaning, next }
}

/// All message ids, sorted.
pub(crate) const MESSAGES: &[Message] = &[
    m(
        "E130",
        "The run was interrupted.",
        "Run the same command again; what was finished is kept.",
    ),
    m(
        "E200",
        "The command line is not complete or contradicts itself.",
        "See `haversack COMMAND --help`.",
    ),
    m(
        "E301",
        "A file's bytes are not what the signed list says: it was damaged or changed.",
        "Bring the file again from another copy of the medium, or have the bundle carried again.",
    ),
    m(
        "E302",
        "A file is shorter than the signed list says.",
        "The copy was cut short: copy it again from the medium.",
    ),
    m(
        "E303",
        "A file is longer than the signed list says.",
        "Something was appended: bring the file again.",
    ),
    m(
        "E304",
        "A listed file is not there.",
        "Copy the whole bundle again, with all its folders.",
    ),
    m(
        "E305",
        "A file is there that the signed list does not name.",
        "Find out who put it there; remove it from your copy, or bring the bundle again.",
    ),
    m(
        "E306",
        "Something other than a plain file stands in the bundle: a link, pipe, device or a file with several names.",
        "Bundles hold plain files only: copy the bundle again without links.",
    ),
    m(
        "E307",
        "A line of SHA256SUMS is malformed, or its path leaves the bundle.",
        "Nobody should sign such a list: report it to the builder.",
    ),
    m(
        "E308",
        "SHA256SUMS names a path twice, or two paths differ only in case.",
        "Report it to the builder.",
    ),
    m(
        "E309",
        "A name holds a character that bundles do not allow.",
        "Report it to the builder.",
    ),
    m(
        "E310",
        "A name is reserved on Windows, ends in a dot, or is too long.",
        "Report it to the builder.",
    ),
    m(
        "E311",
        "bundle.json contradicts the signed list.",
        "The list wins: report it to the builder, do not use the bundle.",
    ),
    m(
        "E401",
        "No signature is by a key that the trust directory holds.",
        "Compare the key's fingerprint with the builder by phone, then add its .pem to the trust directory.",
    ),
    m(
        "E402",
        "A signature is damaged, or is over another list.",
        "Bring SHA256SUMS and sig/ again from the medium.",
    ),
    m(
        "E403",
        "Fewer trusted keys have signed than the policy asks for.",
        "Have the missing person sign: `haversack sign BUNDLE --key …`.",
    ),
    m(
        "E404",
        "A signature was made for another purpose (namespace).",
        "Sign with `haversack sign`, or ssh-keygen -Y sign -n haversack-bundle.",
    ),
    m(
        "E501",
        "A size exceeds what this program accepts.",
        "Report it to the builder.",
    ),
    m(
        "E502",
        "A small file of the bundle exceeds its limit; it was not parsed.",
        "Report it to the builder.",
    ),
    m(
        "E510",
        "A newer bundle of this name was accepted before: this would be a rollback.",
        "Ask for the newest bundle, or give --allow-rollback with a reason; it is kept.",
    ),
    m(
        "E511",
        "Two different bundles claim the same name and sequence.",
        "Stop and ask the builder which one is theirs.",
    ),
    m(
        "E520",
        "The bundle is of a newer format.",
        "Use a newer haversack; verify.sh in the bundle still checks its bytes.",
    ),
    m(
        "E521",
        "A file is for another platform than the bundle.",
        "Correct the manifest's target or URL.",
    ),
    m(
        "E601",
        "The operating system refused a file operation.",
        "See the cause in the message: permissions, path, or a failing disk.",
    ),
    m(
        "E602",
        "There is not enough room.",
        "Free as much as the message names and run again.",
    ),
    m(
        "E606",
        "Another run works in the same folder.",
        "Wait for it to end.",
    ),
    m(
        "E701",
        "A download ended early and could not be completed.",
        "Run again: what arrived is kept.",
    ),
    m(
        "E702",
        "A download is not of the type that its name says; often an error page.",
        "Open the URL in a browser; correct the manifest.",
    ),
    m(
        "E703",
        "A redirect or TLS problem: the connection cannot be trusted.",
        "Correct the URL, or add the site's CA to the system's store.",
    ),
    m(
        "E704",
        "A download was slower or longer than allowed.",
        "Try again, or name a mirror.",
    ),
    m(
        "E705",
        "Upstream serves other bytes than the lock says.",
        "Find out why; then run `haversack lock` and review the difference.",
    ),
    m(
        "E990",
        "A fault of this program.",
        "Report it, with the command and its output.",
    ),
    m(
        "W901",
        "The clock of this machine is behind a bundle that was made earlier.",
        "Set the clock; nothing was decided by it.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sorted_and_unique() {
        assert!(MESSAGES.is_sorted_by(|a, b| a.id < b.id));
    }
}
