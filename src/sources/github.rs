//! Answers of GitHub's REST API about releases. Pure: bytes in, values out.
//!
//! Read are `GET /repos/{owner}/{repo}/releases` and `…/releases/tags/{tag}` ("REST API endpoints for
//! releases"): of a release its tag and whether it is a draft or a pre-release, of an asset its name and
//! `digest`, which GitHub computes when an asset is uploaded (since June 2025).

use serde::{Deserialize, Serialize};

use crate::types::digest::Digest;

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER: u64 = 32 << 20;
/// How many releases one page of the list holds; what the API gives at most.
pub const PAGE: usize = 100;
/// Most pages of a list that are read: the newest 2,000 releases.
pub const MAX_PAGES: usize = 20;

/// Why an answer does not say what is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GithubError {
    /// It is no JSON of the shape that the API documents.
    #[error("the answer is not what GitHub's API documents")]
    Shape(#[source] serde_json::Error),
    /// The release has no asset of this name.
    #[error("the release has no asset `{asset}`; it has {}", shown(.names))]
    NoAsset {
        /// The name.
        asset: String,
        /// What there is.
        names: Vec<String>,
    },
    /// The API states no SHA-256 for the asset.
    #[error("the API states no SHA-256 for the asset `{0}`")]
    NoDigest(String),
    /// Two assets have the name.
    #[error("the release has {count} assets `{asset}`")]
    Ambiguous {
        /// The name.
        asset: String,
        /// How many.
        count: usize,
    },
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Release {
    /// Its tag.
    pub tag_name: String,
    /// Whether it is not published.
    #[serde(default)]
    pub draft: bool,
    /// Whether its publisher calls it a pre-release.
    #[serde(default)]
    pub prerelease: bool,
}

#[derive(Deserialize)]
struct Assets {
    assets: Vec<Asset>,
}

/// What is kept of an asset, in this order.
#[derive(Serialize, Deserialize)]
struct Asset {
    name: String,
    digest: Option<String>,
}

/// The releases of one page of a list.
///
/// # Errors
/// When the answer has another shape.
pub fn releases(answer: &[u8]) -> Result<Vec<Release>, GithubError> {
    serde_json::from_slice(answer).map_err(GithubError::Shape)
}

/// The SHA-256 that the API states for an asset of a release, and what of the answer says so: the
/// rest of it, such as counts of downloads, changes every minute.
///
/// # Errors
/// When the answer has another shape, or states none.
pub fn asset_digest(answer: &[u8], asset: &str) -> Result<(Digest, String), GithubError> {
    let all: Assets = serde_json::from_slice(answer).map_err(GithubError::Shape)?;
    let mut found = all.assets.iter().filter(|one| one.name == asset);
    match (found.next(), found.count()) {
        (Some(one), 0) => {
            let excerpt = serde_json::to_string(one).map_err(GithubError::Shape)?;
            Ok((excerpt_digest(&excerpt, asset)?, excerpt))
        }
        (Some(_), more) => Err(GithubError::Ambiguous {
            asset: asset.to_owned(),
            count: more.saturating_add(1),
        }),
        (None, _) => Err(GithubError::NoAsset {
            asset: asset.to_owned(),
            names: all.assets.into_iter().map(|one| one.name).collect(),
        }),
    }
}

/// The SHA-256 in what [`asset_digest`] kept of an answer.
///
/// # Errors
/// When it is of another asset, or states none.
pub fn excerpt_digest(excerpt: &str, asset: &str) -> Result<Digest, GithubError> {
    let one: Asset = serde_json::from_str(excerpt).map_err(GithubError::Shape)?;
    if one.name != asset {
        return Err(GithubError::NoAsset {
            asset: asset.to_owned(),
            names: vec![one.name],
        });
    }
    let hex = one.digest.as_deref().unwrap_or_default();
    let digest = hex.strip_prefix("sha256:").map(str::parse::<Digest>);
    match digest {
        Some(Ok(digest)) => Ok(digest),
        _ => Err(GithubError::NoDigest(asset.to_owned())),
    }
}

fn shown(names: &[String]) -> String {
    let mut list: Vec<String> = names
        .iter()
        .take(8)
        .map(|name| format!("`{}`", name.escape_debug()))
        .collect();
    if names.len() > list.len() {
        list.push("…".to_owned());
    }
    if list.is_empty() {
        "none".to_owned()
    } else {
        list.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "8ae404ed0c0fbab2b01c00c031b9d0f3e17c51007e3bb3401bebaf3e60da0c3e";

    #[test]
    fn reads_the_digest_of_an_asset_and_keeps_only_that() {
        let answer = format!(
            r#"{{"tag_name":"v1","assets":[{{"id":1,"name":"a.zip","digest":"sha256:{A}","download_count":7}},
               {{"name":"b.zip","digest":null}},{{"name":"c","digest":"md5:0"}},{{"name":"d"}},{{"name":"d"}}]}}"#
        );
        let (digest, excerpt) = asset_digest(answer.as_bytes(), "a.zip").unwrap();
        assert_eq!(digest.to_string(), A);
        assert_eq!(
            excerpt,
            format!(r#"{{"name":"a.zip","digest":"sha256:{A}"}}"#)
        );
        assert_eq!(excerpt_digest(&excerpt, "a.zip").unwrap(), digest);
        let refused = |asset| {
            asset_digest(answer.as_bytes(), asset)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused("b.zip"),
            "the API states no SHA-256 for the asset `b.zip`"
        );
        assert_eq!(refused("c"), "the API states no SHA-256 for the asset `c`");
        assert_eq!(refused("d"), "the release has 2 assets `d`");
        assert_eq!(
            refused("e"),
            "the release has no asset `e`; it has `a.zip`, `b.zip`, `c`, `d`, `d`"
        );
        assert!(excerpt_digest(&excerpt, "b.zip").is_err());
        assert!(asset_digest(b"<html>", "a").is_err());
    }

    #[test]
    fn reads_a_page_of_releases() {
        let page = br#"[{"tag_name":"v1.2.0","draft":false,"prerelease":true,"body":"x"},{"tag_name":"v1.1.0"}]"#;
        let found = releases(page).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].tag_name.as_str(), found[0].prerelease),
            ("v1.2.0", true)
        );
        assert!(!found[1].draft && !found[1].prerelease);
        assert!(releases(br#"{"message":"rate limit"}"#).is_err());
    }
}
