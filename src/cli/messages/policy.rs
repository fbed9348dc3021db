//! Messages about what a policy forbids (exit code 5).

use super::{Message, m};

pub(super) const MESSAGES: &[Message] = &[
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
        "A delta builds on another bundle, which is not at hand or is not the one that was named.",
        "Complete it: `haversack receive DELTA --base OLD`; or ask for the full bundle.",
    ),
    m(
        "E513",
        "The trust set that is offered is not the next version of the current one.",
        "Take over the versions one after the other.",
    ),
    m(
        "E514",
        "The trust set that is offered no longer revokes a key that the current one revokes.",
        "Have the set sealed again with every entry of the current revoked.toml and policy.toml; a key that is needed again is made anew.",
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
        "E526",
        "The policy of the transfer forbids something in the bundle; each violation is shown with its rule.",
        "Correct the manifest, or have the policy changed by those who own it.",
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
        "E541",
        "The catalogue says that a release should not be used, and the manifest does not accept that.",
        "Take another version, or write accept = { \"ID\" = \"why\" } for the artifact; no lock was written.",
    ),
];
