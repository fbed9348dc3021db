//! A real nginx on the loopback interface that serves one folder.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An nginx that ends when dropped.
pub(crate) struct Nginx {
    folder: PathBuf,
    port: u16,
    child: Child,
}

/// A line of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    /// The path without `/` at its beginning.
    pub(crate) path: String,
    /// Where the range began; 0 without one.
    pub(crate) from: u64,
    pub(crate) status: u16,
    /// Bytes of the body that were handed to the kernel.
    pub(crate) sent: u64,
}

impl Nginx {
    /// Serves `folder/www`, each connection with these lines of configuration.
    pub(crate) fn start(folder: &Path, lines: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        write_configuration(folder, port, lines);
        let child = Command::new("nginx")
            .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            folder: folder.to_owned(),
            port,
            child,
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "nginx did not start"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Serves new connections with other lines of configuration, once they are in force.
    pub(crate) fn reload(&self, lines: &str) {
        write_configuration(&self.folder, self.port, lines);
        let done = Command::new("nginx")
            .args(["-e", "error.log", "-c", "nginx.conf", "-s", "reload", "-p"])
            .arg(&self.folder)
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// The requests so far, in the order in which they ended.
    pub(crate) fn served(&self) -> Vec<Served> {
        let text = std::fs::read_to_string(self.folder.join("access.log")).unwrap();
        text.lines().map(served).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

fn served(line: &str) -> Served {
    let words: Vec<&str> = line.split(' ').collect();
    let [path, range, status, sent] = words[..] else {
        panic!("{line}");
    };
    let from = range
        .strip_prefix("bytes=")
        .map(|range| range.trim_end_matches('-'));
    Served {
        path: path.trim_start_matches('/').to_owned(),
        from: from.map_or(0, |from| from.parse().unwrap()),
        status: status.parse().unwrap(),
        sent: sent.parse().unwrap(),
    }
}

fn write_configuration(folder: &Path, port: u16, lines: &str) {
    // Whoever runs the tests may be root; the folder is then only root's.
    let user = if rustix::process::geteuid().is_root() {
        "user root;\n"
    } else {
        ""
    };
    let text = format!(
        "{user}daemon off;\npid nginx.pid;\nworker_processes 1;\nevents {{ worker_connections 512; }}\nhttp {{\n  \
           client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n  \
           default_type application/octet-stream;\n  log_format short '$uri $http_range $status $body_bytes_sent';\n  \
           access_log access.log short;\n  sendfile on;\n  server {{\n    listen 127.0.0.1:{port} sndbuf=32k;\n    root www;\n    {lines}\n  }}\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), text).unwrap();
}
