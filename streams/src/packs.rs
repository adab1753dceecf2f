//! Git packs in `PACKS`: stored in chunks as they come, loaded chunk by chunk. Never more than a few chunks in memory.

mod load;
mod sweep;

use async_nats::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use schemas::event::PackRef;
use schemas::names::FleetId;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;
use uuid::Uuid;

use crate::bus::Bus;
use crate::catalog::pack_subject;
use crate::connection;
use crate::error::{PackError, SendError};
use crate::publish::Message;

/// Bytes of a chunk, but for the last one.
const CHUNK_BYTES: usize = 512 << 10;
/// Chunks on their way to the server at a time; so many may lie in another order than they were read in.
const IN_FLIGHT: usize = 4;

/// Which pack a chunk belongs to.
const PACK: &str = "fleetlog-pack";
/// The how-manieth chunk it is, counted from 0.
const CHUNK: &str = "fleetlog-chunk";

impl Bus {
    /// Stores what `reader` holds and answers where it lies. Every chunk is on disk when this returns. After an error, or
    /// when cancelled, what was stored stays without a reference until it is swept.
    pub async fn store_pack<R: AsyncRead + Unpin>(
        &self,
        fleet: &FleetId,
        id: Uuid,
        mut reader: R,
    ) -> Result<PackRef, PackError> {
        let subject = pack_subject(fleet);
        let mut stored = PackRef { id, first: 0, last: 0, chunks: 0, bytes: 0, sha256: String::new() };
        let mut digest = Sha256::new();
        let mut in_flight = FuturesUnordered::new();
        let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
        let mut ended = false;
        while !ended || !in_flight.is_empty() {
            tokio::select! {
                // Neither arm loses anything when the other one wins: a read puts its bytes into `buffer` or nowhere, the
                // chunks under way stay in `in_flight`.
                Some(sequence) = in_flight.next(), if !in_flight.is_empty() => {
                    let sequence: u64 = sequence?;
                    stored.first = if stored.first == 0 { sequence } else { stored.first.min(sequence) };
                    stored.last = stored.last.max(sequence);
                }
                read = fill(&mut reader, &mut buffer), if !ended && in_flight.len() < IN_FLIGHT => {
                    ended = read.map_err(|source| PackError::Io { what: "read", id, source })? == 0;
                    if buffer.len() < CHUNK_BYTES && (!ended || buffer.is_empty()) {
                        continue;
                    }
                    let chunk = std::mem::replace(&mut buffer, BytesMut::with_capacity(CHUNK_BYTES)).freeze();
                    digest.update(&chunk);
                    stored.bytes += chunk.len() as u64;
                    in_flight.push(self.store_chunk(subject.clone(), id, stored.chunks, chunk));
                    stored.chunks += 1;
                }
            }
        }
        stored.sha256 = hex(&digest.finalize());
        Ok(stored)
    }

    async fn store_chunk(&self, subject: String, id: Uuid, chunk: u32, body: Bytes) -> Result<u64, PackError> {
        let mut headers = HeaderMap::new();
        headers.insert(PACK, id.to_string());
        headers.insert(CHUNK, chunk.to_string());
        // The first chunk tells at once that nobody is there; a pack that is half stored is worth some waiting.
        let deadline = Instant::now() + self.deadline;
        if chunk > 0 {
            connection::up_before(self.link(), deadline).await;
        }
        let message = Message { subject, headers, body };
        let mut stored = self.store(message.clone(), &format!("{id}-{chunk}")).await;
        while let Err(SendError::Unavailable { .. }) = stored
            && chunk > 0
            && self.before_next_attempt(deadline).await
        {
            stored = self.store(message.clone(), &format!("{id}-{chunk}")).await;
        }
        stored.map_err(|source| PackError::Store { id, chunk, source })
    }
}

/// Reads once into what is left of a chunk. Cancel-safe.
async fn fill<R: AsyncRead + Unpin>(reader: &mut R, buffer: &mut BytesMut) -> std::io::Result<usize> {
    let left = CHUNK_BYTES - buffer.len();
    reader.take(left as u64).read_buf(buffer).await
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
