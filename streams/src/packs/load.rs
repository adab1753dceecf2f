//! Loads a pack: its chunks in order, whatever lies between them, checked against what was stored.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use bytes::Bytes;
use schemas::event::PackRef;
use schemas::names::FleetId;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use uuid::Uuid;

use super::{CHUNK, IN_FLIGHT, PACK, hex};
use crate::bus::Bus;
use crate::catalog::{PACKS, pack_subject};
use crate::error::PackError;
use crate::read::Which;

impl Bus {
    /// Writes the pack to `writer`, which has seen all of it, and only it, where this returns `Ok`.
    pub async fn load_pack<W: AsyncWrite + Unpin>(
        &self,
        fleet: &FleetId,
        pack: &PackRef,
        mut writer: W,
    ) -> Result<(), PackError> {
        let id = pack.id;
        let subject = pack_subject(fleet);
        let missing = |chunk| PackError::Missing { id, chunk, chunks: pack.chunks, first: pack.first, last: pack.last };
        let mut digest = Sha256::new();
        let mut bytes = 0;
        let mut next = 0;
        let mut at = pack.first.saturating_sub(1);
        // Chunks that came before their turn, at most as many as were on their way at a time.
        let mut early: BTreeMap<u32, Bytes> = BTreeMap::new();
        while next < pack.chunks {
            let chunk = match early.remove(&next) {
                Some(chunk) => chunk,
                None => {
                    let Some((sequence, found)) = self.chunk_after(&subject, at, id).await? else {
                        return Err(missing(next));
                    };
                    if sequence > pack.last || early.len() > IN_FLIGHT {
                        return Err(missing(next));
                    }
                    at = sequence;
                    // A chunk of another pack, or one that was stored twice, is none.
                    let Some((number, chunk)) = found.filter(|(number, _)| *number >= next) else { continue };
                    if number != next {
                        early.insert(number, chunk);
                        continue;
                    }
                    chunk
                }
            };
            digest.update(&chunk);
            bytes += chunk.len() as u64;
            next += 1;
            writer.write_all(&chunk).await.map_err(|source| PackError::Io { what: "write", id, source })?;
        }
        let damaged = |what, seen: String, expected: String| PackError::Damaged { id, what, seen, expected };
        if bytes != pack.bytes {
            return Err(damaged("length", bytes.to_string(), pack.bytes.to_string()));
        }
        let sha256 = hex(&digest.finalize());
        if sha256 != pack.sha256 {
            return Err(damaged("SHA-256", sha256, pack.sha256.clone()));
        }
        writer.flush().await.map_err(|source| PackError::Io { what: "write", id, source })
    }

    /// The first message on `subject` after `after`: its sequence, and its number and body where it is a chunk of `id`.
    async fn chunk_after(
        &self,
        subject: &str,
        after: u64,
        id: Uuid,
    ) -> Result<Option<(u64, Option<(u32, Bytes)>)>, PackError> {
        let deadline = Instant::now() + self.deadline;
        loop {
            match self.get(PACKS, Which::First { subject, after }).await {
                Ok(None) => return Ok(None),
                Ok(Some(it)) => {
                    let number = number(&it.headers, id);
                    return Ok(Some((it.sequence, number.map(|number| (number, it.payload)))));
                }
                Err(source) => {
                    tracing::debug!(%id, error = %source, "reading a chunk again");
                    if !self.before_next_attempt(deadline).await {
                        return Err(PackError::Read { id, source });
                    }
                }
            }
        }
    }
}

fn number(headers: &HeaderMap, id: Uuid) -> Option<u32> {
    let of = headers.get(PACK)?.as_str().parse::<Uuid>().ok()?;
    let number = headers.get(CHUNK)?.as_str().parse().ok()?;
    (of == id).then_some(number)
}
