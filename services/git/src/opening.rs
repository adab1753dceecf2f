//! How a push begins, before its pack: the refs that it wants to move, what its client understands, its options.
//! Described in Git's `gitprotocol-pack` page, under "Pushing Data To a Server".

use schemas::event::RefUpdate;

use crate::body::{Intake, IntakeError};
use crate::{pktline, refs};

/// Bytes of it at most: some 15,000 refs, more than any push that is allowed has.
const LIMIT: usize = 2 << 20;

/// Options of a push, and bytes of one: each becomes a variable of the hooks' environment.
const OPTIONS: usize = 32;
const OPTION: usize = 4 << 10;

/// How a push begins.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// All that was read, for Git: the rest of it is the pack's beginning.
    pub(crate) bytes: Vec<u8>,
    /// Where the pack begins.
    pub(crate) pack: usize,
    /// The refs' names, as they were sent.
    pub(crate) names: Vec<Vec<u8>>,
    /// Those moves that can be read.
    pub(crate) updates: Vec<RefUpdate>,
    /// `-o …`
    pub(crate) options: Vec<Vec<u8>>,
    /// Bytes of a line to the client at most, where it takes more than the report.
    pub(crate) side_band: Option<usize>,
    /// Whether the client wants to know what became of its refs.
    pub(crate) report: bool,
    /// What there is too much of: the push is refused for it, and not all of it was read.
    pub(crate) excess: Option<Excess>,
}

/// More than a push begins with. These limits are no settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Excess {
    #[error("the push names more refs and options than fit into {LIMIT} bytes, which is the most: push in parts")]
    Bytes,
    #[error(
        "the push has over {OPTIONS} options, which is the most of `-o`: `allow-destroy` takes several names with commas"
    )]
    Options,
    #[error(
        "the option `{name}` has {bytes} bytes; {OPTION} is the most of one: a reason is one line of up to 500 characters"
    )]
    Option { name: String, bytes: usize },
}

impl Excess {
    /// The same as a code for the log, and in the few words that Git shows behind a ref.
    pub(crate) const fn in_short(&self) -> (&'static str, &'static str) {
        match self {
            Self::Bytes => ("too-many-refs", "too many refs and options"),
            Self::Options => ("push-option", "too many push options"),
            Self::Option { .. } => ("push-option", "a push option is too long"),
        }
    }
}

/// Why there is no opening.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpeningError {
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("the request is no push, at a line of it (pkt-line): {0}")]
    Nonsense(&'static str),
    #[error("{}", Excess::Bytes)]
    TooLong,
}

impl Opening {
    /// Reads it. What came of the pack with it stays in [`Opening::bytes`].
    pub(crate) async fn read(intake: &mut Intake) -> Result<Self, OpeningError> {
        let mut opening = Self::default();
        match opening.lines(intake).await {
            // Its client is known by now: it is answered in Git's own way.
            Err(OpeningError::TooLong) if !opening.names.is_empty() => opening.excess = Some(Excess::Bytes),
            read => read?,
        }
        Ok(opening)
    }

    async fn lines(&mut self, intake: &mut Intake) -> Result<(), OpeningError> {
        let mut with_options = false;
        while let Some(line) = self.line(intake).await? {
            with_options |= self.take(&line);
        }
        while with_options && let Some(option) = self.line(intake).await? {
            if option.len() > OPTION {
                let name = option.split(|byte| *byte == b'=').next().unwrap_or_default();
                let name = String::from_utf8_lossy(&name[..name.len().min(20)]).escape_debug().to_string();
                self.excess = Some(Excess::Option { name, bytes: option.len() });
            } else if self.options.len() == OPTIONS {
                self.excess.get_or_insert(Excess::Options);
            } else {
                self.options.push(option);
            }
        }
        Ok(())
    }

