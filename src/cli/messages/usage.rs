//! Messages about usage, manifest, lock and deployment (exit code 2), and the interrupt.

use super::{Message, m};

pub(super) const MESSAGES: &[Message] = &[
    m(
        "E130",
        "The run was interrupted.",
        "Run the same command again: it goes on where it can, and begins anew where nothing was finished.",
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
        "E222",
        "No version can be chosen: the publisher's list cannot be read, or has none that the manifest allows.",
        "Compare `version`, `versions` and `scheme` in the manifest with the publisher's list.",
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
        "E280",
        "The medium carries another volume of a bundle that has parity: one lost medium would lose both.",
        "Use a medium for each volume, or say --together. Nothing was written.",
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
        "E287",
        "The payload cannot be spread over volumes of that size: what every medium carries takes the whole of one, or there \
         would be more than 999 volumes or 1000 parts of a file.",
        "Choose a larger --volume-size.",
    ),
    m(
        "E288",
        "The bundle has no such volume.",
        "Name one that the message lists.",
    ),
    m(
        "E289",
        "The re-carry list is none, or names what the bundle does not have.",
        "Have it written anew by `haversack verify --recarry`.",
    ),
    m(
        "E290",
        "What a command was to write lies in a bundle, which would not be whole any more.",
        "Name a path outside the bundle; nothing was written.",
    ),
    m(
        "E291",
        "There is no bundle in that folder.",
        "Name the folder that holds SHA256SUMS.",
    ),
    m(
        "E292",
        "The bundle carries no signature, so that no isolated side could take it in.",
        "Sign it first: `haversack sign BUNDLE --key KEY`.",
    ),
    m(
        "E293",
        "A file of the bundle has a name or a size that a plain tar cannot hold.",
        "Shorten the name in the manifest, or carry the bundle as a folder or on volumes.",
    ),
    m(
        "E294",
        "A drop folder holds bundles of several names.",
        "Use a drop folder for each name, or move the others away.",
    ),
    m(
        "E295",
        "A receipt or its code cannot be read: a character is wrong, or it is something else.",
        "Carry the receipt out again, or read the code aloud once more.",
    ),
    m(
        "E296",
        "A file is no report.",
        "Name one that `verify --report` or `dossier --format json` wrote.",
    ),
    m(
        "E297",
        "The policy of a transfer cannot be used.",
        "Correct the place that the message shows.",
    ),
    m(
        "E298",
        "The list of a sealed trust directory is wrong, or its files are not what the list says.",
        "Restore the directory from history/, or seal it anew.",
    ),
    m(
        "E299",
        "There is no custody log at that path, and nothing said what a new one is about.",
        "Check the path, or give --of with the bundle or file.",
    ),
];
