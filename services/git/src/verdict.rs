//! Our own words in an answer to a push: lines that the pusher reads, and the report that its Git reads. Where
//! `receive-pack` speaks as well, its packets stay whole.
//!
//! The format is that of Git's `gitprotocol-pack`: "report-status", inside side-band packets where the client takes them.

use crate::opening::Opening;
use crate::pktline::FLUSH;

/// The side-band of the report, and that of what the pusher reads.
const REPORT: u8 = 1;
const SAID: u8 = 2;

/// Lines for the pusher; nothing for a client that takes none.
pub(crate) fn said(opening: &Opening, text: &str) -> Vec<u8> {
    let Some(limit) = opening.side_band else { return Vec::new() };
    banded(SAID, format!("{text}\n").as_bytes(), limit)
}

/// No ref has moved, for the same short reason: the whole report, with the end of the answer.
pub(crate) fn report(opening: &Opening, reason: &str) -> Vec<u8> {
    let mut report = Vec::new();
    if opening.report {
        packet(&mut report, &[b"unpack ", reason.as_bytes(), b"\n"]);
        for name in &opening.names {
            packet(&mut report, &[b"ng ", name, b" ", reason.as_bytes(), b"\n"]);
        }
        report.extend_from_slice(FLUSH);
    }
    let Some(limit) = opening.side_band else { return report };
    let mut answer = banded(REPORT, &report, limit);
    answer.extend_from_slice(FLUSH);
    answer
}

fn banded(band: u8, bytes: &[u8], limit: usize) -> Vec<u8> {
    let mut answer = Vec::new();
    for part in bytes.chunks(limit) {
        packet(&mut answer, &[&[band], part]);
    }
    answer
}

fn packet(into: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    into.extend_from_slice(format!("{:04x}", length + FLUSH.len()).as_bytes());
    parts.iter().for_each(|part| into.extend_from_slice(part));
}

/// Follows an answer's packets, so that words of ours come between two of them, and before the last.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    /// What is there of a packet's length.
    head: Vec<u8>,
    /// Bytes that are to come of the packet.
    left: usize,
    /// Whether the answer's end has come: it is kept until nothing can come before it any more.
    ended: bool,
}

impl Packets {
    /// What may go out of what came. Once `muted`, only what completes a packet.
    pub(crate) fn pass(&mut self, mut bytes: &[u8], muted: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + FLUSH.len());
        while let Some(first) = bytes.first() {
            if self.left > 0 {
                let part = self.left.min(bytes.len());
                out.extend_from_slice(&bytes[..part]);
                self.left -= part;
                bytes = &bytes[part..];
                continue;
            }
            self.head.push(*first);
            bytes = &bytes[1..];
            if self.head.len() < FLUSH.len() {
                continue;
            }
            let head = std::mem::take(&mut self.head);
            if muted {
                // Nothing that begins now goes out: the rest is not looked at either.
                self.ended = true;
                return out;
            }
            if std::mem::take(&mut self.ended) {
                out.extend_from_slice(FLUSH);
            }
            let length = std::str::from_utf8(&head).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
            match length {
                Some(0) => self.ended = true,
                _ => {
                    self.left = length.unwrap_or_default().saturating_sub(FLUSH.len());
                    out.extend_from_slice(&head);
                }
            }
        }
        out
    }

    /// The end that was kept.
    pub(crate) const fn end(&self) -> &'static [u8] {
        if self.ended { FLUSH } else { b"" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_between_packets_and_before_the_end() {
        let whole = b"0006ab0007abc0000";
        for cut in 0..whole.len() {
            let mut packets = Packets::default();
            let mut out = packets.pass(&whole[..cut], false);
            out.extend(packets.pass(&whole[cut..], false));
            assert_eq!((out.as_slice(), packets.end()), (&whole[..13], FLUSH), "cut at {cut}");
        }
        // Muted in the middle of a packet, the packet is completed and nothing else.
        let mut packets = Packets::default();
        assert_eq!(packets.pass(b"0006a", false), b"0006a");
        assert_eq!(packets.pass(b"b0007abc0000", true), b"b");
        assert_eq!(packets.pass(b"0007abc", true), b"");
    }

    #[test]
    fn a_report_names_every_ref() {
        let names = vec![b"refs/heads/a".to_vec(), b"refs/heads/\xff".to_vec()];
        let mut opening = Opening { names, report: true, ..Opening::default() };
        let plain = report(&opening, "too large");
        assert_eq!(
            plain,
            b"0015unpack too large\n001eng refs/heads/a too large\n001eng refs/heads/\xff too large\n0000"
        );
        assert!(said(&opening, "x").is_empty());
        opening.side_band = Some(65_515);
        let banded = report(&opening, "too large");
        assert_eq!(banded[..5], *b"005a\x01");
        assert!(banded.ends_with(b"00000000"));
        assert_eq!(said(&opening, "x"), b"0007\x02x\n");
    }
}
