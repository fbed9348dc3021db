//! Cases of the rules in `proxy.rs` (requirements 90 to 115).

use super::{
    Case, E, Group, I, IL5, PRODUCTION, ParsedCase, REPLICA, StagedCase, TWO_APPS, W, With, case,
};

pub(super) const GROUP: Group = Group {
    cases: CASES,
    staged: STAGED,
    parsed: PARSED,
};

const OTHER_APP: (&str, &str) = TWO_APPS;

const CASES: &[Case] = &[
    case(
        "PROXY-114",
        I,
        &[IL5],
        &[IL5, ("+", "[proxy]\nrate_limit = 50")],
    ),
    Case {
        id: "PROXY-091",
        level: W,
        fails: (&[REPLICA], With::Nothing),
        passes: (&[TWO_APPS], With::Nothing),
    },
    case(
        "PROXY-103",
        E,
        &[("[tls]", "[tls]\nsource = \"letsencrypt\"")],
        &[("[tls]", "[tls]\nsource = \"internal-ca\"")],
    ),
    case(
        "PROXY-104",
        W,
        &[("[tls]", "[tls]\nsource = \"commercial\"")],
        &[],
    ),
    Case {
        id: "PROXY-105",
        level: E,
        fails: (&[PRODUCTION], With::SelfSigned),
        passes: (&[PRODUCTION], With::Nothing),
    },
    Case {
        id: "PROXY-106",
        level: E,
        fails: (&[], With::OtherName),
        passes: (&[], With::Nothing),
    },
    Case {
        id: "PROXY-113",
        level: W,
        fails: (&[], With::PublicCrl),
        passes: (&[], With::InternalCrl),
    },
];

const SITE_PATH: &str = "/etc/nginx/sites-available/mattermost";
const SITE: (&str, &str, &str) = (
    "mm1",
    SITE_PATH,
    include_str!("../../../../tests/fixtures/staged/site.conf"),
);
const CONFIG_PATH: &str = "/opt/mattermost/config/config.json";
const CONFIG: (&str, &str, &str) = (
    "mm1",
    CONFIG_PATH,
    "{\"ServiceSettings\":{\"ConnectionSecurity\":\"\"},\"FileSettings\":{\"MaxFileSize\":50000000}}",
);
const INSTALL: (&str, &str, &str) = (
    "mm1",
    "install.sh",
    "update-ca-certificates --fresh\nnginx -q -t || die\nenable_unit nginx.service\nsystemctl reload nginx.service\n",
);
const PERMS: (&str, &str, &str) = (
    "mm1",
    "perms.tsv",
    "link\t777\troot\troot\tstage\tnginx.service\t/etc/nginx/sites-enabled/mattermost\t../sites-available/mattermost\n\
     absent\t0\troot\troot\tstage\tnginx.service\t/etc/nginx/sites-enabled/default\t-\n\
     file\t600\troot\troot\tstage\tnginx.service\t/etc/nginx/ssl/mattermost/privkey.pem\t-\n",
);
const KEY_PATH: &str = "/etc/nginx/ssl/mattermost/privkey.pem";
/// In place of these texts stand the key and the authority of the plan.
const KEY: (&str, &str, &str) = ("mm1", KEY_PATH, "@SITE-KEY@");
const CA_PATH: &str = "/usr/local/share/ca-certificates/haversack-site-ca.crt";
const CA: (&str, &str, &str) = ("mm1", CA_PATH, "@SITE-CA@");
const NFT_PATH: &str = "/etc/nftables.d/mattermost.nft";
const APT_PATH: &str = "/etc/apt/sources.list.d/haversack-base.sources";

/// A rule that the lint of NGINX decides, with one break of the good site.
const fn site(
    id: &'static str,
    breaks: &'static [(&'static str, &'static str, &'static str, &'static str)],
) -> StagedCase {
    StagedCase {
        id,
        plan: &[],
        files: &[SITE, CONFIG],
        breaks,
    }
}

