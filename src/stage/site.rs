//! The secrets that a plan needs, taken from the store.

use crate::plan::Plan;
use crate::plan::deployment::{Role, Storage};
use crate::stage::secrets::{SecretError, SecretStore, Shape, scram_verifier};
use crate::types::secret::Secret;

/// The secrets of a deployment.
#[derive(Debug)]
pub(super) struct Secrets {
    pub(super) db_password: Secret,
    /// The SCRAM verifier of the password.
    pub(super) db_verifier: Secret,
    pub(super) at_rest_key: Secret,
    pub(super) public_link_salt: Secret,
    /// Account and key of the object storage, when there is one.
    pub(super) s3: Option<(Secret, Secret)>,
}

impl Secrets {
    /// Takes what the plan needs, making what is new.
    pub(super) fn gather(plan: &Plan, store: &mut SecretStore<'_>) -> Result<Self, SecretError> {
        let db_password = store.get("db-password", Shape::Password)?;
        let salt = store.get("db-scram-salt", Shape::Salt)?;
        let verifier = scram_verifier(&db_password, &salt)
            .map_err(|problem| store.unfit("db-scram-salt", problem))?;
        let s3 = matches!(plan.deployment.storage, Storage::S3(_))
            || plan.hosts_with(Role::Minio).next().is_some();
        Ok(Self {
            db_password,
            db_verifier: Secret::new(verifier),
            at_rest_key: store.get("at-rest-encrypt-key", Shape::Alphanumeric)?,
            public_link_salt: store.get("public-link-salt", Shape::Alphanumeric)?,
            s3: if s3 {
                Some((
                    store.get("s3-access-key", Shape::Alphanumeric)?,
                    store.get("s3-secret-key", Shape::Password)?,
                ))
            } else {
                None
            },
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
        if let Some((account, key)) = &self.s3 {
            values.extend([account, key]);
        }
        values
    }
}
