//! The programs that read staged files, each asked about one text, and a change that each must refuse.

use super::bench::{Bench, Verdict, name};
use super::files::{JOINED, Reader, Sample};

/// One program.
pub(super) struct Validator {
    pub(super) name: &'static str,
    pub(super) reads: Reader,
    /// How many of the texts it is asked about.
    pub(super) extent: Asked,
    /// What it says about a text.
    pub(super) ask: fn(&Bench, &Sample) -> Verdict,
    /// A text that every sample holds, and what it is replaced by for a text that is refused.
    pub(super) spoil: (&'static str, &'static str),
}

/// How many texts a program is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// All.
    EveryText,
    /// As many as hold every line that any of them holds, for a program that takes seconds.
    EveryLine,
}

const fn validator(
    name: &'static str,
    reads: Reader,
    ask: fn(&Bench, &Sample) -> Verdict,
    spoil: (&'static str, &'static str),
) -> Validator {
    Validator {
        name,
        reads,
        extent: Asked::EveryText,
        ask,
        spoil,
    }
}

/// Every program that is asked about one text after the other.
pub(super) const VALIDATORS: &[Validator] = &[
    validator("sh -n", Reader::Shell, shell_reads, ("\n", "\nif fi\n")),
    Validator {
        extent: Asked::EveryLine,
        ..validator(
            "shellcheck",
            Reader::Shell,
            shellcheck,
            ("\n", "\nrm -rf $1/x\n"),
        )
    },
    validator(
        "systemd-analyze verify",
        Reader::Unit,
        unit,
        ("\n[", "\nNoSuchKey=1\n["),
    ),
    validator(
        "systemd-analyze verify of a part",
        Reader::UnitPart,
        part,
        ("\n", "\nNoSuchKey=1\n"),
    ),
    validator(
        "findmnt --verify",
        Reader::Unit,
        mount,
        ("Type=nfs", "Type=nosuch"),
    ),
    validator(
        "nginx -t 1.22",
        Reader::OlderNginx,
        nginx_here,
        ("server_name", "server_nam"),
    ),
    validator(
        "nginx -t newest, old form",
        Reader::OlderNginx,
        nginx_newest,
        ("server_name", "server_nam"),
    ),
    validator(
        "nginx -t newest",
        Reader::NewerNginx,
        nginx_newest,
        ("server_name", "server_nam"),
    ),
    validator(
        "nft -c",
        Reader::Nft,
        nft,
        ("\n", "\ntable inet x { chain y { acept } }\n"),
    ),
    validator(
        "firewall-offline-cmd",
        Reader::Firewalld,
        firewalld,
        ("\"tcp\"", "\"tcq\""),
    ),
    validator("ufw --dry-run", Reader::Ufw, ufw, (" port ", " prt ")),
    validator(
        "keepalived -t",
        Reader::Keepalived,
        keepalived,
        ("advert_int", "advert"),
    ),
    validator(
        "promtool",
        Reader::Prometheus,
        promtool,
        ("scrape_interval", "scrape_intervall"),
    ),
    validator(
        "sysctl --dry-run",
        Reader::Sysctl,
        sysctl,
        ("tcp_fin_timeout", "tcp_fin_timeot"),
    ),
    validator("chronyd -p", Reader::Chrony, chrony, ("iburst", "iburts")),
    validator("exportfs", Reader::Exports, exports, ("rw,sync", "rw,snyc")),
    validator("nfsconf", Reader::NfsConf, nfsconf, ("[nfsd]", "[nfsd")),
    validator(
        "apt-get --print-uris",
        Reader::Apt,
        apt,
        ("Types: deb", "Types: dep"),
    ),
    validator(
        "checkmodule, semodule_package",
        Reader::Selinux,
        selinux,
        ("allow ", "alow "),
    ),
    validator(
        "openssl x509",
        Reader::Certificate,
        certificate,
        ("MII", "NII"),
    ),
    validator("openssl pkey", Reader::Key, key, ("\nM", "\nN")),
    validator(
        "JSON of the push proxy",
        Reader::PushProxy,
        push_proxy,
        ("\"ListenAddress\"", "\"ListenAdress\""),
    ),
    validator(
        "fapolicyd",
        Reader::Fapolicyd,
        fapolicyd,
        (" : path=", " : folder="),
    ),
    validator(
        "postgres 17 -C",
        Reader::Postgres,
        postgres,
        ("max_connections", "max_conections"),
    ),
    validator(
        "checks.json",
        Reader::Haversack,
        checks,
        ("\"format\"", "\"fromat\""),
    ),
];

