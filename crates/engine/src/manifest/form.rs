//! What manifests say, by value: no row numbers, digests in hexadecimal.

use chantal_catalog::{FeedState, PublicationKind, PublicationState, Revision, StateStatus};
use chantal_model::{RevisionNumber, Sha256};
use serde::{Deserialize, Serialize};

/// A rendered file: path, blob and size in bytes.
pub(crate) type RenderedForm = (String, String, u64);

/// The head of a file of a series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) format: String,
    pub(crate) created_at: i64,
    /// The revision that the series holds with this file.
    pub(crate) number: i64,
    pub(crate) fingerprint: String,
    /// The fingerprint of the revision that the file before holds; a base follows nothing.
    pub(crate) parent: Option<String>,
    pub(crate) revisions: Vec<RevisionForm>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RevisionForm {
    pub(crate) number: i64,
    pub(crate) mode: String,
    pub(crate) settings: String,
    pub(crate) fingerprint: String,
    pub(crate) created_at: i64,
    pub(crate) upstream_revision: Option<String>,
    pub(crate) upstream_timestamp: Option<i64>,
    pub(crate) package_count: i64,
    pub(crate) package_bytes: i64,
    pub(crate) retired_at: Option<i64>,
}

impl From<&Revision> for RevisionForm {
    fn from(revision: &Revision) -> Self {
        Self {
            number: revision.number.0,
            mode: revision.mode.name().to_owned(),
            settings: revision.settings.clone(),
            fingerprint: revision.fingerprint.hex(),
            created_at: revision.created_at,
            upstream_revision: revision.upstream_revision.clone(),
            upstream_timestamp: revision.upstream_timestamp,
            package_count: revision.package_count,
            package_bytes: revision.package_bytes,
            retired_at: revision.retired_at,
        }
    }
}

impl RevisionForm {
    /// `None` if it says what no revision can be.
    pub(crate) fn into_revision(self, line: i64) -> Option<Revision> {
        Some(Revision {
            line,
            number: RevisionNumber(self.number),
            mode: self.mode.parse().ok()?,
            fingerprint: self.fingerprint.parse().ok()?,
            settings: self.settings,
            created_at: self.created_at,
            upstream_revision: self.upstream_revision,
            upstream_timestamp: self.upstream_timestamp,
            package_count: self.package_count,
            package_bytes: self.package_bytes,
            retired_at: self.retired_at,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotForm {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) revision: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedForm {
    pub(crate) entry_url: String,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    pub(crate) entry: String,
    pub(crate) selection: String,
    pub(crate) complete: bool,
    pub(crate) changed_at: i64,
    pub(crate) upstream_timestamp: Option<i64>,
    /// The newest revision when the feed was in this state, which came of it if it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<i64>,
}

impl From<FeedState> for FeedForm {
    fn from(state: FeedState) -> Self {
        Self {
            entry_url: state.entry_url,
            etag: state.etag,
            last_modified: state.last_modified,
            entry: state.entry_sha256.hex(),
            selection: state.selection,
            complete: state.complete,
            changed_at: state.changed_at,
            upstream_timestamp: state.upstream_timestamp,
            revision: None,
        }
    }
}

impl FeedForm {
    pub(crate) fn into_state(self) -> Option<FeedState> {
        Some(FeedState {
            entry_sha256: self.entry.parse().ok()?,
            entry_url: self.entry_url,
            etag: self.etag,
            last_modified: self.last_modified,
            selection: self.selection,
            complete: self.complete,
            checked_at: self.changed_at,
            changed_at: self.changed_at,
            upstream_timestamp: self.upstream_timestamp,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicationForm {
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) snapshot: Option<String>,
    pub(crate) pinned: bool,
    pub(crate) generation: i64,
    pub(crate) states: Vec<StateForm>,
    /// What rendering gave: key, and path, blob and size of each file.
    pub(crate) rendered: Vec<(String, Vec<RenderedForm>)>,
}

impl PublicationForm {
    pub(crate) fn kind(&self) -> PublicationKind {
        match self.kind.as_str() {
            "snapshot" => PublicationKind::Snapshot,
            _ => PublicationKind::Latest,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateForm {
    pub(crate) revision: i64,
    pub(crate) render_key: String,
    pub(crate) generation: i64,
    pub(crate) entry: Option<String>,
    pub(crate) status: String,
    pub(crate) served_from: i64,
    pub(crate) served_until: Option<i64>,
}

impl From<&PublicationState> for StateForm {
    fn from(state: &PublicationState) -> Self {
        Self {
            revision: state.revision.0,
            render_key: state.render_key.clone(),
            generation: state.generation,
            entry: state.entry_sha256.map(|entry| entry.hex()),
            status: match state.status {
                StateStatus::Staged => "staged",
                StateStatus::Live => "live",
                StateStatus::Retired => "retired",
            }
            .to_owned(),
            served_from: state.served_from,
            served_until: state.served_until,
        }
    }
}

impl StateForm {
    pub(crate) fn into_state(self, path: &str, line: i64) -> Option<PublicationState> {
        let entry: Option<Sha256> = match self.entry {
            Some(entry) => Some(entry.parse().ok()?),
            None => None,
        };
        Some(PublicationState {
            id: 0,
            path: path.to_owned(),
            line,
            revision: RevisionNumber(self.revision),
            render_key: self.render_key,
            generation: self.generation,
            entry_sha256: entry,
            status: match self.status.as_str() {
                "live" => StateStatus::Live,
                "retired" => StateStatus::Retired,
                _ => StateStatus::Staged,
            },
            served_from: self.served_from,
            served_until: self.served_until,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HoldForm {
    pub(crate) sha256: String,
    pub(crate) reason: String,
    pub(crate) created_at: i64,
}
