//! Git's pkt-lines, as `proc-receive` speaks them: four hexadecimal digits of length, then the line.
//! Described in Git's `Documentation/gitprotocol-common.txt` and `githooks.txt`.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Says that a list has ended.
pub(crate) const FLUSH: &[u8] = b"0000";

/// One line.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    format!("{:04x}{text}", text.len() + 4).into_bytes()
}

/// Reads one line, without the line break at its end; none: a list has ended.
pub(crate) async fn read(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not a pkt-line: {what}"));
    let mut head = [0; 4];
    reader.read_exact(&mut head).await?;
    match length(&head) {
        None => Err(invalid("its length is not hexadecimal")),
        Some(0) => Ok(None),
        Some(length @ 4..) => {
            let mut line = vec![0; length - 4];
            reader.read_exact(&mut line).await?;
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            Ok(Some(line))
        }
        Some(_) => Err(invalid("its length is 1 to 3")),
    }
}

/// The line at the beginning of some bytes, without its length, and how many bytes it takes; the inner none: a list has
/// ended. The outer none: it has not come whole yet.
#[allow(clippy::type_complexity, reason = "each layer is a way in which there is no line")]
pub(crate) fn split(bytes: &[u8]) -> Result<Option<(usize, Option<&[u8]>)>, &'static str> {
    let Some(head) = bytes.get(..4) else { return Ok(None) };
    match length(head) {
        Some(0) => Ok(Some((4, None))),
        Some(length @ 4..) => Ok(bytes.get(4..length).map(|line| (length, Some(line)))),
        Some(_) => Err("its length is 1 to 3"),
        None => Err("its length is not hexadecimal"),
    }
}

/// Digits only: a sign is none.
fn length(head: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(head).ok().filter(|_| head.iter().all(u8::is_ascii_hexdigit))?;
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_and_the_end_of_a_list_are_read() {
        let mut bytes: &[u8] = b"000ahello\n0000zzzz";
        assert_eq!(read(&mut bytes).await.unwrap(), Some(b"hello".to_vec()));
        assert_eq!(read(&mut bytes).await.unwrap(), None);
        assert!(read(&mut bytes).await.is_err());
        // A sign is no digit, whatever Rust's own reader says.
        assert!(read(&mut &b"+00ahello\n"[..]).await.is_err() && split(b"+00ahello\n").is_err());
        assert_eq!(split(b"000ahello\n0000"), Ok(Some((10, Some(&b"hello\n"[..])))));
        assert_eq!((split(b"0000"), split(b"000ahel"), split(b"00")), (Ok(Some((4, None))), Ok(None), Ok(None)));
        assert_eq!(encode("ok refs/heads/main"), b"0016ok refs/heads/main");
    }

    /// What the fuzzer has found, and what it starts from.
    #[tokio::test]
    async fn every_seed_of_the_fuzzer_is_the_same_as_a_stream_and_in_a_buffer() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/fuzz/seeds/pkt-lines");
        let seeds: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|it| std::fs::read(it.unwrap().path()).unwrap()).collect();
        assert!(seeds.len() >= 5);
        for seed in seeds {
            let (mut stream, mut rest) = (seed.as_slice(), seed.as_slice());
            loop {
                let streamed = read(&mut stream).await;
                let Ok(Some((used, line))) = split(rest) else {
                    assert!(streamed.is_err(), "{}", seed.escape_ascii());
                    break;
                };
                let line = line.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec());
                assert_eq!(streamed.unwrap(), line, "{}", seed.escape_ascii());
                rest = &rest[used..];
            }
        }
    }
}
