//! Messages about bytes that are not what they must be (exit code 3).

use super::{Message, m};

pub(super) const MESSAGES: &[Message] = &[
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
        "E313",
        "Two media hold the same volume of bundles that claim one name and number, and are different.",
        "Compare both labels with the one that the builder gave you, and set the other medium aside.",
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
        "E317",
        "A medium does not give back what was written to it.",
        "Do not carry it: take a new one, and write again.",
    ),
    m(
        "E321",
        "More of the bundle is lost than its parity gives back.",
        "Add another copy of the bundle as a further place, or carry again what is lost: `haversack verify --recarry`, `haversack patch`, `haversack repair --patch`. Nothing was written.",
    ),
    m(
        "E322",
        "There is no parity that a repair could use.",
        "Build with --parity next time; now add another copy as a further place, or carry again what is lost: `haversack verify --recarry`, `haversack patch`, `haversack repair --patch`.",
    ),
    m(
        "E323",
        "A patch does not bring all that is lost: pieces of it are damaged, or it answers an older list.",
        "Carry the patch again, or have the list and the patch made anew: `haversack verify --recarry`, `haversack patch`.",
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
        "E340",
        "A bundle in one file is not written the one way: something stands where it does not belong.",
        "Send it again as `haversack stream` wrote it. `receive` keeps files that arrived whole for its next run.",
    ),
    m(
        "E341",
        "A bundle in one file ends too early.",
        "Send it again, and run the same command: `receive` keeps files that arrived whole.",
    ),
    m(
        "E342",
        "A change of a delta does not make the file that the signed list names: it was built with another encoder, or wrongly.",
        "Ask for a delta of whole files (build --base DIR --delta file), or use the haversack that built it; nothing wrong got a final name.",
    ),
    m(
        "E360",
        "A custody log has a line that is no event, or is cut off.",
        "Do not repair it by hand: take the other side's copy, and write down what happened.",
    ),
    m(
        "E361",
        "An event of a custody log was changed or taken out after others were written behind it.",
        "Compare with the other side's copy and with the sign-off sheets, and report it.",
    ),
    m(
        "E362",
        "Events of a custody log do not stand in the order that they were written in.",
        "Compare with the other side's copy and with the sign-off sheets, and report it.",
    ),
    m(
        "E363",
        "A custody log has two heads: two people continued copies of it.",
        "Keep both, decide which one is continued, and write the other one's events into it.",
    ),
    m(
        "E364",
        "The event whose digest stands on the sign-off sheet is not in the custody log.",
        "Its last events were taken off or changed, or it is another log: compare with the other side's copy.",
    ),
    m(
        "E365",
        "The custody log is about another bundle or file.",
        "Name the log of this bundle, or begin a new one.",
    ),
    m(
        "E366",
        "The signature of an event in a custody log does not hold.",
        "The event was changed after it was signed: compare with the other side's copy, and report it.",
    ),
    m(
        "E367",
        "A report is not the one that was written: its body has another digest.",
        "Make it again from the bundle, and compare.",
    ),
];
