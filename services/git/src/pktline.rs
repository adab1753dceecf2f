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
    let length = std::str::from_utf8(&head).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
    match length {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_and_the_end_of_a_list_are_read() {
        let mut bytes: &[u8] = b"000ahello\n0000zzzz";
        assert_eq!(read(&mut bytes).await.unwrap(), Some(b"hello".to_vec()));
        assert_eq!(read(&mut bytes).await.unwrap(), None);
        assert!(read(&mut bytes).await.is_err());
        assert_eq!(encode("ok refs/heads/main"), b"0016ok refs/heads/main");
    }
}
