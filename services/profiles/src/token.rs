//! Tokens as texts: `fl_<43 digits>_<6 digits>`, base 62. The prefix lets a scanner see what it has found, the checksum
//! tells a typo from a token that was never made.

use sha2::{Digest, Sha256};

/// How every token begins.
const PREFIX: &str = "fl_";
/// The digits, in ASCII order.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of 256 bits.
const BODY: usize = 43;
/// Digits of the checksum's 32 bits.
const CHECK: usize = 6;

/// A new token of 256 random bits.
pub fn mint() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(written(&bytes))
}

fn written(bytes: &[u8; 32]) -> String {
    let body = base_62(bytes, BODY);
    let check = checksum(&body);
    format!("{PREFIX}{body}_{check}")
}

/// Why a text is no token, for people; none: it is written like one. Says nothing about what was meant.
pub(crate) fn fault(text: &str) -> Option<&'static str> {
    let Some(rest) = text.strip_prefix(PREFIX) else { return Some("it does not begin with `fl_`") };
    let Some((body, check)) = rest.split_once('_') else { return Some("its end is missing: was it cut off?") };
    let digits = |it: &str| it.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if body.len() != BODY || check.len() != CHECK || !digits(body) || !digits(check) {
        return Some("it has not the length of one: was it cut off, or does something hang on it?");
    }
    (checksum(body) != check).then_some("its checksum does not fit: is there a typo in it?")
}

/// The first 32 bits of the SHA-256 of what stands before it.
fn checksum(body: &str) -> String {
    let digest = Sha256::digest(format!("{PREFIX}{body}").as_bytes());
    base_62(&digest[..4], CHECK)
}

/// A number in big-endian bytes, written with so many digits.
fn base_62(bytes: &[u8], digits: usize) -> String {
    let mut number = bytes.to_vec();
    let mut text = vec![b'0'; digits];
    for place in text.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            // Both fit: the quotient of a value below 62 * 256 is below 256.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *place = DIGITS[rest as usize];
    }
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_token_stays_what_it_is() {
        expect_test::expect!["fl_0000000000000000000000000000000000000000000_07lbcS"].assert_eq(&written(&[0; 32]));
        expect_test::expect!["fl_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1_1AJxFg"].assert_eq(&written(&[255; 32]));
        assert_eq!(base_62(&[0, 61], 3), "00z");
        assert_eq!(base_62(&[1, 0], 3), "048");
    }

    #[test]
    fn a_minted_token_is_well_written_and_no_other_text_is() {
        let token = mint().unwrap();
        assert_eq!(fault(&token), None, "{token}");
        assert_ne!(mint().unwrap(), token);
        let mut typo = token.clone().into_bytes();
        typo[10] = if typo[10] == b'a' { b'b' } else { b'a' };
        let typo = String::from_utf8(typo).unwrap();
        assert!(fault(&typo).unwrap().contains("checksum"));
        for bad in ["", "fl_", "ghp_x", &token[..20], &format!("{token}x"), &token.replace("fl_", "FL_")] {
            assert!(fault(bad).is_some(), "{bad:?}");
        }
    }
}
