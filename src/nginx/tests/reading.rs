//! Reading: as NGINX reads, within limits, without a panic whatever comes.

use proptest::prelude::*;

use crate::nginx::tests::{GOOD, config_of, found};
use crate::nginx::{
    Expected, File, MAX_DEPTH, MAX_DIRECTIVES, MAX_TEXT, MAX_WORDS, ReadError, examine, read,
    render,
};

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn words(text: &str) -> Vec<Vec<String>> {
    let config = config_of(text);
    let all = config.directives.iter().map(|one| {
        let rest = one.words.iter().map(|word| word.text.clone());
        std::iter::once(one.name.text.clone()).chain(rest).collect()
    });
    all.collect()
}

#[test]
fn words_quotes_escapes_and_comments_are_those_of_nginx() {
    assert_eq!(
        words("a b;# c\n d  'e f' \"g;{}\" h#i ${j}k \\.l;\n'm' \"n\\\"o\" p\\\\q;"),
        [
            vec!["a", "b"],
            vec!["d", "e f", "g;{}", "h#i", "${j}k", "\\.l"],
            vec!["m", "n\"o", "p\\q"],
        ]
    );
    let config = config_of("\u{feff}a {\n  b c;\n}\n");
    let inner = &config.directives[0].block.as_ref().unwrap()[0];
    assert_eq!((inner.name.place.line, inner.name.place.column), (2, 3));
    assert_eq!(inner.words[0].place.column, 5);
}

#[test]
fn what_is_broken_is_noted_and_reading_goes_on() {
    for (text, what) in [
        ("a", "1:1 `a` has no `;` at its end"),
        ("a { b; ", "1:3 a `{` that is never closed"),
        ("a; } b;", "1:4 a `}` that closes nothing"),
        ("a 'b;", "1:3 a quote that is never closed"),
        ("a 'b'c;", "1:3 a character right behind a closing quote"),
        (";", "1:1 a `;` without a directive"),
        ("{ a; }", "1:1 a `{` without a directive"),
    ] {
        let config = config_of(text);
        let first = config.broken.first().unwrap();
        assert_eq!(format!("{} {}", first.place, first.what), what, "{text}");
    }
    assert_eq!(words("a; } b;"), [["a"], ["b"]]);
}

#[test]
fn lua_is_not_read() {
    assert_eq!(
        words("content_by_lua_block { if x then y = { 1 } end }\na;"),
        [["content_by_lua_block"], ["a"]]
    );
}

#[test]
fn given_files_stand_where_they_are_included() {
    let (before, after) = GOOD.split_once("    ssl_protocols").unwrap();
    let (tls, after) = after.split_once("    access_log").unwrap();
    let main = format!("{before}    include snippets/tls*.conf;\n    access_log{after}");
    let files = vec![
        file("/etc/nginx/conf.d/mattermost.conf", &main),
        file("snippets/tls-strong.conf", &format!("ssl_protocols{tls}")),
        file("other/tls.conf", "ssl_protocols SSLv3;"),
    ];
    let config = read(files).unwrap();
    assert!(config.left_out.is_empty());
    assert!(examine(&config, &Expected::default()).is_empty());
}

#[test]
fn a_dump_of_everything_is_taken_apart() {
    let dump = format!(
        "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n\
         # configuration file /etc/nginx/nginx.conf:\nevents {{}}\nhttp {{\n    include /etc/nginx/mime.types;\n    \
         include /etc/nginx/conf.d/*.conf;\n}}\n\n\
         # configuration file /etc/nginx/mime.types:\ntypes {{ text/html html; }}\n\n\
         # configuration file /etc/nginx/conf.d/mattermost.conf:\n{GOOD}\n"
    );
    assert_eq!(found(&dump), Vec::<String>::new());
    let bad = dump.replace("        proxy_set_header Upgrade $http_upgrade;\n", "");
    let config = config_of(&bad);
    let findings = examine(&config, &Expected::default());
    let shown = render(&config, findings.iter().next().unwrap());
    assert!(
        shown.starts_with(
            "/etc/nginx/conf.d/mattermost.conf:29:5: error PROXY-102: the header Upgrade"
        ),
        "{shown}"
    );
}

#[test]
fn limits_hold() {
    let refused = |text: &str| read(vec![file("x", text)]).expect_err("a limit");
    assert_eq!(refused(&"#".repeat(MAX_TEXT + 1)), ReadError::TooLarge);
    assert_eq!(
        refused(&"a;".repeat(MAX_DIRECTIVES + 1)),
        ReadError::TooManyDirectives
    );
    assert_eq!(
        refused(&"a ".repeat(MAX_WORDS + 1)),
        ReadError::TooManyWords(1)
    );
    assert_eq!(refused(&"a {".repeat(MAX_DEPTH + 1)), ReadError::TooDeep(1));
    assert!(read(vec![file("x", &"a {".repeat(MAX_DEPTH))]).is_ok());
    assert_eq!(
        read(vec![file("x", ""); crate::nginx::MAX_FILES + 1]),
        Err(ReadError::TooManyFiles)
    );
}

#[test]
fn files_that_include_themselves_or_each_other_many_times_end() {
    let own = read(vec![
        file("a.conf", "include b.conf;"),
        file("b.conf", "include b.conf;"),
    ])
    .unwrap();
    assert_eq!(own.broken[0].what, "a file that includes itself");
    // Twenty files, each including the next ten times.
    let files = (0..20)
        .map(|n| {
            file(
                &format!("{n}.conf"),
                &format!("include {}.conf;", n + 1).repeat(10),
            )
        })
        .collect();
    assert_eq!(read(files), Err(ReadError::TooManyDirectives));
}

#[test]
fn a_file_cut_anywhere_is_read() {
    for end in 0..GOOD.len() {
        if let Some(part) = GOOD.get(..end) {
            let config = config_of(part);
            for finding in examine(&config, &Expected::default()).iter() {
                assert!(!render(&config, finding).is_empty());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flipped_bytes_are_read(changes in prop::collection::vec((0..GOOD.len(), any::<u8>()), 1..12)) {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let config = config_of(&String::from_utf8_lossy(&bytes));
        for finding in examine(&config, &Expected::default()).iter() {
            prop_assert!(!render(&config, finding).is_empty());
        }
    }

    #[test]
    fn words_of_a_configuration_in_any_order_are_read(parts in prop::collection::vec(
        prop::sample::select(vec!["server", "location", "{", "}", ";", " ", "\n", "'", "\"", "\\", "~", "^~", "/",
            "proxy_pass", "http://x", "upstream", "listen", "443", "ssl", "include", "#", "(", "[", "$", "é", "map"]), 0..120)) {
        let config = config_of(&parts.concat());
        for finding in examine(&config, &Expected::default()).iter() {
            prop_assert!(!render(&config, finding).is_empty());
        }
    }
}