fn shell_reads(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("script", &sample.text);
    bench.succeeds(&folder, "sh -n \"$1/script\"")
}

fn shellcheck(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("script", &sample.text);
    bench.succeeds(
        &folder,
        "shellcheck --shell=sh --severity=style \"$1/script\"",
    )
}

/// Units that those of the deployment name, as packages bring them.
const NEIGHBOURS: &str = "for unit in postgresql.service postgresql-17.service postgresql@.service minio.service nfs-server.service; do
    [ -e \"$1/$unit\" ] || printf '[Service]\\nExecStart=/bin/true\\n' >\"$1/$unit\"
done
export SYSTEMD_UNIT_PATH=\"$1:/lib/systemd/system\"\n";

/// systemd 252 ends with 0 on keys that it does not know and only says so; it also speaks of units of this
/// machine. Exposure is at most 2.0 on a scale to 10.
fn unit(bench: &Bench, sample: &Sample) -> Verdict {
    let name = name(sample);
    let folder = bench.put(name, &sample.text);
    let security = if name.ends_with(".service") {
        format!(
            "systemd-analyze security --offline=true --threshold=20 {name} >\"$1/said\" 2>&1 || {{ cat \"$1/said\"; exit 1; }}"
        )
    } else {
        String::new()
    };
    let script = format!(
        "{NEIGHBOURS}systemd-analyze verify --man=no \"$1/{name}\" 2>&1 | grep -F -- '{name}'\n{security}"
    );
    bench.silent(&folder, &format!("{script}\ntrue"), |_| false)
}

fn part(bench: &Bench, sample: &Sample) -> Verdict {
    let mut folders = sample.path.rsplit('/').skip(1);
    let unit = folders
        .next()
        .and_then(|folder| folder.strip_suffix(".d"))
        .unwrap();
    let folder = bench.put(&format!("{unit}.d/part.conf"), &sample.text);
    let script = format!(
        "{NEIGHBOURS}systemd-analyze verify --man=no {unit} 2>&1 | grep -F part.conf\ntrue"
    );
    bench.silent(&folder, &script, |_| false)
}

/// A mount unit as a line of fstab; other units are none of its business.
fn mount(bench: &Bench, sample: &Sample) -> Verdict {
    let value = |key: &str| {
        let mut lines = sample.text.lines();
        lines
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(ToOwned::to_owned)
    };
    let Some(options) = value("Options") else {
        return Ok(());
    };
    let place = value("Where").ok_or("no Where=")?;
    let line = format!(
        "{} {place} {} {options} 0 0\n",
        value("What").ok_or("no What=")?,
        value("Type").ok_or("no Type=")?
    );
    let folder = bench.put("fstab", &line);
    bench.silent(
        &folder,
        &format!("mkdir -p {place}; findmnt --verify --verbose --tab-file \"$1/fstab\""),
        |line| {
            let line = line.trim();
            line.starts_with('/')
                || line.starts_with('[') && !line.starts_with("[E") && !line.starts_with("[W")
                || line.starts_with("Success, no errors or warnings")
        },
    )
}

/// The site among a configuration that reads it.
fn nginx(bench: &Bench, sample: &Sample, program: &str, expected: fn(&str) -> bool) -> Verdict {
    let folder = bench.put("site", &sample.text);
    let script = format!(
        "ip link set lo up
        printf 'pid %s/pid;\\nevents {{}}\\nhttp {{\\nclient_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;\\ninclude %s/site;\\n}}\\n' \"$1\" \"$1\" \"$1\" \"$1\" \"$1\" \"$1\" \"$1\" >\"$1/nginx.conf\"
        {program} -t -q -e stderr -c \"$1/nginx.conf\""
    );
    bench.silent(&folder, &script, expected)
}

fn nginx_here(bench: &Bench, sample: &Sample) -> Verdict {
    nginx(bench, sample, "nginx", |_| false)
}

/// The newest takes the form of older ones with a remark.
fn nginx_newest(bench: &Bench, sample: &Sample) -> Verdict {
    nginx(bench, sample, "/srv/matrix/nginx", |line| {
        line.contains("[warn]") && line.contains("the \"listen ... http2\" directive is deprecated")
    })
}

/// The main file includes the folder of rules, which is empty here.
fn nft(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("rules.nft", &sample.text);
    bench.silent(&folder, "nft -c -f \"$1/rules.nft\"", |_| false)
}

/// It ends with 0 whatever it finds.
fn firewalld(bench: &Bench, sample: &Sample) -> Verdict {
    let (folder, _) = bench.folder();
    let paths = sample.path.split(' ');
    for (path, text) in paths.zip(sample.text.split(JOINED)) {
        let below = path.strip_prefix("/etc/firewalld/").unwrap();
        let place = bench.room.seen(&format!("{folder}/{below}"));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    }
    bench.silent(
        &folder,
        "cp /etc/firewalld/firewalld.conf \"$1/\" && firewall-offline-cmd --system-config=\"$1\" --check-config",
        |_| false,
    )
}

/// Every rule by itself.
fn ufw(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("ufw.rules", &sample.text);
    bench.succeeds(
        &folder,
        "mount -t tmpfs none /run
        while IFS=$(printf '\\t') read -r rule comment; do
            ufw --dry-run $rule comment \"$comment\" >/dev/null || exit 1
        done <\"$1/ufw.rules\"",
    )
}

/// With a script to be run by its user some versions end with SIGTERM after they have said what is wrong
/// (acassen/keepalived#2180); then what was said counts, as in `install.sh`.
fn keepalived(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("keepalived.conf", &sample.text);
    bench.succeeds(
        &folder,
        "ip link add eth0 type veth peer name eth1; ip link set eth0 up
        code=0
        keepalived --config-test=\"$1/said\" --use-file=\"$1/keepalived.conf\" || code=$?
        if [ $code -eq 143 ] && [ ! -s \"$1/said\" ]; then code=0; fi
        cat \"$1/said\"; exit $code",
    )
}

fn promtool(bench: &Bench, sample: &Sample) -> Verdict {
    let (folder, _) = bench.folder();
    for (path, text) in sample.path.split(' ').zip(sample.text.split(JOINED)) {
        let text = text.replace("/etc/prometheus/", &format!("{folder}/"));
        let name = path.rsplit('/').next().unwrap();
        std::fs::write(bench.room.seen(&format!("{folder}/{name}")), text).unwrap();
    }
    let (ok, text) = bench.says(&folder, "promtool check config \"$1/prometheus.yml\" 2>&1");
    if ok && text.contains("rules found") {
        Ok(())
    } else {
        Err(text)
    }
}

/// Every setting is taken; those of the whole machine are not to be seen in the network of the room.
fn sysctl(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("60.conf", &sample.text);
    let (_, said) = bench.says(&folder, "sysctl --dry-run --load=\"$1/60.conf\" 2>&1");
    let settings = sample
        .text
        .lines()
        .filter_map(|line| line.strip_prefix('-'));
    for setting in settings {
        let machine = setting.starts_with("net.core.");
        if !machine && !said.lines().any(|line| line == setting) {
            return Err(format!("{setting}\n{said}"));
        }
    }
    Ok(())
}

fn chrony(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("sources.d/haversack.sources", &sample.text);
    bench.succeeds(
        &folder,
        "cat \"$1\"/sources.d/* >\"$1/chrony.conf\" && chronyd -p -f \"$1/chrony.conf\" >/dev/null",
    )
}

/// Without the server in the kernel it ends with an error in any case; what is wrong with the file, it says before.
fn exports(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("exports", &sample.text);
    let (_, text) = bench.says(
        &folder,
        "mount --bind \"$1/exports\" /etc/exports; exportfs -ra 2>&1",
    );
    let odd = |line: &&str| {
        line.contains("/etc/exports") || line.contains("keyword") || line.contains("syntax")
    };
    match text.lines().find(odd) {
        Some(_) => Err(text),
        None => Ok(()),
    }
}

fn nfsconf(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("nfs.conf", &sample.text);
    let (ok, text) = bench.says(
        &folder,
        "nfsconf --file \"$1/nfs.conf\" --get nfsd vers4 2>&1",
    );
    if ok && text.trim() == "y" {
        Ok(())
    } else {
        Err(text)
    }
}

fn apt(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("sources/haversack.sources", &sample.text);
    let (ok, text) = bench.says(
        &folder,
        "mkdir -p \"$1/lists/partial\"; apt-get update --print-uris -o Dir::Etc::sourcelist=/dev/null \
         -o Dir::Etc::sourceparts=\"$1/sources\" -o Dir::State::lists=\"$1/lists\" 2>&1",
    );
    if ok && text.starts_with("'file:/opt/haversack/apt/") {
        Ok(())
    } else {
        Err(text)
    }
}

fn selinux(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("haversack_mattermost.te", &sample.text);
    bench.succeeds(
        &folder,
        "cd \"$1\" && checkmodule -M -m -o haversack_mattermost.mod haversack_mattermost.te &&
         semodule_package -o haversack_mattermost.pp -m haversack_mattermost.mod",
    )
}

fn certificate(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("cert.pem", &sample.text);
    bench.succeeds(
        &folder,
        "openssl x509 -in \"$1/cert.pem\" -noout -checkend 0",
    )
}

fn key(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("key.pem", &sample.text);
    bench.succeeds(&folder, "openssl pkey -in \"$1/key.pem\" -noout -check")
}

fn checks(_: &Bench, sample: &Sample) -> Verdict {
    let list = haversack::checks::CheckList::parse(sample.text.as_bytes(), &sample.at);
    list.map(drop).map_err(|error| error.to_string())
}

fn push_proxy(_: &Bench, sample: &Sample) -> Verdict {
    let parsed: serde_json::Value =
        serde_json::from_str(&sample.text).map_err(|error| error.to_string())?;
    match parsed
        .get("ListenAddress")
        .and_then(serde_json::Value::as_str)
    {
        Some(address) if address.ends_with(":8066") => Ok(()),
        other => Err(format!("ListenAddress is {other:?}")),
    }
}

/// Without the right to watch anything it reads its rules, says so, and ends.
fn fapolicyd(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("rules.d/80-mattermost.rules", &sample.text);
    let (_, text) = bench.says(
        &folder,
        "printf 'permissive = 1\\ntrust = file\\n' >\"$1/fapolicyd.conf\"; : >\"$1/fapolicyd.trust\"
        cp /usr/share/fapolicyd/sample-rules/*.rules \"$1/rules.d\"
        mount --bind \"$1\" /etc/fapolicyd; mount -t tmpfs none /run; mount -t tmpfs none /var/lib/fapolicyd
        fagenrules --check; fagenrules --load
        setpriv --inh-caps=-all --bounding-set=-sys_admin timeout 300 fapolicyd --debug --permissive 2>&1",
    );
    let loaded = text.contains("\nLoaded ") && !text.contains("unknown");
    if loaded { Ok(()) } else { Err(text) }
}

/// A name or a value that the server does not know makes it end.
fn postgres(bench: &Bench, sample: &Sample) -> Verdict {
    let folder = bench.put("postgresql.conf", &sample.text);
    let native = "/opt/lent/node_modules/postgresql-17/native";
    bench.succeeds(
        &folder,
        &format!(
            "chown -R postgres \"$1\"; exec setpriv --reuid=postgres --regid=postgres --clear-groups \
            env LD_LIBRARY_PATH={native}/lib {native}/bin/postgres -C max_connections -D \"$1\" 2>&1"
        ),
    )
}
