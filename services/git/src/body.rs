//! Bodies of requests, as a child reads them: unpacked on the way where the client has compressed them, and never more
//! than a few pieces in memory.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Compressed bytes unpacked at a time: gzip blows them up at most a thousandfold.
const PIECE: usize = 4 << 10;

/// The first bytes of a body, unpacked: a push's commands stand there.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    /// Bytes that are kept at most.
    pub(crate) limit: usize,
}

impl Head {
    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
    }
}

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

/// Writes a request's body into a child. Ends early where the client stops sending; the child notices that by itself.
pub(crate) async fn feed(
    body: Body,
    encoding: Encoding,
    idle: Duration,
    mut child: impl AsyncWrite + Unpin,
    head: &mut Head,
) -> io::Result<()> {
    let mut pieces = body.into_data_stream();
    let mut unpacker = MultiGzDecoder::new(Vec::new());
    loop {
        let Ok(piece) = tokio::time::timeout(idle, pieces.next()).await else {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("the client sent nothing for {idle:?}")));
        };
        let Some(piece) = piece else { break };
        let piece = piece.map_err(io::Error::other)?;
        match encoding {
            Encoding::Plain => {
                head.keep(&piece);
                child.write_all(&piece).await?;
            }
            Encoding::Gzip => {
                for part in piece.chunks(PIECE) {
                    unpacker.write_all(part)?;
                    head.keep(unpacker.get_ref());
                    child.write_all(unpacker.get_ref()).await?;
                    unpacker.get_mut().clear();
                }
            }
        }
    }
    if encoding == Encoding::Gzip {
        let rest = unpacker.finish()?;
        head.keep(&rest);
        child.write_all(&rest).await?;
    }
    child.shutdown().await
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const IDLE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_compressed_body_is_unpacked() {
        let text: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&text).unwrap();
        let mut seen = Vec::new();
        let mut head = Head { limit: 100, ..Head::default() };
        feed(Body::from(packer.finish().unwrap()), Encoding::Gzip, IDLE, &mut seen, &mut head).await.unwrap();
        assert_eq!(seen, text);
        assert_eq!(head.bytes, text[..100]);
    }

    #[tokio::test]
    async fn a_compressed_body_that_is_cut_is_an_error() {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(b"hello, hello, hello").unwrap();
        let mut packed = packer.finish().unwrap();
        packed.truncate(packed.len() - 6);
        assert!(feed(Body::from(packed), Encoding::Gzip, IDLE, Vec::new(), &mut Head::default()).await.is_err());
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
