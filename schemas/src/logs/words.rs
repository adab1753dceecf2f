//! The words of a line: runs of letters and digits, in lower case. The index, the query and the check of a stored line
//! use this one function, so that they cannot differ.

/// Bytes of a word; of a longer one only the beginning counts.
pub const MAX_WORD_BYTES: usize = 255;

/// The next word of `text` from the byte `at` on: where it begins and ends, and in `word` what it is.
pub fn next_word(text: &str, at: usize, word: &mut String) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut start = at;
    while start < bytes.len() && inner(text, bytes, start) == 0 {
        start += char_bytes(bytes[start]);
    }
    let mut end = start;
    while end < bytes.len() {
        match inner(text, bytes, end) {
            0 => break,
            length => end += length,
        }
    }
    if end == start {
        return None;
    }
    word.clear();
    lower(&text[start..end], word);
    Some((start, end))
}

/// Calls `each` with every word of `text`, in order.
fn each_word(text: &str, mut each: impl FnMut(&str)) {
    let (mut at, mut word) = (0, String::new());
    while let Some((_, end)) = next_word(text, at, &mut word) {
        each(&word);
        at = end;
    }
}

/// Bytes of the letter or digit at `at`; 0: there is none.
fn inner(text: &str, bytes: &[u8], at: usize) -> usize {
    let byte = bytes[at];
    if byte.is_ascii() {
        return usize::from(byte.is_ascii_alphanumeric());
    }
    text[at..].chars().next().filter(|it| it.is_alphanumeric()).map_or(0, char::len_utf8)
}

/// How long a character is that begins with this byte.
const fn char_bytes(first: u8) -> usize {
    match first {
        0..=0x7f => 1,
        0xe0..=0xef => 3,
        0xf0.. => 4,
        _ => 2,
    }
}

fn lower(word: &str, buffer: &mut String) {
    if word.is_ascii() {
        buffer.push_str(&word[..word.len().min(MAX_WORD_BYTES)]);
        buffer.make_ascii_lowercase();
        return;
    }
    for it in word.chars().flat_map(char::to_lowercase) {
        if buffer.len() + it.len_utf8() > MAX_WORD_BYTES {
            return;
        }
        buffer.push(it);
    }
}

/// The words of a text.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    each_word(text, |word| found.push(word.to_owned()));
    found
}

/// Whether these words stand in `text`, one right after the other.
pub(super) fn holds(text: &str, wanted: &[String]) -> bool {
    let [first, rest @ ..] = wanted else { return true };
    // Where each run of matches that is under way stands: how many words of `wanted` it has.
    let mut runs: Vec<usize> = Vec::new();
    let mut found = false;
    each_word(text, |word| {
        if found {
            return;
        }
        runs.retain_mut(|run| {
            let fits = rest.get(*run - 1).is_some_and(|it| it == word);
            *run += 1;
            fits
        });
        if word == first {
            runs.push(1);
        }
        found = runs.contains(&wanted.len());
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        assert_eq!(words("GET /v1/a-b?x=1 ÄÖ  Straße."), ["get", "v1", "a", "b", "x", "1", "äö", "straße"]);
        assert_eq!(words("… — 日本 x"), ["日本", "x"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn of_a_long_word_the_beginning_counts() {
        assert_eq!(words(&"A".repeat(300)), ["a".repeat(255)]);
        assert_eq!(words(&"ä".repeat(200)), ["ä".repeat(127)]);
    }

    #[test]
    fn a_phrase_is_words_in_a_row() {
        let holds = |text, phrase| holds(text, &words(phrase));
        assert!(holds("a a b", "a b"));
        assert!(holds("x: Connection refused (111)", "connection REFUSED 111"));
        assert!(!holds("connection was refused", "connection refused"));
        assert!(!holds("refused connection", "connection refused"));
        assert!(holds("ab ab ac", "ab ac"));
        assert!(!holds("abc", "ab"));
    }
}
