//! Templates to text: undefined values are errors, nothing is escaped behind one's back.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use crate::stage::quote::{self, QuoteError};

/// The values of a template: `values! { name => value, other }`, each made by serde.
macro_rules! values {
    (@one $key:ident $value:expr) => { minijinja::Value::from(minijinja::value::Serde(&$value)) };
    (@one $key:ident) => { minijinja::Value::from(minijinja::value::Serde(&$key)) };
    ($($key:ident $(=> $value:expr)?),* $(,)?) => {
        minijinja::context! { $($key => $crate::stage::render::values!(@one $key $($value)?)),* }
    };
}
pub(super) use values;

/// Why a template did not become a file: a mistake of this program, or a value that the language
/// of the file cannot carry.
#[derive(Debug, thiserror::Error)]
#[error("cannot render {template}")]
pub struct RenderError {
    template: &'static str,
    #[source]
    source: Error,
}

impl RenderError {
    /// A value that the file cannot carry.
    pub(super) fn value(template: &'static str, why: String) -> Self {
        Self {
            template,
            source: Error::new(ErrorKind::InvalidOperation, why),
        }
    }

    /// Says for which file a value could not be quoted.
    pub(super) fn quote(template: &'static str) -> impl Fn(QuoteError) -> Self {
        move |why| Self {
            template,
            source: Error::new(ErrorKind::InvalidOperation, why.to_string()),
        }
    }
}

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        /// Every template with its text.
        const TEMPLATES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("templates/", $name, ".j2")))),*
        ];
    };
}

templates![
    "INSTALL.md",
    "ansible/inventory.yml",
    "app/mattermost.environment",
    "app/mattermost.service",
    "app/sysctl.conf",
    "common/apt.sources",
    "common/chrony.sources",
    "common/fapolicyd.rules",
    "common/firewalld-policy.xml",
    "common/firewalld-zone.xml",
    "common/haversack_mattermost.te",
    "common/mattermost.nft",
    "common/nftables.conf",
    "common/timesyncd.conf",
    "common/ufw.rules",
    "db/db-prepare.sql",
    "db/mattermost-backup",
    "db/mattermost-backup.service",
    "db/mattermost-backup.timer",
    "db/mattermost-restore-test",
    "db/mattermost.conf",
    "db/network-online.conf",
    "db/pg_hba.conf",
    "install.sh",
    "install/check.sh",
    "install/compare.sh",
    "install/debian/host.sh",
    "install/debian/packages.sh",
    "install/debian/system.sh",
    "install/files.sh",
    "install/filter/firewalld.rollback.sh",
    "install/filter/firewalld.sh",
    "install/filter/firewalld.verify.sh",
    "install/filter/nftables.rollback.sh",
    "install/filter/nftables.sh",
    "install/filter/nftables.verify.sh",
    "install/filter/ufw.rollback.sh",
    "install/filter/ufw.sh",
    "install/filter/ufw.verify.sh",
    "install/guard.sh",
    "install/lib.sh",
    "install/rhel/host.sh",
    "install/rhel/packages.sh",
    "install/rhel/rollback.sh",
    "install/rhel/security.sh",
    "install/rhel/system.sh",
    "install/services.sh",
    "minio/config.env",
    "minio/mattermost-account.env",
    "minio/mattermost-bucket-init",
    "minio/minio.default",
    "minio/minio.service",
    "monitor/mattermost.rules.yml",
    "monitor/prometheus.default",
    "monitor/prometheus.yml",
    "nfs/mattermost.exports",
    "nfs/mattermost.mount",
    "nfs/nfs.conf",
    "proxy/keepalived.conf",
    "proxy/mattermost-proxy-check",
    "preflight.sh",
    "preflight/files.sh",
    "preflight/host.sh",
    "preflight/network.sh",
    "preflight/report.sh",
    "proxy/mattermost.nginx",
    "push/mattermost-push-proxy.service",
    "rollback.sh",
    "verify.sh",
    "verify/app.sh",
    "verify/certificates.sh",
    "verify/database.sh",
    "verify/monitor.sh",
    "verify/proxy.sh",
    "verify/store.sh",
];

/// The templates, compiled.
#[derive(Debug)]
pub(super) struct Renderer(Environment<'static>);

impl Renderer {
    /// Compiles every template.
    pub(super) fn new() -> Result<Self, RenderError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        // A line that holds only a block tag leaves no line.
        let syntax = SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|source| RenderError {
                template: "syntax",
                source,
            })?;
        environment.set_syntax(syntax);
        for (name, filter) in FILTERS {
            let filter = *filter;
            environment.add_filter(*name, move |value: &Value| {
                filter(&value.to_string())
                    .map_err(|why| Error::new(ErrorKind::InvalidOperation, why.to_string()))
            });
        }
        for (name, text) in TEMPLATES {
            environment
                .add_template(name, text)
                .map_err(|source| RenderError {
                    template: name,
                    source,
                })?;
        }
        Ok(Self(environment))
    }

    /// The file that `template` becomes with these values.
    pub(super) fn render(
        &self,
        template: &'static str,
        values: &Value,
    ) -> Result<Vec<u8>, RenderError> {
        self.0
            .get_template(template)
            .and_then(|found| found.render(values.clone()))
            .map(String::into_bytes)
            .map_err(|source| RenderError { template, source })
    }
}

type Filter = fn(&str) -> Result<String, QuoteError>;

const FILTERS: &[(&str, Filter)] = &[
    ("sh", quote::sh),
    ("sql", quote::sql),
    ("sql_name", quote::sql_name),
    ("systemd_env", quote::systemd_env),
    ("systemd", quote::systemd),
    ("nft", quote::nft),
    ("nginx", quote::nginx),
    ("xml", quote::xml),
    ("ufw", quote::ufw),
    ("yaml", quote::yaml),
];

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn every_template_compiles() {
        Renderer::new().unwrap();
    }

    #[test]
    fn a_value_that_is_missing_is_an_error() {
        let renderer = Renderer::new().unwrap();
        let error = renderer
            .render("db/mattermost-backup.timer", &values! {})
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot render db/mattermost-backup.timer"
        );
    }

    #[test]
    fn a_value_that_the_file_cannot_carry_is_an_error() {
        let renderer = Renderer::new().unwrap();
        let values = values! { root_user => "a", root_password => "two\nlines" };
        assert!(renderer.render("minio/config.env", &values).is_err());
        let values = values! { root_user => "a", root_password => "b<&" };
        assert_eq!(
            String::from_utf8(renderer.render("minio/config.env", &values).unwrap()).unwrap(),
            "# Root account of MinIO.\nMINIO_ROOT_USER='a'\nMINIO_ROOT_PASSWORD='b<&'\n"
        );
    }
}
