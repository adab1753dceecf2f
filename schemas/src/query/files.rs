//! What agents ask Git: `req.git.files`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::{FleetId, Oid};

/// `req.git.files`: what files say that containers of a fleet take in. Only those are told that its accepted state has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesRequest {
    /// Of which fleet.
    pub fleet: FleetId,
    /// Git's ids of their contents.
    pub blobs: Vec<Oid>,
    /// Wait until what is accepted is known up to here.
    #[serde(default)]
    pub min_position: u64,
}

impl FilesRequest {
    /// How many bytes one answer tells at most, before they are written as text: what is left out is asked for again.
    pub const MOST: u64 = 2 << 20;
}

/// The answer to [`FilesRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesAnswer {
    /// The contents in base64, of as many as fit into one answer, and at least of one.
    pub contents: BTreeMap<Oid, String>,
}
