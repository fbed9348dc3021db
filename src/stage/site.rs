//! The secrets that a plan needs, taken from the store.

use crate::plan::Plan;
use crate::plan::deployment::{DatabaseServer, Role, S3Server, Storage};
use crate::stage::secrets::{SecretError, SecretStore, Shape, scram_verifier};
use crate::types::secret::Secret;

/// The secrets of a deployment.
#[derive(Debug)]
pub(super) struct Secrets {
    pub(super) db_password: Secret,
    /// The SCRAM verifier of the password.
    pub(super) db_verifier: Secret,
    /// What replicas log in with, when there are any.
    pub(super) replication: Option<Replication>,
    pub(super) at_rest_key: Secret,
    pub(super) public_link_salt: Secret,
    /// Account and key of the object storage, when there is one.
    pub(super) s3: Option<(Secret, Secret)>,
    /// Root account of our own object storage, when it is not the account above.
    pub(super) minio_root: Option<(Secret, Secret)>,
    pub(super) smtp_password: Option<Secret>,
    pub(super) ldap_password: Option<Secret>,
    pub(super) license: Option<Secret>,
}

/// What replicas log in with.
#[derive(Debug)]
pub(super) struct Replication {
    pub(super) password: Secret,
    /// The SCRAM verifier of the password.
    pub(super) verifier: Secret,
}

impl Secrets {
    /// Takes what the plan needs, making what is new and ours to make. `has_client` says whether
    /// the bundle brings MinIO's own client, with which Mattermost gets an account of its own.
    ///
    /// # Errors
    /// When a secret is unfit or cannot be read, or one that only the operator has is missing.
    pub(super) fn gather(
        plan: &Plan,
        has_client: bool,
        store: &mut SecretStore<'_>,
    ) -> Result<Self, SecretError> {
        let deployment = &plan.deployment;
        let db_password = match deployment.database.server {
            DatabaseServer::External(_) => store.required("db-password", Shape::Foreign)?,
            DatabaseServer::Host(_) | DatabaseServer::Compose => {
                store.get("db-password", Shape::Password)?
            }
        };
        let db_verifier = verifier(store, &db_password, "db-scram-salt")?;
        let replication = if plan.database.replicas.is_empty() {
            None
        } else {
            let password = store.get("replication-password", Shape::Password)?;
            Some(Replication {
                verifier: verifier(store, &password, "replication-scram-salt")?,
                password,
            })
        };
        let at_rest_key = store.get("at-rest-encrypt-key", Shape::Alphanumeric)?;
        let public_link_salt = store.get("public-link-salt", Shape::Alphanumeric)?;
        let has_minio = plan.hosts_with(Role::Minio).next().is_some();
        let external = matches!(&deployment.storage, Storage::S3(s3) if matches!(s3.server, S3Server::Endpoint(_)));
        let s3 = if external {
            Some((
                store.required("s3-access-key", Shape::Foreign)?,
                store.required("s3-secret-key", Shape::Foreign)?,
            ))
        } else if has_minio {
            Some((
                store.get("s3-access-key", Shape::Alphanumeric)?,
                store.get("s3-secret-key", Shape::Password)?,
            ))
        } else {
            None
        };
        let minio_root = if has_minio && (has_client || external) {
            Some((
                store.get("minio-root-user", Shape::Alphanumeric)?,
                // It is a part of a URL for MinIO's client.
                store.get("minio-root-password", Shape::Alphanumeric)?,
            ))
        } else {
            None
        };
        let mut foreign = |needed: bool, name| {
            needed
                .then(|| store.required(name, Shape::Foreign))
                .transpose()
        };
        let mail_user = deployment.smtp.as_ref().and_then(|smtp| smtp.user.as_ref());
        let smtp_password = foreign(mail_user.is_some(), "smtp-password")?;
        let bind = deployment
            .ldap
            .as_ref()
            .and_then(|ldap| ldap.bind_dn.as_ref());
        let ldap_password = foreign(bind.is_some(), "ldap-bind-password")?;
        let license = store.find("license", Shape::License)?;
        store.complete()?;
        Ok(Self {
            db_password,
            db_verifier,
            replication,
            at_rest_key,
            public_link_salt,
            s3,
            minio_root,
            smtp_password,
            ldap_password,
            license,
        })
    }

    /// Every value, for those who must not repeat one.
    pub(super) fn values(&self) -> Vec<&Secret> {
        let mut values = vec![
            &self.db_password,
            &self.db_verifier,
            &self.at_rest_key,
            &self.public_link_salt,
        ];
        if let Some(replication) = &self.replication {
            values.extend([&replication.password, &replication.verifier]);
        }
        for (account, key) in self.s3.iter().chain(&self.minio_root) {
            values.extend([account, key]);
        }
        let foreign = [&self.smtp_password, &self.ldap_password, &self.license];
        values.extend(foreign.into_iter().flatten());
        values
    }
}

fn verifier(
    store: &mut SecretStore<'_>,
    password: &Secret,
    salt_name: &'static str,
) -> Result<Secret, SecretError> {
    let salt = store.get(salt_name, Shape::Salt)?;
    let text =
        scram_verifier(password, &salt).map_err(|problem| store.unfit(salt_name, problem))?;
    Ok(Secret::new(text))
}
