//! Bodies of requests, piece by piece: unpacked on the way where the client has compressed them, never more than a few
//! pieces in memory, and not for ever where the client is slow.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, header};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use tokio::time::Instant;

/// Compressed bytes unpacked at a time: gzip blows them up at most a thousandfold.
const PIECE: usize = 4 << 10;

/// Bytes a second that a client has to send at least.
const PACE: u64 = 1 << 10;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
}

/// How the request's body is packed; otherwise the word that is not known.
pub(crate) fn encoding(headers: &HeaderMap) -> Result<Encoding, String> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?")) {
        None | Some("" | "identity") => Ok(Encoding::Plain),
        Some("gzip" | "x-gzip") => Ok(Encoding::Gzip),
        Some(other) => Err(other.to_owned()),
    }
}

/// Why no more comes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    /// The client is too slow.
    #[error("less than 1 KiB/s came for {} s, longer than `{}` allows", .0.as_secs_f32(), crate::key::SLOW)]
    Slow(Duration),
    /// The client has hung up, or says nonsense.
    #[error("the request broke off")]
    Broken(#[source] axum::Error),
    /// It does not unpack.
    #[error("the request's body is not what its content encoding says")]
    Packing(#[source] io::Error),
}

/// A request's body as it comes in.
pub(crate) struct Intake {
    pieces: BodyDataStream,
    pace: Pace,
    /// Unpacks; none: the body is plain.
    unpacker: Option<MultiGzDecoder<Vec<u8>>>,
    packed: Bytes,
    ended: bool,
}

/// What came while the client was waited for: the time that it takes us to work on it is not the client's.
struct Pace {
    slow: Duration,
    waited: Duration,
    bytes: u64,
}

impl Intake {
    /// `slow` is how long less than 1 KiB/s may come.
    pub(crate) fn new(body: Body, encoding: Encoding, slow: Duration) -> Self {
        let unpacker = (encoding == Encoding::Gzip).then(|| MultiGzDecoder::new(Vec::new()));
        let pace = Pace { slow, waited: Duration::ZERO, bytes: 0 };
        Self { pieces: body.into_data_stream(), pace, unpacker, packed: Bytes::new(), ended: false }
    }

    /// The next piece, at most a few MiB; none: that was all. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, IntakeError> {
        loop {
            let piece = match &mut self.unpacker {
                None => self.pace.next(&mut self.pieces).await?,
                Some(unpacker) if !self.packed.is_empty() => {
                    let part = self.packed.split_to(PIECE.min(self.packed.len()));
                    unpacker.write_all(&part).and_then(|()| unpacker.flush()).map_err(IntakeError::Packing)?;
                    Some(Bytes::from(std::mem::take(unpacker.get_mut())))
                }
                Some(_) if self.ended => None,
                Some(unpacker) => match self.pace.next(&mut self.pieces).await? {
                    Some(packed) => {
                        self.packed = packed;
                        continue;
                    }
                    None => {
                        self.ended = true;
                        unpacker.try_finish().map_err(IntakeError::Packing)?;
                        Some(Bytes::from(std::mem::take(unpacker.get_mut())))
                    }
                },
            };
            // An empty piece is no end.
            if piece.as_ref().is_none_or(|piece| !piece.is_empty()) {
                return Ok(piece);
            }
        }
    }
}

impl Pace {
    async fn next(&mut self, pieces: &mut BodyDataStream) -> Result<Option<Bytes>, IntakeError> {
        loop {
            let begun = Instant::now();
            // Cancel-safe: a piece that was not received stays where it is.
            let came = tokio::time::timeout(self.slow.saturating_sub(self.waited), pieces.next()).await;
            self.waited += begun.elapsed();
            if let Ok(Some(Ok(piece))) = &came {
                self.bytes += piece.len() as u64;
            }
            if self.waited >= self.slow {
                let enough = u64::try_from(self.slow.as_millis()).unwrap_or(u64::MAX).saturating_mul(PACE) / 1_000;
                if std::mem::take(&mut self.bytes) < enough && !matches!(came, Ok(None)) {
                    return Err(IntakeError::Slow(self.slow));
                }
                self.waited = Duration::ZERO;
            }
            match came {
                Ok(piece) => return piece.transpose().map_err(IntakeError::Broken),
                Err(_) => continue,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::stream;

    use super::*;

    const SLOW: Duration = Duration::from_secs(5);

    async fn all(mut intake: Intake) -> Result<Vec<u8>, IntakeError> {
        let mut seen = Vec::new();
        while let Some(piece) = intake.next().await? {
            seen.extend_from_slice(&piece);
        }
        Ok(seen)
    }

    #[tokio::test]
    async fn a_compressed_body_is_unpacked() {
        let text: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&text).unwrap();
        let body = Body::from(packer.finish().unwrap());
        assert_eq!(all(Intake::new(body, Encoding::Gzip, SLOW)).await.unwrap(), text);
    }

    #[tokio::test]
    async fn a_compressed_body_that_is_cut_is_an_error() {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(b"hello, hello, hello").unwrap();
        let mut packed = packer.finish().unwrap();
        packed.truncate(packed.len() - 6);
        let cut = all(Intake::new(Body::from(packed), Encoding::Gzip, SLOW)).await;
        assert!(matches!(cut, Err(IntakeError::Packing(_))), "{cut:?}");
    }

    /// So many bytes, every 100 ms.
    fn dripping(bytes: usize, times: usize) -> Body {
        Body::from_stream(stream::unfold(times, move |left| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            (left > 0).then(|| (Ok::<_, io::Error>(Bytes::from(vec![0; bytes])), left - 1))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_too_little_is_given_up_however_often_it_sends() {
        let begun = Instant::now();
        let slow = all(Intake::new(dripping(100, 1_000), Encoding::Plain, SLOW)).await;
        assert!(matches!(slow, Err(IntakeError::Slow(SLOW))), "{slow:?}");
        assert!(begun.elapsed() < SLOW * 2, "{:?}", begun.elapsed());
        assert_eq!(all(Intake::new(dripping(110, 1_000), Encoding::Plain, SLOW)).await.unwrap().len(), 110_000);
        // Silence after a good start is slow as well.
        let silent = Body::from_stream(stream::iter([Ok::<_, io::Error>(vec![0; 6_000])]).chain(stream::pending()));
        assert!(all(Intake::new(silent, Encoding::Plain, SLOW)).await.is_err());
    }

    #[test]
    fn an_unknown_packing_is_named() {
        let mut headers = HeaderMap::new();
        assert_eq!(encoding(&headers), Ok(Encoding::Plain));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(encoding(&headers), Ok(Encoding::Gzip));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(encoding(&headers), Err("br".to_owned()));
    }
}
