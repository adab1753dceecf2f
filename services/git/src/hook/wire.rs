//! The words between a hook and the service: one [`Hello`], then the hook's standard input as it is; back come frames.

/// Bytes of a frame's head: its kind, then the length of its body.
pub(crate) const HEAD: usize = 5;

/// Bytes of a frame's body at most.
pub(crate) const BODY: usize = 1 << 16;

/// Bytes of a [`Hello`] at most.
pub(crate) const HELLO: usize = 1 << 20;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The hook's name.
    pub(crate) hook: String,
    /// Which push.
    pub(crate) push: String,
    /// The folder of the objects that are not accepted yet; empty where there are none.
    pub(crate) quarantine: Vec<u8>,
    /// `-o …`, in order.
    pub(crate) options: Vec<Vec<u8>>,
}

/// What a frame's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// For the hook's standard output.
    Stdout,
    /// For the hook's standard error, which the pusher sees.
    Stderr,
    /// One byte: the hook ends with it.
    Exit,
}

impl Hello {
    /// Length in four bytes, then the fields, each ended by a zero byte, which none of them can hold.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let fields = [self.hook.as_bytes(), self.push.as_bytes(), &self.quarantine];
        for field in fields.into_iter().chain(self.options.iter().map(Vec::as_slice)) {
            body.extend_from_slice(field);
            body.push(0);
        }
        let mut bytes = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        bytes.append(&mut body);
        bytes
    }

    /// Reads the fields; none: it is no hello.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = body.strip_suffix(&[0])?.split(|byte| *byte == 0);
        let mut text = || String::from_utf8(fields.next()?.to_vec()).ok();
        let (hook, push) = (text()?, text()?);
        let quarantine = fields.next()?.to_vec();
        Some(Self { hook, push, quarantine, options: fields.map(<[u8]>::to_vec).collect() })
    }
}

/// A frame's head.
pub(crate) fn encode_head(frame: Frame, length: u32) -> [u8; HEAD] {
    let kind = match frame {
        Frame::Stdout => 1,
        Frame::Stderr => 2,
        Frame::Exit => 3,
    };
    let [a, b, c, d] = length.to_be_bytes();
    [kind, a, b, c, d]
}

/// What follows; none: it is no frame.
pub(crate) fn decode_head([kind, a, b, c, d]: [u8; HEAD]) -> Option<(Frame, usize)> {
    let frame = match kind {
        1 => Frame::Stdout,
        2 => Frame::Stderr,
        3 => Frame::Exit,
        _ => return None,
    };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    (length <= BODY).then_some((frame, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_reads_the_same_after_a_round_trip() {
        let hello = Hello {
            hook: "pre-receive".to_owned(),
            push: "x".to_owned(),
            quarantine: Vec::new(),
            options: vec![b"plan".to_vec(), b"reason=why".to_vec()],
        };
        assert_eq!(Hello::decode(&hello.encode()[4..]), Some(hello.clone()));
        let bare = Hello { options: Vec::new(), ..hello };
        assert_eq!(Hello::decode(&bare.encode()[4..]), Some(bare));
        assert_eq!(Hello::decode(b"pre-receive\0"), None);
        assert_eq!(Hello::decode(b""), None);
    }

    #[test]
    fn a_frame_that_is_too_long_is_none() {
        assert_eq!(decode_head(encode_head(Frame::Stderr, 7)), Some((Frame::Stderr, 7)));
        assert_eq!(decode_head(encode_head(Frame::Stdout, 1 << 17)), None);
        assert_eq!(decode_head([9, 0, 0, 0, 1]), None);
    }

    /// What the fuzzer has found, and what it starts from.
    #[test]
    fn every_seed_of_the_fuzzer_is_none_or_reads_the_same_after_a_round_trip() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/fuzz/seeds/hook-wire");
        let seeds: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|it| std::fs::read(it.unwrap().path()).unwrap()).collect();
        assert!(seeds.len() >= 4);
        for seed in seeds {
            if let Some(hello) = Hello::decode(&seed) {
                assert_eq!(&hello.encode()[4..], seed);
            }
            for head in seed.windows(HEAD) {
                let head: [u8; HEAD] = head.try_into().unwrap();
                if let Some((frame, length)) = decode_head(head) {
                    assert_eq!(encode_head(frame, u32::try_from(length).unwrap()), head);
                }
            }
        }
    }
}
