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
        "E201",
        "The manifest has problems; each is shown with its place.",
        "Correct them and run the same command again.",
    ),
    m(
        "E205",
        "The list of checks of a host is broken, or was written by another version.",
        "Copy the folder of the host from the staged tree again, or run its preflight.sh.",
    ),
    m(
        "E210",
        "The lock cannot be read, or contradicts itself.",
        "Restore it from version control, or run `haversack lock` again.",
    ),
    m(
        "E211",
        "The lock answers another state of the manifest.",
        "Run `haversack lock`, and review what changed.",
    ),
    m(
        "E220",
        "The packages that were asked for do not exist, or what they depend on cannot be met.",
        "Follow the chain in the message: correct the names, or add the repository that has the missing package.",
    ),
    m(
        "E221",
        "The apt sources of this machine, or a repository of the manifest, cannot be used as they are written.",
        "Correct the source or the manifest.",
    ),
    m(
        "E240",
        "The deployment file has problems; each is shown with its place and its own id, E242 to E252.",
        "Correct each problem; nothing was written.",
    ),
    m(
        "E241",
        "The deployment file, or a file that it names, cannot be read.",
        "Check path and permissions.",
    ),
    m(
        "E242",
        "The deployment file is no TOML at this place.",
        "Correct the syntax there.",
    ),
    m(
        "E243",
        "The deployment file has a key that does not exist.",
        "Remove it, or correct its spelling; `manifests/examples` show every key.",
    ),
    m(
        "E244",
        "A value of the deployment file is of the wrong type.",
        "Write the type that the message names.",
    ),
    m(
        "E245",
        "The deployment file lacks something that it needs.",
        "Add what the message names.",
    ),
    m(
        "E246",
        "A value of the deployment file cannot be used.",
        "Write one that the message allows.",
    ),
    m(
        "E247",
        "Two entries of the deployment file are the same where they must differ.",
        "Change or remove one.",
    ),
    m(
        "E248",
        "The deployment file refers to something that it does not define.",
        "Define it, or correct the name.",
    ),
    m(
        "E249",
        "The deployment file holds a secret; it must not.",
        "Take the secret out and change it: the file is not protected. Secrets are generated into secrets/.",
    ),
    m(
        "E250",
        "The deployment file exceeds a limit.",
        "Make it smaller; the message names the limit.",
    ),
    m(
        "E251",
        "The deployment file is of another format.",
        "Use the haversack version that knows it.",
    ),
    m(
        "E252",
        "A file that the deployment file names cannot be used.",
        "Correct its path or content.",
    ),
    m(
        "E260",
        "A file that is to be examined cannot be read.",
        "Name a readable file of at most 4 MiB.",
    ),
    m(
        "E261",
        "A file that is to be examined exceeds a limit: size, number or depth of its directives.",
        "Name the file of the site alone, not a whole configuration.",
    ),
    m(
        "E281",
        "A key file cannot be used.",
        "The message says why; `haversack keygen` makes a good pair.",
    ),
    m(
        "E282",
        "The trust directory has a wrong policy.toml, or a file that does not belong there.",
        "Correct the place that the message shows.",
    ),
    m(
        "E283",
        "The trust directory is not there, or has too few keys for its own policy.",
        "Put the builder's public key (.pem) there, compared by phone.",
    ),
    m(
        "E284",
        "The lock holds a name or path that a bundle cannot.",
        "Shorten or change it in the manifest and lock again.",
    ),
    m(
        "E285",
        "Something else stands at the output folder.",
        "Choose another folder, raise the sequence, or build with --replace.",
    ),
    m(
        "E286",
        "The parity that was asked for cannot be made for this payload.",
        "Ask for 1 to 100 percent; a bundle without payload has none.",
    ),
    m(
        "E291",
        "There is no bundle in that folder.",
        "Name the folder that holds SHA256SUMS.",
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
        "Something other than a plain file stands in the bundle: a link, pipe, device, or a file with several names.",
        "Bundles hold plain files only: copy the bundle again without links.",
    ),
    m(
        "E307",
        "The list SHA256SUMS is malformed, or a path in it leaves the bundle.",
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
        "When building: change it in the manifest. When verifying: report it to the builder.",
    ),
    m(
        "E311",
        "bundle.json contradicts the signed list.",
        "The list wins: report it to the builder, and do not use the bundle.",
    ),
    m(
        "E312",
        "bundle.json cannot be read as what it must be.",
        "Report it to the builder.",
    ),
    m(
        "E314",
        "Two places that were named hold different bundles.",
        "Name the places of one bundle only.",
    ),
    m(
        "E315",
        "The bundle at the output folder is this one, but a file in it was damaged.",
        "Move it away and build again.",
    ),
    m(
        "E316",
        "A file in the store was damaged while the bundle was written.",
        "Run the same command again: it is fetched anew.",
    ),
    m(
        "E321",
        "More of the bundle is lost than its parity gives back.",
        "Add another copy of the bundle as a further place, or carry it over again. Nothing was written.",
    ),
    m(
        "E322",
        "There is no parity that a repair could use.",
        "Build with --parity next time; now add another copy as a further place, or carry the bundle over again.",
    ),
    m(
        "E330",
        "Two pieces of evidence for one file disagree.",
        "Do not choose one by guessing: ask upstream which is right. It has been wrong before. Where the lock before is one of them: `haversack lock MANIFEST --update NAME`.",
    ),
    m(
        "E331",
        "The lock says something that its own evidence does not: it was edited or damaged.",
        "Compare it with version control, or run `haversack lock MANIFEST` and review the difference.",
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
        "Fewer trusted keys have signed than the policy asks for, or a role is missing.",
        "Have the missing person sign: `haversack sign BUNDLE --key KEY`.",
    ),
    m(
        "E404",
        "A signature was made for another purpose (its namespace).",
        "Sign with `haversack sign`, or `ssh-keygen -Y sign -n haversack-bundle`.",
    ),
    m(
        "E406",
        "The key that signed was revoked by the policy.",
        "Have the bundle signed by a key that is still trusted.",
    ),
    m(
        "E407",
        "An upstream's OpenPGP key has expired.",
        "Fetch the renewed key from its publisher; the fingerprint stays the same.",
    ),
    m(
        "E411",
        "An upstream's checksum file does not state the digest, or states two.",
        "Look at the file; correct the manifest.",
    ),
    m(
        "E412",
        "A key file does not hold the fingerprint that the manifest pins.",
        "Find out why the key changed before you change the pin.",
    ),
    m(
        "E413",
        "An upstream's signature over a file does not hold.",
        "Do not use the file; fetch it again from another place, and ask upstream.",
    ),
    m(
        "E414",
        "The signature of a package index does not hold for the keyring that was named.",
        "Check the mirror and the keyring; never turn the check off.",
    ),
    m(
        "E415",
        "A package index is older than its own `Valid-Until` allows.",
        "Use a mirror that is up to date, or state `accept-expired` with a reason in the manifest.",
    ),
    m(
        "E416",
        "A signed package index is of another suite than was asked for.",
        "Correct the suite in the manifest, or use another mirror: this one answers with the wrong index.",
    ),
    m(
        "E417",
        "A signed package index is older than the one in the lock before: an old state is replayed.",
        "Use a mirror that is up to date. When the publisher did go back: `haversack lock MANIFEST --update NAME`.",
    ),
    m(
        "E501",
        "A size or count exceeds what this program accepts.",
        "Make the bundle smaller, or report it to the builder.",
    ),
    m(
        "E502",
        "A small file exceeds its limit; it was not parsed.",
        "Report it to whoever made the file.",
    ),
    m(
        "E503",
        "An archive unpacks to more than its limits allow.",
        "Look at the archive with care: it may be a decompression bomb.",
    ),
    m(
        "E504",
        "An archive holds an entry that could write outside its folder.",
        "Do not use the archive; report it to upstream.",
    ),
    m(
        "E510",
        "A newer bundle of this name was accepted before: this would be a rollback.",
        "Ask for the newest bundle, or give --allow-rollback with a reason; the reason is kept.",
    ),
    m(
        "E511",
        "Two different bundles claim the same name and sequence.",
        "Stop, and ask the builder which one is theirs.",
    ),
    m(
        "E512",
        "The bundle builds on another one, which this version cannot resolve.",
        "Ask for the full bundle.",
    ),
    m(
        "E520",
        "The bundle, lock or list is of a newer format.",
        "Use a newer haversack; verify.sh in the bundle still checks its bytes.",
    ),
    m(
        "E521",
        "A file or bundle is for another platform.",
        "Correct the manifest's target or URL, or the policy of the trust directory.",
    ),
    m(
        "E524",
        "The policy of the trust directory does not allow bundles of this name.",
        "Use the right trust directory, or have its policy changed.",
    ),
    m(
        "E525",
        "The policy of the trust directory does not allow this marking.",
        "Carry the bundle to the network it is marked for.",
    ),
    m(
        "E530",
        "The bundle and the deployment do not fit together.",
        "Add what is missing to the manifest and build again, or correct the deployment.",
    ),
    m(
        "E531",
        "The output folder holds something else than a staged tree, or lies inside the bundle.",
        "Name another folder.",
    ),
    m(
        "E532",
        "Generated files name hosts outside the deployment that it does not acknowledge; nothing was staged.",
        "Correct the name in the deployment, or add it to `egress` in [policy] when the way to it is arranged and allowed.",
    ),
    m(
        "E533",
        "What was named is no staged tree; to be compared, two locks will do too.",
        "Name a folder that `haversack stage` wrote; `haversack diff` takes two of them, or two lock files.",
    ),
    m(
        "E540",
        "A rule refuses the deployment; nothing was staged.",
        "Follow the fix of each error; `haversack explain RULE` tells more.",
    ),
    m(
        "E601",
        "The operating system refused a file operation.",
        "See the cause in the message: the path, or a failing disk or medium.",
    ),
    m(
        "E602",
        "There is not enough room.",
        "Free as much as the message names, and run again.",
    ),
    m(
        "E603",
        "The disk became full during the work.",
        "Free some space and run again; what was finished is kept.",
    ),
    m(
        "E604",
        "Permission was refused.",
        "Check owner and permissions of the path in the message.",
    ),
    m(
        "E606",
        "Another run works in the same folder.",
        "Wait for it to end.",
    ),
    m(
        "E607",
        "The memory of accepted bundles is damaged.",
        "Restore it from a backup; without it an older bundle could come in unseen.",
    ),
    m(
        "E608",
        "The secrets of the staged tree cannot be made, or are damaged.",
        "Look at its folder secrets/; restore it from a backup.",
    ),
    m(
        "E609",
        "The HTTP client cannot be set up; usually a certificate file.",
        "Check SSL_CERT_FILE, SSL_CERT_DIR and the proxy settings.",
    ),
    m(
        "E701",
        "A download ended early and could not be completed.",
        "Run again: what arrived is kept.",
    ),
    m(
        "E702",
        "A file is not of the type that its name says; often an error page.",
        "Open the URL in a browser; correct the manifest.",
    ),
    m(
        "E703",
        "A redirect or TLS problem: the connection cannot be trusted.",
        "Correct the URL, or add the site's authority to the system's store.",
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
        "E706",
        "A file does not exist upstream.",
        "Correct the URL or version in the manifest.",
    ),
    m(
        "E707",
        "A server cannot be reached.",
        "Check network, name and proxy settings; run again.",
    ),
    m(
        "E708",
        "A server answered with an error of its own.",
        "Try again later, or name a mirror.",
    ),
    m(
        "E709",
        "A server refused the request.",
        "Check the URL, and whether it needs credentials.",
    ),
    m(
        "E710",
        "A package index contradicts its signed Release file, or is malformed.",
        "The mirror may be changing under us: run again, or use another mirror.",
    ),
    m(
        "E801",
        "Everything that is here is good, but volumes are missing.",
        "Insert the volumes that the message names, and run again with all places.",
    ),
    m(
        "E990",
        "A fault of this program.",
        "Report it, with the command and its output.",
    ),
    m(
        "E991",
        "A generated file could not be rendered, or breaks a rule that it is generated by: a fault of this program.",
        "Report it, with the deployment file.",
    ),
    m(
        "W702",
        "A package index or repository deserves a look; the work went on.",
        "Read the text of the warning.",
    ),
    m(
        "W703",
        "The lock that stands there cannot be read: the new one is compared with nothing.",
        "Restore it from version control and lock again, or review every line of the new one.",
    ),
    m(
        "W901",
        "The clock of this machine is behind a bundle that was made earlier.",
        "Set the clock; nothing was decided by it.",
    ),
    m(
        "W902",
        "The bundle is older than the policy calls fresh.",
        "Ask whether there is a newer one; nothing was decided by it.",
    ),
];

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the source tree by hand"
)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn ids_are_sorted_and_unique() {
        assert!(MESSAGES.is_sorted_by(|a, b| a.id < b.id));
    }

    #[test]
    fn every_id_in_the_source_is_in_the_catalogue_and_none_is_idle() {
        let mut used = BTreeSet::new();
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut used,
        );
        let known: BTreeSet<String> = MESSAGES
            .iter()
            .map(|message| message.id.to_owned())
            .collect();
        let lacking: Vec<_> = used.difference(&known).collect();
        let idle: Vec<_> = known.difference(&used).collect();
        assert!(
            lacking.is_empty() && idle.is_empty(),
            "lacking {lacking:?}, idle {idle:?}"
        );
    }

    /// Every quoted `"E123"` or `"W123"` outside unit tests and this file.
    fn collect(folder: &Path, used: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, used);
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("cli/messages.rs")
                && !path.ends_with("tests.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let ids = code.split('"').filter(|part| {
                    part.len() == 4
                        && part.starts_with(['E', 'W'])
                        && part.chars().skip(1).all(|c| c.is_ascii_digit())
                });
                used.extend(ids.map(str::to_owned));
            }
        }
    }
}
