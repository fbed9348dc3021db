//! Messages about disk, permissions, locks (exit code 6).

use super::{Message, m};

pub(super) const MESSAGES: &[Message] = &[
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
        "Free some space and run again.",
    ),
    m(
        "E604",
        "Permission was refused.",
        "Check owner and permissions of the path in the message.",
    ),
    m(
        "E605",
        "A finished file or folder cannot be moved to its place: another file system is mounted there.",
        "Name an output folder that lies on one file system. What stood there is as it was.",
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
        "Check --ca-file, SSL_CERT_FILE, SSL_CERT_DIR and the proxy settings.",
    ),
    m(
        "E610",
        "A file of credentials (netrc, tokens) cannot be used, or others may read it.",
        "Correct the line that is named, or make the file yours alone: chmod 600 FILE.",
    ),
    m(
        "E611",
        "The medium takes no file that long; on ISO 9660 one of 4 GiB needs several extents, which not every system reads.",
        "Build with --volume-size fat32, or use a medium with another file system.",
    ),
    m(
        "E612",
        "The program that writes images is not there, or refused.",
        "Install xorriso; the message says what it said.",
    ),
    m(
        "E613",
        "The result could not be written to standard output.",
        "Free space where standard output goes, and run the same command again.",
    ),
    m(
        "E614",
        "A proxy variable does not name a proxy; its value is not shown, for it may hold a password.",
        "Set the variable that is named to http://HOST:PORT (or https, socks5, socks5h), or unset it.",
    ),
];