    /// A name that stands in it more than once.
    pub(crate) fn twice(&self) -> Option<&[u8]> {
        let mut names: Vec<&[u8]> = self.names.iter().map(Vec::as_slice).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// Whether it moves no ref: so a client asks whether it is let in.
    pub(crate) fn is_probe(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether it only asks for a plan.
    pub(crate) fn is_plan(&self) -> bool {
        self.options.iter().any(|option| option == b"plan")
    }

    /// Takes a command; says whether options follow after the last one.
    fn take(&mut self, line: &[u8]) -> bool {
        let mut halves = line.splitn(2, |byte| *byte == 0);
        let command = halves.next().unwrap_or_default();
        let words = String::from_utf8_lossy(halves.next().unwrap_or_default()).into_owned();
        let words: Vec<&str> = words.split_whitespace().collect();
        if words.contains(&"side-band-64k") {
            self.side_band = Some(65_515);
        }
        self.report |= words.iter().any(|word| word.starts_with("report-status"));
        // Other lines, such as the roots of a shallow clone, move no ref.
        if let Ok(update) = refs::parse_line(&String::from_utf8_lossy(command)) {
            self.names.push(command.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default().to_vec());
            self.updates.push(update);
        }
        words.contains(&"push-options")
    }

    /// The next line, without its line break; none: the list has ended.
    async fn line(&mut self, intake: &mut Intake) -> Result<Option<Vec<u8>>, OpeningError> {
        loop {
            match pktline::split(&self.bytes[self.pack..]).map_err(OpeningError::Nonsense)? {
                Some((used, line)) => {
                    let line = line.map(|text| text.strip_suffix(b"\n").unwrap_or(text).to_vec());
                    self.pack += used;
                    // By where it ends, and not by how much has come: pieces are as the network cuts them.
                    return if self.pack > LIMIT { Err(OpeningError::TooLong) } else { Ok(line) };
                }
                None if self.bytes.len() > LIMIT => return Err(OpeningError::TooLong),
                None => match intake.next().await? {
                    Some(piece) => self.bytes.extend_from_slice(&piece),
                    None => return Err(OpeningError::Nonsense("it ends before its list of refs does")),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use futures_util::stream;

    use super::*;
    use crate::body::Encoding;
    use crate::pktline::encode;

    async fn read(bytes: &[u8]) -> Result<Opening, OpeningError> {
        // A byte at a time: lines come in whatever pieces.
        read_in(bytes, 1).await
    }

    async fn read_in(bytes: &[u8], size: usize) -> Result<Opening, OpeningError> {
        let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        let body = Body::from_stream(stream::iter(pieces));
        Opening::read(&mut Intake::new(body, Encoding::Plain, Duration::from_secs(5))).await
    }

    fn command(rest: &str) -> Vec<u8> {
        encode(&format!("{} {} {rest}", "0".repeat(40), "a".repeat(40)))
    }

    #[tokio::test]
    async fn commands_options_and_the_beginning_of_the_pack_are_told_apart() {
        let mut bytes = command("refs/heads/main\0 report-status-v2 side-band-64k push-options\n");
        bytes.extend(encode("shallow aaaa"));
        bytes.extend(command("refs/heads/x\n"));
        bytes.extend(b"0000");
        bytes.extend(encode("plan"));
        bytes.extend(b"0000PACK");
        let opening = read(&bytes).await.unwrap();
        assert_eq!(opening.names, [b"refs/heads/main".to_vec(), b"refs/heads/x".to_vec()]);
        assert_eq!(opening.updates[1].name, "refs/heads/x");
        assert!(opening.is_plan() && opening.report && opening.side_band.is_some());
        assert_eq!(&bytes[opening.pack..], b"PACK");
        assert!(read(b"0000").await.unwrap().is_probe());
    }

    #[tokio::test]
    async fn what_is_no_push_is_said_to_be_none() {
        for bad in [&b"GET "[..], b"0001", b"+00b", b"0009x", b""] {
            let said = read(bad).await;
            assert!(matches!(said, Err(OpeningError::Nonsense(_))), "{bad:?}: {said:?}");
        }
        let mut many = command("refs/heads/main\0push-options");
        many.extend(b"0000");
        many.extend(encode("x").repeat(OPTIONS + 1));
        many.extend(b"0000");
        let opening = read(&many).await.unwrap();
        assert_eq!((opening.excess, opening.options.len()), (Some(Excess::Options), OPTIONS));
    }

    #[tokio::test]
    async fn what_is_too_long_is_so_in_whatever_pieces_it_comes() {
        let mut many = command("refs/heads/main\0report-status");
        while many.len() <= LIMIT {
            many.extend(command(&format!("refs/heads/{}", "x".repeat(200))));
        }
        many.extend(b"0000");
        for size in [1_000, 64 << 10, many.len()] {
            assert_eq!(read_in(&many, size).await.unwrap().excess, Some(Excess::Bytes), "pieces of {size}");
        }
    }
}
