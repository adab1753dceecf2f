//! Hints: the known word that is nearest to what was written, and the known words.

use super::quote;

/// Names longer than this are not compared.
const LONGEST: usize = 64;

/// After so many faults no name of the fleet is compared with all others any more: it would take long to tell too much.
pub(super) const MAX_HINTED: usize = 200;

/// How many words a list names.
const LISTED: usize = 12;

/// The known word that the seen one is most likely meant to be.
pub(super) fn nearest<'a>(seen: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if seen.len() > LONGEST {
        return None;
    }
    let seen = seen.to_lowercase();
    let allowed = (seen.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|word| word.len().abs_diff(seen.len()) <= 2 * allowed)
        .map(|word| (strsim::osa_distance(&seen, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, word)| word)
}

/// "did you mean …?"
pub(super) fn did_you_mean<'a>(seen: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(seen, known).map(|word| format!("did you mean {}?", quote(word)))
}

/// "one of `a`, `b`"
pub(super) fn one_of<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known = known.into_iter();
    let mut words: Vec<String> = known.by_ref().take(LISTED).map(quote).collect();
    if known.next().is_some() {
        words.push("…".to_owned());
    }
    match words.as_slice() {
        [only] => only.clone(),
        _ => format!("one of {}", words.join(", ")),
    }
}
