//! Texts in headers: whatever a name, a ref or an actor holds, a header stays one line of plain ASCII.
//!
//! Percent-encoding as CloudEvents' HTTP binding has it (section 3.1.3.2): everything but visible ASCII, and `%` and `"`.

use std::borrow::Cow;

/// Writes `text` so that it can stand in a header.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let stays = |byte: u8| byte.is_ascii_graphic() && byte != b'%' && byte != b'"';
    if text.bytes().all(stays) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if stays(byte) {
            escaped.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            escaped.push('%');
            escaped.push(char::from(HEX[usize::from(byte >> 4)]));
            escaped.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    escaped.into()
}

/// Reads what [`escape`] wrote; `None` where it cannot have.
pub(super) fn unescape(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|it| char::from(it).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_from_one_plain_line() {
        for text in ["refs/heads/main", "", "a b", "ä/%20", "x\r\nNats-Msg-Id: y", "\0\u{7f}\"", "refs/heads/日本"] {
            let escaped = escape(text);
            assert!(escaped.bytes().all(|it| it.is_ascii_graphic()), "{escaped}");
            assert_eq!(unescape(&escaped).as_deref(), Some(text));
        }
        assert_eq!(escape("refs/heads/main"), "refs/heads/main");
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        for text in ["%", "%0", "%zz", "%ff"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }
}