const STAGED: &[StagedCase] = &[
    site(
        "PROXY-090",
        &[
            ("mm1", SITE_PATH, "", ""),
            ("mm1", SITE_PATH, "http://backend", "https://backend"),
            (
                "mm1",
                CONFIG_PATH,
                "\"ConnectionSecurity\":\"\"",
                "\"ConnectionSecurity\":\"TLS\"",
            ),
        ],
    ),
    StagedCase {
        id: "PROXY-091",
        plan: &[OTHER_APP],
        files: &[
            KEY,
            CA,
            PERMS,
            ("app2", CA_PATH, "@SITE-CA@"),
            ("app2", "/etc/motd", "welcome"),
        ],
        breaks: &[
            ("mm1", KEY_PATH, "", ""),
            ("mm1", KEY_PATH, "@SITE-KEY@", "another"),
            ("mm1", "perms.tsv", "file\t600", "file\t640"),
            ("app2", CA_PATH, "", ""),
            ("app2", "/etc/motd", "welcome", "@SITE-KEY@"),
        ],
    },
    StagedCase {
        id: "PROXY-092",
        plan: &[],
        files: &[(
            "mm1",
            NFT_PATH,
            "chain input {\n ip saddr { 10.20.9.0/28 } tcp dport 22 accept\n ip saddr { 10.30.0.0/16 } tcp dport 80 accept\n \
             ip saddr { 10.30.0.0/16 } tcp dport 443 accept\n}\nchain output {\n tcp dport 53 accept\n}\n",
        )],
        breaks: &[
            ("mm1", NFT_PATH, "", ""),
            ("mm1", NFT_PATH, "dport 443", "dport 8065"),
            (
                "mm1",
                NFT_PATH,
                "ip saddr { 10.20.9.0/28 } tcp dport 22",
                "tcp dport 22",
            ),
        ],
    },
    site(
        "PROXY-093",
        &[("mm1", SITE_PATH, "127.0.0.1:8065", "10.20.0.77:8065")],
    ),
    site(
        "PROXY-094",
        &[(
            "mm1",
            SITE_PATH,
            "        proxy_set_header Connection \"\";\n",
            "",
        )],
    ),
    site(
        "PROXY-095",
        &[
            (
                "mm1",
                SITE_PATH,
                "access_log /var/log/nginx/mattermost.access.log",
                "access_log off",
            ),
            (
                "mm1",
                SITE_PATH,
                "    access_log /var/log/nginx/mattermost.access.log;\n",
                "",
            ),
        ],
    ),
    StagedCase {
        id: "PROXY-096",
        plan: &[],
        files: &[
            INSTALL,
            (
                "mm1",
                APT_PATH,
                "# see https://wiki.debian.org/\nTypes: deb\nURIs: file:///opt/haversack/base\nSigned-By: /etc/apt/keyrings/k.gpg\n",
            ),
            (
                "mm1",
                "/usr/local/sbin/mattermost-bucket-init",
                "curl https://10.20.0.10:9000/ \"https://$host/\"\n",
            ),
            (
                "mm1",
                "/etc/mattermost/readme",
                "https://docs.mattermost.com/",
            ),
        ],
        breaks: &[
            ("mm1", "install.sh", "nginx -q -t", "wget x"),
            (
                "mm1",
                "install.sh",
                "nginx -q -t",
                "curl https://get.example.com/x | sh",
            ),
            (
                "mm1",
                APT_PATH,
                "file:///opt/haversack/base",
                "http://deb.debian.org/debian",
            ),
            (
                "mm1",
                APT_PATH,
                "Signed-By: /etc/apt/keyrings/k.gpg",
                "Trusted: yes",
            ),
            (
                "mm1",
                "/usr/local/sbin/mattermost-bucket-init",
                "10.20.0.10:9000",
                "s3.amazonaws.com",
            ),
        ],
    },
    StagedCase {
        id: "PROXY-097",
        plan: &[],
        files: &[SITE, PERMS],
        breaks: &[
            ("mm1", SITE_PATH, "", ""),
            ("mm1", SITE_PATH, "listen 80;", "listen 80 default_server;"),
            (
                "mm1",
                "perms.tsv",
                "sites-enabled/mattermost",
                "sites-enabled/other",
            ),
            (
                "mm1",
                "perms.tsv",
                "sites-enabled/default",
                "sites-enabled/other",
            ),
        ],
    },
    StagedCase {
        id: "PROXY-098",
        plan: &[],
        files: &[INSTALL],
        breaks: &[("mm1", "install.sh", "enable_unit nginx.service\n", "")],
    },
    site(
        "PROXY-099",
        &[("mm1", SITE_PATH, "    keepalive 32;\n", "")],
    ),
    site(
        "PROXY-100",
        &[
            ("mm1", SITE_PATH, "listen 80;", "listen 8080;"),
            ("mm1", SITE_PATH, "301 https://", "301 http://"),
        ],
    ),
    site(
        "PROXY-101",
        &[
            ("mm1", SITE_PATH, "listen 443 ssl http2", "listen 443"),
            ("mm1", SITE_PATH, "        proxy_pass http://backend;\n", ""),
            ("mm1", SITE_PATH, "Host $host", "Host $proxy_host"),
            ("mm1", SITE_PATH, "chat.mm.internal", "other.mm.internal"),
        ],
    ),
    site(
        "PROXY-102",
        &[
            (
                "mm1",
                SITE_PATH,
                "        proxy_set_header Upgrade $http_upgrade;\n",
                "",
            ),
            (
                "mm1",
                SITE_PATH,
                "        proxy_set_header Connection \"upgrade\";\n",
                "",
            ),
            ("mm1", SITE_PATH, "    proxy_http_version 1.1;\n", ""),
        ],
    ),
    site(
        "PROXY-103",
        &[(
            "mm1",
            SITE_PATH,
            "/etc/nginx/ssl/",
            "/etc/letsencrypt/live/",
        )],
    ),
    site(
        "PROXY-107",
        &[
            ("mm1", SITE_PATH, "TLSv1.2 TLSv1.3", "TLSv1.1 TLSv1.2"),
            ("mm1", SITE_PATH, "    ssl_protocols TLSv1.2 TLSv1.3;\n", ""),
        ],
    ),
    site(
        "PROXY-108",
        &[("mm1", SITE_PATH, ":ECDHE-RSA-AES256-GCM-SHA384", ":RC4-SHA")],
    ),
    site(
        "PROXY-109",
        &[(
            "mm1",
            SITE_PATH,
            "    add_header Strict-Transport-Security",
            "    add_header X-Other",
        )],
    ),
    site(
        "PROXY-110",
        &[(
            "mm1",
            SITE_PATH,
            "proxy_read_timeout 90",
            "proxy_read_timeout 9",
        )],
    ),
    site(
        "PROXY-111",
        &[
            (
                "mm1",
                SITE_PATH,
                "client_max_body_size 50M",
                "client_max_body_size 20M",
            ),
            ("mm1", CONFIG_PATH, "50000000", "104857600"),
        ],
    ),
    StagedCase {
        id: "PROXY-112",
        plan: &[],
        files: &[SITE, INSTALL],
        breaks: &[
            ("mm1", "install.sh", "nginx -q -t || die\n", ""),
            ("mm1", SITE_PATH, "keepalive 32;", "keepalive 32"),
        ],
    },
    site(
        "PROXY-113",
        &[("mm1", SITE_PATH, "ssl_stapling off", "ssl_stapling on")],
    ),
    StagedCase {
        id: "PROXY-115",
        plan: &[],
        files: &[CA, INSTALL],
        breaks: &[
            ("mm1", CA_PATH, "", ""),
            ("mm1", CA_PATH, "@SITE-CA@", "another"),
            ("mm1", "install.sh", "update-ca-certificates", "true"),
        ],
    },
];

const PARSED: &[ParsedCase] = &[];
