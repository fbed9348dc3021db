//! Statuses, and lengths that are not those of the file.

use super::super::SIZE;
use super::{BUSY_FOR_A_SECOND, Case, after, raw, refused, right, status, whole};
use crate::support::faults::{Act, head, well};

pub(super) const CASES: &[Case] = &[
    // --- status and Retry-After
    after(
        2,
        right("429 with Retry-After of a second", 0, BUSY_FOR_A_SECOND),
    ),
    after(
        2,
        right(
            "503 with Retry-After as a date",
            0,
            &[
                |_| {
                    let date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
                    status(
                        503,
                        &[date, ("Retry-After", "Sun, 06 Nov 1994 08:49:38 GMT")],
                    )
                },
                well,
            ],
        ),
    ),
    after(
        1,
        refused(
            "503 with Retry-After of an hour",
            "E708",
            "fails with status 503 and asks to wait 3600 s",
            &[|_| status(503, &[("Retry-After", "3600")])],
        ),
    ),
    after(
        2,
        right(
            "503 with a Retry-After that is neither",
            0,
            &[|_| status(503, &[("Retry-After", "soon")]), well],
        ),
    ),
    after(
        3,
        refused(
            "500 each time",
            "E708",
            "fails with status 500",
            &[|_| status(500, &[])],
        ),
    ),
    after(
        3,
        right(
            "502 twice",
            0,
            &[|_| status(502, &[]), |_| status(502, &[]), well],
        ),
    ),
    right("408 once", 0, &[|_| status(408, &[]), well]),
    after(
        1,
        refused(
            "404",
            "E706",
            "does not exist there (status 404)",
            &[|_| status(404, &[])],
        ),
    ),
    after(
        1,
        refused(
            "410",
            "E706",
            "does not exist there (status 410)",
            &[|_| status(410, &[])],
        ),
    ),
    after(
        1,
        refused(
            "401",
            "E709",
            "was refused with status 401",
            &[|_| status(401, &[("WWW-Authenticate", "Basic realm=x")])],
        ),
    ),
    refused(
        "204",
        "E701",
        "broke off after 0 bytes",
        &[|_| raw("HTTP/1.1 204 No Content\r\n\r\n")],
    ),
    right(
        "early hints first",
        0,
        &[|call| {
            let mut acts = raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
            acts.extend(well(call));
            acts
        }],
    ),
    // --- lengths
    refused(
        "200 with half of it and no length each time",
        "E701",
        "broke off after 300000 bytes",
        &[|call| vec![head(200, &[]), Act::Body(call.file[..SIZE / 2].to_vec())]],
    ),
    after(
        1,
        refused(
            "announces less",
            "E705",
            "has 500000 bytes now, the lock says 600000",
            &[|call| whole(&call.file[..500_000])],
        ),
    ),
    refused(
        "announces more",
        "E705",
        "has 600100 bytes now, the lock says 600000",
        &[|call| {
            let mut bytes = call.file.to_vec();
            bytes.extend([b'x'; 100]);
            whole(&bytes)
        }],
    ),
    refused(
        "sends more without a length",
        "E704",
        "is longer than 600000 bytes",
        &[|call| {
            vec![
                head(200, &[]),
                Act::Body(call.file.to_vec()),
                Act::Body(vec![7; 100]),
            ]
        }],
    ),
    refused(
        "sends without end",
        "E704",
        "is longer than 600000 bytes",
        &[|_| vec![head(200, &[]), Act::Endless]],
    ),
    refused(
        "a length that is no number",
        "E707",
        "no answer for",
        &[|_| raw("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n")],
    ),
    refused(
        "two lengths that differ",
        "E707",
        "no answer for",
        &[|_| raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")],
    ),
    right(
        "chunked, broken in the middle of a chunk",
        0,
        &[
            |call| {
                let mut acts =
                    raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7a120\r\n");
                acts.push(Act::Body(call.file[..SIZE / 2].to_vec()));
                acts
            },
            well,
        ],
    ),
    refused(
        "chunked, with a chunk size that is none",
        "E701",
        "broke off after 0 bytes",
        &[|_| raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc")],
    ),
];
