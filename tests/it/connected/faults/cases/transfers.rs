//! Broken connections and wrong ranges.

use std::time::Duration;

use super::super::SIZE;
use super::{
    Again, Case, Ending, HALF, PAGE, after, case, first_half, late, ranged, refused, right, status,
    whole,
};
use crate::support::faults::{Act, announced, cut, head, well};

pub(super) const CASES: &[Case] = &[
    after(1, right("behaves", 0, &[well])),
    // --- broken connections
    case(
        "resets after 200,000 bytes",
        &[
            |call| {
                let mut acts = cut(call, 200_000);
                acts.push(Act::Reset);
                acts
            },
            well,
        ],
        Ending::Right(Again::AtMost(200_000)),
    ),
    after(
        4,
        right(
            "closes after 150,000 bytes each time",
            0,
            &[|call| cut(call, 150_000)],
        ),
    ),
    right(
        "closes without an answer, then behaves",
        0,
        &[|_| vec![], well],
    ),
    after(
        3,
        refused(
            "closes without an answer each time",
            "E707",
            "no answer for",
            &[|_| vec![]],
        ),
    ),
    late(700, right("connection refused, then up", 0, &[well])),
    late(
        600_000,
        refused("connection refused", "E707", "no answer for", &[well]),
    ),
    refused(
        "silent before its answer",
        "E707",
        "no answer for",
        &[|_| vec![Act::Pause(Duration::from_secs(4))]],
    ),
    refused(
        "stalls after 100,000 bytes each time, ranges ignored",
        "E704",
        "sends less than 1.0 KiB a second",
        &[|call| {
            vec![
                head(200, &[("Content-Length", call.file.len().to_string())]),
                Act::Body(call.file[..100_000].to_vec()),
                Act::Pause(Duration::from_secs(4)),
            ]
        }],
    ),
    right(
        "stalls once",
        0,
        &[
            |call| {
                let mut acts = first_half(call);
                acts.push(Act::Pause(Duration::from_secs(4)));
                acts
            },
            well,
        ],
    ),
    refused(
        "drips",
        "E704",
        "sends less than 1.0 KiB a second",
        &[|call| {
            let (head, rest) = announced(call);
            vec![head, Act::Drip(rest, 10, Duration::from_millis(100))]
        }],
    ),
    case(
        "drips once",
        &[
            |call| {
                let (head, rest) = announced(call);
                vec![head, Act::Drip(rest, 10, Duration::from_millis(100))]
            },
            well,
        ],
        // What it dripped after the client had gone.
        Ending::Right(Again::AtMost(1000)),
    ),
    // --- ranges
    right(
        "answers a range with 200 and everything",
        HALF,
        &[first_half, |call| whole(call.file)],
    ),
    right(
        "answers a range with 206 from the beginning",
        HALF + 600_000,
        &[first_half, |call| {
            ranged(call, "bytes 0-599999/600000", call.file)
        }],
    ),
    right(
        "answers a range with 206 of a larger file",
        HALF + 300_000,
        &[first_half, |call| {
            ranged(call, "bytes 300000-599999/700000", &call.file[SIZE / 2..])
        }],
    ),
    right(
        "answers a range with 206 and no Content-Range",
        HALF + 300_000,
        &[first_half, |call| ranged(call, "", &call.file[SIZE / 2..])],
    ),
    right(
        "answers a range with 206 and a malformed Content-Range",
        HALF + 300_000,
        &[first_half, |call| {
            ranged(call, "300000-599999/600000", &call.file[SIZE / 2..])
        }],
    ),
    right(
        "answers a range with 206 and an unknown total",
        0,
        &[first_half, |call| {
            ranged(call, "bytes 300000-599999/*", &call.file[SIZE / 2..])
        }],
    ),
    case(
        "answers a range with several parts",
        &[first_half, |call| {
            if call.from.is_none() {
                return well(call);
            }
            let kind = "multipart/byteranges; boundary=x".to_owned();
            let body = b"--x\r\nContent-Range: bytes 300000-599999/600000\r\n\r\n".to_vec();
            vec![head(206, &[("Content-Type", kind)]), Act::Body(body)]
        }],
        Ending::Right(Again::AtMost(HALF + 1000)),
    ),
    right(
        "refuses a range with 416 and a page",
        HALF + 38,
        &[first_half, |call| {
            if call.from.is_none() {
                return well(call);
            }
            let length = ("Content-Length", PAGE.len().to_string());
            vec![head(416, &[length]), Act::Body(PAGE.into())]
        }],
    ),
    after(
        1,
        refused(
            "refuses everything with 416",
            "E709",
            "was refused with status 416",
            &[|_| status(416, &[])],
        ),
    ),
    after(
        1,
        refused(
            "answers 206 although no range was asked for",
            "E709",
            "was refused with status 206",
            &[|call| {
                let range = ("Content-Range", "bytes 0-599999/600000".to_owned());
                vec![head(206, &[range]), Act::Body(call.file.to_vec())]
            }],
        ),
    ),
];
