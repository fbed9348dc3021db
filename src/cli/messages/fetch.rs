//! Messages about downloads (exit code 7).

use super::{Message, m};

pub(super) const MESSAGES: &[Message] = &[
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
        "A package index contradicts its signed Release file or repomd.xml, or is malformed.",
        "The mirror may be changing under us: run again, or use another mirror.",
    ),
    m(
        "E711",
        "Something is not here, and `--offline` keeps the network out.",
        "Bring the files that are listed and name their folder with `--from DIR`, or run without `--offline`.",
    ),
    m(
        "E712",
        "A document of a container image is malformed, or of a kind that is not taken.",
        "Compare with what the publisher announces; ask for an image of schema 2 or OCI with gzip layers.",
    ),
];
