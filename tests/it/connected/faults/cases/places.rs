//! Other content, redirects, TLS and mirrors.

use super::super::{SIZE, changed};
use super::{
    Case, HALF, PAGE, after, first_half, host, over_tls, page, ranged, raw, redirect, refused,
    right, status, whole, with_mirror,
};
use crate::support::faults::{Act, Call, Certificate, announced, cut, head, well};

/// Breaks off half-way, and has the rest from another copy.
fn two_copies(call: &Call<'_>) -> Vec<Act> {
    let Some(from) = call.from else {
        return first_half(call);
    };
    let range = format!("bytes {from}-{}/{SIZE}", SIZE - 1);
    ranged(call, &range, &changed()[from..])
}

pub(super) const CASES: &[Case] = &[
    // --- other content
    after(
        1,
        refused(
            "a sign-in page",
            "E702",
            "gave an HTML page",
            &[|_| page("text/html; charset=utf-8")],
        ),
    ),
    refused(
        "a sign-in page that calls itself a file, without a length",
        "E702",
        "gave an HTML page",
        &[|_| vec![head(200, &[]), Act::Body(PAGE.into())]],
    ),
    after(
        1,
        refused(
            "packs what it sends",
            "E702",
            "came packed as gzip, which nobody asked for",
            &[|call| {
                let encoding = ("Content-Encoding", "gzip".to_owned());
                vec![head(200, &[encoding]), Act::Body(call.file.to_vec())]
            }],
        ),
    ),
    Case {
        path: "large.tar.gz",
        ..refused(
            "calls a .tar.gz itself packed, as some servers do, of other bytes",
            "E705",
            "expected",
            &[|_| {
                let length = ("Content-Length", SIZE.to_string());
                let encoding = ("Content-Encoding", "x-gzip".to_owned());
                vec![head(200, &[length, encoding]), Act::Body(changed())]
            }],
        )
    },
    refused(
        "other bytes of the same size",
        "E705",
        "has sha256",
        &[|_| whole(&changed())],
    ),
    refused(
        "changed in the middle, and says so",
        "E705",
        "has sha256",
        &[first_half, |_| whole(&changed())],
    ),
    right(
        "changed in the middle without saying so, then right",
        HALF + 300_000,
        &[
            first_half,
            |call| ranged(call, "bytes 300000-599999/600000", &changed()[SIZE / 2..]),
            well,
        ],
    ),
    refused(
        "does not speak HTTP",
        "E707",
        "no answer for",
        &[|_| raw("SSH-2.0-OpenSSH_9.2\r\n")],
    ),
    refused(
        "headers without end",
        "E707",
        "no answer for",
        &[|_| {
            raw(&format!(
                "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n",
                "y".repeat(4 << 20)
            ))
        }],
    ),
    // --- redirects and TLS
    right(
        "redirects to the file",
        0,
        &[
            |call| redirect(&format!("http://{}/elsewhere.bin", host(call))),
            well,
        ],
    ),
    after(
        11,
        refused(
            "redirects in a circle",
            "E703",
            "redirects more than 10 times",
            &[|call| redirect(&format!("http://{}/large.bin", host(call)))],
        ),
    ),
    after(
        1,
        refused(
            "redirects to another scheme",
            "E703",
            "redirects to ftp://127.0.0.1",
            &[|_| redirect("ftp://127.0.0.1/large.bin")],
        ),
    ),
    after(
        1,
        refused(
            "redirects to a URL with a password",
            "E703",
            "redirects to a URL with a user name or password",
            &[|call| redirect(&format!("http://a:b@{}/large.bin", host(call)))],
        ),
    ),
    over_tls(
        Certificate::Good,
        true,
        after(
            1,
            refused(
                "redirects from https to http",
                "E703",
                "redirects from https to http://",
                &[|call| redirect(&format!("http://{}/large.bin", host(call)))],
            ),
        ),
    ),
    over_tls(
        Certificate::Good,
        true,
        right("TLS, its authority given", 0, &[well]),
    ),
    over_tls(
        Certificate::Good,
        true,
        right("TLS, cut twice", 0, &[|call| cut(call, 200_000)]),
    ),
    over_tls(
        Certificate::Good,
        false,
        refused("TLS, unknown authority", "E703", "TLS certificate", &[well]),
    ),
    over_tls(
        Certificate::Expired,
        true,
        refused(
            "TLS, certificate ran out",
            "E703",
            "TLS certificate",
            &[well],
        ),
    ),
    over_tls(
        Certificate::OtherHost,
        true,
        refused(
            "TLS, certificate of another host",
            "E703",
            "TLS certificate",
            &[well],
        ),
    ),
    // --- mirrors
    with_mirror(
        &[well],
        after(
            5,
            right(
                "breaks off half-way; the mirror goes on",
                0,
                &[first_half, |_| status(500, &[])],
            ),
        ),
    ),
    with_mirror(
        &[well],
        right(
            "half of other bytes, then nothing; the mirror starts over",
            HALF + 300_000,
            &[
                |call| {
                    let (head, _) = announced(call);
                    vec![head, Act::Body(changed()[..SIZE / 2].to_vec())]
                },
                |_| status(500, &[]),
            ],
        ),
    ),
    with_mirror(
        &[well],
        right(
            "other bytes; the mirror has the right ones",
            600_000,
            &[|_| whole(&changed())],
        ),
    ),
    with_mirror(
        &[well],
        after(
            5,
            right(
                "two copies behind one address, always joined wrongly; the mirror has the right one",
                1_200_000,
                &[two_copies],
            ),
        ),
    ),
    after(
        4,
        refused(
            "two copies behind one address, always joined wrongly",
            "E705",
            "expected",
            &[two_copies],
        ),
    ),
    with_mirror(
        &[|_| status(404, &[])],
        refused(
            "neither place has it",
            "E706",
            "status 500",
            &[|_| status(500, &[])],
        ),
    ),
];
