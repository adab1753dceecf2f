//! Measures a pack as it streams by, before Git gets it: how many objects, how large each of them is, what all of them
//! unpack to. A bomb is refused at its first byte too many, and never lies unpacked anywhere.
//!
//! The format is Git's `gitformat-pack`: a head, then entries of kind, size and zlib stream, then a checksum. Where an
//! entry ends only its zlib stream says; so each is unpacked here, 32 KiB at a time, and thrown away.

use flate2::{Decompress, FlushDecompress, Status};
use schemas::units::Size;

use crate::config::Limits;
use crate::limit::{Over, key};

/// Signature, version, number of objects.
const HEAD: usize = 12;

/// Bytes of the checksum at the end, and of an object's name.
const NAME: usize = 20;

/// Bytes unpacked at a time.
const SCRATCH: usize = 32 << 10;

/// Bytes of the two sizes that a difference begins with.
const SIZES: usize = 20;

const PARTS: &str = "push older commits first, in parts (`git push origin COMMIT:refs/heads/BRANCH`)";

/// Why a pack is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// It is more than fits.
    #[error(transparent)]
    Over(#[from] Over),
    /// It is no whole pack.
    #[error(
        "the pack is damaged after {at} bytes: {what}; `git fsck` tells whether your clone is whole, then try again"
    )]
    Damaged { at: u64, what: &'static str },
}

/// How far into a pack we are, and what was seen of it.
pub(crate) struct Gauge {
    limits: Limits,
    at: At,
    /// Bytes of the pack.
    read: u64,
    /// Objects that are still to come.
    left: u32,
    /// Bytes that those which came unpack to.
    unpacked: u64,
    inflate: Decompress,
    scratch: Box<[u8]>,
}

/// What comes next.
enum At {
    Head(Vec<u8>),
    /// An entry's kind and size, seven bits of it in each byte.
    Entry {
        kind: u8,
        size: u64,
        shift: u32,
    },
    /// The name of the object that a difference builds on, so many bytes of it.
    BaseName {
        left: usize,
        size: u64,
    },
    /// Where the object that a difference builds on lies.
    BaseOffset {
        size: u64,
    },
    /// A zlib stream.
    Data {
        size: u64,
        seen: u64,
        sizes: Option<Vec<u8>>,
    },
    Checksum {
        left: usize,
    },
    End,
}

