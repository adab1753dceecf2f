//! Sealed values in `KEYS`: of each holder the newest of each part, erasable down to the bytes on disk.
//!
//! What is stored here is sealed by who stores it: this file knows bytes only.

use std::collections::BTreeSet;

use async_nats::HeaderMap;
use async_nats::jetstream::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bus::Bus;
use crate::catalog::KEYS;
use crate::error::{ReadError, SendError};
use crate::publish::Message;
use crate::read::Which;

/// What is kept of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart {
    /// The key that everything else of this holder is sealed with.
    Data,
    /// The mail address.
    Mail,
}

impl KeyPart {
    /// Every part; the one that opens the others first.
    pub const ALL: [Self; 2] = [Self::Data, Self::Mail];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Mail => "mail",
        }
    }
}

/// Why something was not stored in `KEYS`.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// What was there before could not be erased.
    #[error("cannot erase what `KEYS` holds in this place")]
    Erase(#[source] ReadError),
    /// It could not be stored.
    #[error("cannot store in `KEYS`")]
    Store(#[source] SendError),
}

impl Bus {
    /// Stores a sealed value; it is on disk when this returns. An older one in its place is erased first, because the
    /// server only forgets it: its bytes would stay.
    pub async fn store_key(&self, holder: Uuid, part: KeyPart, sealed: Vec<u8>) -> Result<(), KeyError> {
        let subject = subject(holder, part);
        self.erase_key(&subject).await.map_err(KeyError::Erase)?;
        let message = Message { subject, headers: HeaderMap::new(), body: sealed.into() };
        let id = crate::clock::new_id().to_string();
        self.store(message, &id).await.map(drop).map_err(KeyError::Store)
    }

    /// The sealed value; none: there is none, or it is erased.
    pub async fn load_key(&self, holder: Uuid, part: KeyPart) -> Result<Option<Bytes>, ReadError> {
        let found = self.get(KEYS, Which::Last { subject: &subject(holder, part) }).await?;
        Ok(found.map(|it| it.payload))
    }

    /// Erases, down to the bytes on disk, all that is kept of a holder. Erasing again does no harm.
    pub async fn erase_keys(&self, holder: Uuid) -> Result<(), ReadError> {
        for part in KeyPart::ALL {
            self.erase_key(&subject(holder, part)).await?;
        }
        Ok(())
    }

    /// Everybody of whom something is kept.
    pub async fn key_holders(&self) -> Result<BTreeSet<Uuid>, ReadError> {
        let mut holders = BTreeSet::new();
        let mut seen = 0;
        loop {
            let page = self.reading(KEYS, || self.subjects_page(seen)).await?;
            let subjects = page.pointer("/state/subjects").and_then(Value::as_object);
            let names: Vec<_> = subjects.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            holders.extend(names.iter().filter_map(|name| name.split('.').nth(1)?.parse::<Uuid>().ok()));
            seen += names.len();
            let total = page.get("total").and_then(Value::as_u64).unwrap_or_default();
            if names.is_empty() || seen as u64 >= total {
                return Ok(holders);
            }
        }
    }

    async fn subjects_page(&self, offset: usize) -> Result<Value, ReadError> {
        let api = |source| ReadError::Api { what: KEYS.to_owned(), source };
        let request = json!({ "subjects_filter": "key.>", "offset": offset });
        let answer = self.jetstream().request(format!("STREAM.INFO.{KEYS}"), &request).await;
        match answer.map_err(|source| api(source.into()))? {
            Response::<Value>::Ok(page) => Ok(page),
            Response::Err { error } => Err(api(error.into())),
        }
    }

    async fn erase_key(&self, subject: &str) -> Result<(), ReadError> {
        // One at a time until none is left: more than one there never is, but this does not rest on it.
        while let Some(found) = self.get(KEYS, Which::Last { subject }).await? {
            self.erase(KEYS, found.sequence).await?;
        }
        Ok(())
    }
}

fn subject(holder: Uuid, part: KeyPart) -> String {
    format!("key.{holder}.{}", part.as_str())
}