impl Gauge {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            at: At::Head(Vec::with_capacity(HEAD)),
            read: 0,
            left: 0,
            unpacked: 0,
            inflate: Decompress::new(true),
            scratch: vec![0; SCRATCH].into(),
        }
    }

    /// Whether the whole pack has gone by.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// Whether not one byte has: a push that only deletes brings no pack.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.read == 0
    }

    /// The pusher has sent everything.
    pub(crate) const fn end(&self) -> Result<(), Unfit> {
        if self.is_over() || self.is_untouched() { Ok(()) } else { Err(self.damaged("it ends early")) }
    }

    /// Takes some bytes; answers how many of them belong to the pack. None of them may reach Git after an error.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Unfit> {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_over() {
            let used = self.step(rest)?;
            self.read += used as u64;
            rest = &rest[used..];
            if self.read > self.limits.pack_bytes {
                let limit = Size(self.limits.pack_bytes);
                return Err(over("pack-bytes", format!("the pack has over {limit}"), limit, key::PACK_BYTES, PARTS));
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Takes at least one byte of `bytes`, which are some.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Unfit> {
        let first = bytes[0];
        match &mut self.at {
            At::Head(head) => {
                let used = (HEAD - head.len()).min(bytes.len());
                head.extend_from_slice(&bytes[..used]);
                if let Ok(head) = <[u8; HEAD]>::try_from(head.as_slice()) {
                    self.head(head)?;
                }
                Ok(used)
            }
            At::Entry { kind, size, shift } => {
                let bits = if *shift == 0 { first & 0x0f } else { first & 0x7f };
                if *shift == 0 {
                    *kind = first >> 4 & 7;
                }
                let part = u64::from(bits).checked_shl(*shift).filter(|part| part >> *shift == u64::from(bits));
                let Some(part) = part else { return Err(self.damaged("an object's size makes no sense")) };
                *size |= part;
                *shift += if *shift == 0 { 4 } else { 7 };
                if first & 0x80 == 0 {
                    let (kind, size) = (*kind, *size);
                    self.entry(kind, size)?;
                }
                Ok(1)
            }
            At::BaseName { left, size } => {
                let used = (*left).min(bytes.len());
                *left -= used;
                if *left == 0 {
                    self.at = At::Data { size: *size, seen: 0, sizes: Some(Vec::new()) };
                }
                Ok(used)
            }
            At::BaseOffset { size } => {
                if first & 0x80 == 0 {
                    self.at = At::Data { size: *size, seen: 0, sizes: Some(Vec::new()) };
                }
                Ok(1)
            }
            At::Data { .. } => self.data(bytes),
            At::Checksum { left } => {
                let used = (*left).min(bytes.len());
                *left -= used;
                if *left == 0 {
                    self.at = At::End;
                }
                Ok(used)
            }
            At::End => Ok(bytes.len()),
        }
    }

    fn head(&mut self, head: [u8; HEAD]) -> Result<(), Unfit> {
        let [signature @ .., _, _, _, _, a, b, c, d] = head;
        if signature != *b"PACK" {
            return Err(self.damaged("it does not begin like a pack"));
        }
        self.left = u32::from_be_bytes([a, b, c, d]);
        let limit = self.limits.pack_objects;
        if self.left > limit {
            let what = format!("the pack has {} objects", self.left);
            return Err(over("pack-objects", what, limit, key::PACK_OBJECTS, PARTS));
        }
        self.next();
        Ok(())
    }

    fn next(&mut self) {
        self.at = if self.left == 0 { At::Checksum { left: NAME } } else { At::Entry { kind: 0, size: 0, shift: 0 } };
    }

    /// An entry's kind and size are known, and none of its bytes.
    fn entry(&mut self, kind: u8, size: u64) -> Result<(), Unfit> {
        let (blob, held) = (self.limits.blob_bytes, self.limits.held_bytes);
        self.at = match kind {
            // A commit, a folder, a tag.
            1 | 2 | 4 if size > held => return Err(too_large("a commit, folder or tag", size, held)),
            3 if size > blob => {
                let what = format!("a file has {size} bytes");
                let remedy = "keep large files out of the fleet's history";
                return Err(over("blob-bytes", what, Size(blob), key::BLOB_BYTES, remedy));
            }
            1..=4 => At::Data { size, seen: 0, sizes: None },
            6 | 7 if size > held => return Err(too_large("a difference between two objects", size, held)),
            6 => At::BaseOffset { size },
            7 => At::BaseName { left: NAME, size },
            _ => return Err(self.damaged("an object is of no known kind")),
        };
        self.unpacks(size)
    }

    fn unpacks(&mut self, size: u64) -> Result<(), Unfit> {
        self.unpacked = self.unpacked.saturating_add(size);
        let limit = self.limits.unpacked_bytes;
        if self.unpacked <= limit {
            return Ok(());
        }
        let what = format!("the pack unpacks to over {}", Size(limit));
        Err(over("unpacked-bytes", what, Size(limit), key::UNPACKED_BYTES, PARTS))
    }

    fn data(&mut self, bytes: &[u8]) -> Result<usize, Unfit> {
        let mut used = 0;
        loop {
            let (read, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(&bytes[used..], &mut self.scratch, FlushDecompress::None);
            let Ok(status) = status else { return Err(self.damaged("an object does not unpack")) };
            used += usize::try_from(self.inflate.total_in() - read).unwrap_or(usize::MAX);
            let made = usize::try_from(self.inflate.total_out() - made).unwrap_or(usize::MAX);
            self.made(made)?;
            if status == Status::StreamEnd {
                self.object_ends()?;
                return Ok(used);
            }
            // What is unpacked already may be more than fitted into the scratch.
            if used == bytes.len() && made < self.scratch.len() {
                return Ok(used);
            }
            if made == 0 && self.inflate.total_in() == read {
                return Err(self.damaged("an object does not unpack"));
            }
        }
    }

    /// So many bytes of an object lie in the scratch.
    fn made(&mut self, made: usize) -> Result<(), Unfit> {
        let At::Data { size, seen, sizes } = &mut self.at else { return Ok(()) };
        *seen += made as u64;
        if *seen > *size {
            return Err(self.damaged("an object unpacks to more than it says"));
        }
        let Some(begun) = sizes else { return Ok(()) };
        begun.extend_from_slice(&self.scratch[..made.min(SIZES - begun.len().min(SIZES))]);
        let Some((base, result)) = both_sizes(begun) else { return Ok(()) };
        *sizes = None;
        let held = self.limits.held_bytes;
        if base.max(result) > held {
            return Err(too_large("an object that is sent as a difference", base.max(result), held));
        }
        self.unpacks(result)
    }

    fn object_ends(&mut self) -> Result<(), Unfit> {
        if let At::Data { size, seen, sizes } = &self.at
            && (size != seen || sizes.is_some())
        {
            return Err(self.damaged("an object unpacks to less than it says"));
        }
        self.inflate.reset(true);
        self.left -= 1;
        self.next();
        Ok(())
    }

    const fn damaged(&self, what: &'static str) -> Unfit {
        Unfit::Damaged { at: self.read, what }
    }
}

/// The two sizes that a difference begins with, that of what it builds on and that of what it makes, once they are there.
fn both_sizes(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte & 0x80 == 0).map(|(at, _)| at + 1);
    let (first, second) = (ends.next()?, ends.next()?);
    Some((size(&bytes[..first]), size(&bytes[first..second])))
}

/// Seven bits in each byte, the lowest first. Ten bytes and more say a size that nobody has.
fn size(bytes: &[u8]) -> u64 {
    let part = |(n, byte): (usize, &u8)| {
        let shift = u32::try_from(7 * n).ok().filter(|shift| *shift < 63);
        shift.map_or(u64::MAX, |shift| u64::from(byte & 0x7f) << shift)
    };
    bytes.iter().enumerate().map(part).fold(0, |sum, part| sum | part)
}

fn too_large(what: &str, size: u64, limit: u64) -> Unfit {
    let what = format!("{what} has {size} bytes");
    let remedy = "send large files whole (`git -c core.bigFileThreshold=16m push …`)";
    over("held-bytes", what, Size(limit), key::HELD_BYTES, remedy)
}

fn over(code: &'static str, what: String, limit: impl ToString, key: &'static str, remedy: &'static str) -> Unfit {
    Over { code, what, limit: limit.to_string(), key, remedy }.into()
}

#[cfg(test)]
mod tests;
