//! What a pusher asks for with `-o`.

use schemas::names::{Name, NameError};

/// Every option, as it is written.
const KNOWN: [&str; 7] = ["create", "plan", "no-wait", "reinstate", "reason=…", "allow-destroy=…", "override=…"];

/// Characters of a reason at most: it is kept for ever.
const REASON: usize = 500;

/// What a pusher asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Make the fleet where there is none.
    pub(crate) create: bool,
    /// Only say what would be done.
    pub(crate) plan: bool,
    /// Do not wait for the rollout.
    pub(crate) no_wait: bool,
    /// Take commits in again that a rollback withdrew.
    pub(crate) reinstate: bool,
    /// Why, for the log.
    pub(crate) reason: Option<String>,
    /// Volumes whose data may go with their descriptors; each once, in the order of the options.
    pub(crate) allow_destroy: Vec<Name>,
    /// Why it may pass the guards that it hits.
    pub(crate) override_with: Option<String>,
}

/// Why an option is refused, for people, and what was understood of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadOption {
    pub(crate) message: String,
    pub(crate) plan: bool,
}

impl Options {
    /// Reads the options of one push.
    pub(crate) fn parse(raw: &[Vec<u8>]) -> Result<Self, BadOption> {
        let plan = raw.iter().any(|option| option == b"plan");
        let bad = |message| BadOption { message, plan };
        let mut options = Self::default();
        for option in raw {
            let text = String::from_utf8_lossy(option);
            match text.as_ref() {
                "create" => options.create = true,
                "plan" => options.plan = true,
                "no-wait" => options.no_wait = true,
                "reinstate" => options.reinstate = true,
                _ => match text.split_once('=') {
                    Some(("reason", why)) => options.reason = Some(pushed_reason("reason", why).map_err(bad)?),
                    Some(("allow-destroy", names)) => options.may_destroy(names).map_err(bad)?,
                    Some(("override", why)) => {
                        options.override_with = Some(pushed_reason("override", why).map_err(bad)?)
                    }
                    _ => return Err(bad(unknown(&text))),
                },
            }
        }
        Ok(options)
    }

    /// `NAME[,NAME…]`
    fn may_destroy(&mut self, names: &str) -> Result<(), String> {
        for text in names.split(',').map(str::trim) {
            let name: Name = text.parse().map_err(|error: NameError| {
                format!("option `allow-destroy`: {error}; write it as -o allow-destroy=VOLUME")
            })?;
            if !self.allow_destroy.contains(&name) {
                self.allow_destroy.push(name);
            }
        }
        Ok(())
    }
}

fn pushed_reason(option: &str, text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(format!("option `{option}` says nothing; write it as -o {option}=\"what this push is for\""));
    }
    reason(text).map_err(|why| format!("option `{option}` {why}"))
}

/// A reason as the log takes it, or why not.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 {
        return Err("says nothing".to_owned());
    }
    if length > REASON {
        return Err(format!("has {length} characters, at most {REASON} fit"));
    }
    if text.chars().any(char::is_control) {
        return Err("holds control characters; expected one line of plain text".to_owned());
    }
    Ok(text.to_owned())
}

fn unknown(text: &str) -> String {
    let word = text.split('=').next().unwrap_or_default();
    let bare = |known: &'static str| known.strip_suffix("=…").unwrap_or(known);
    let nearest = KNOWN
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(word, bare(known)), known))
        .min()
        .filter(|(distance, known)| *distance <= 2.max(bare(known).len() / 3));
    let hint = nearest.map_or(String::new(), |(_, known)| format!(", did you mean `{known}`?"));
    let shown: String = text.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
    let known = KNOWN.map(|it| format!("`{it}`"));
    format!("unknown push option `{shown}`{hint} (known: {})", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Result<Options, BadOption> {
        Options::parse(&options.iter().map(|it| it.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn known_options_are_read() {
        let all = parse(&[
            "create",
            "plan",
            "no-wait",
            "reinstate",
            "reason= a fix ",
            "allow-destroy=cache,tmp",
            "allow-destroy=b",
            "allow-destroy=tmp",
            "override=a = b",
        ])
        .unwrap();
        assert_eq!(
            all,
            Options {
                create: true,
                plan: true,
                no_wait: true,
                reinstate: true,
                reason: Some("a fix".to_owned()),
                override_with: Some("a = b".to_owned()),
                allow_destroy: ["cache", "tmp", "b"].map(|it| it.parse().unwrap()).to_vec(),
            }
        );
        assert_eq!(parse(&[]).unwrap(), Options::default());
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_nearest_known_one() {
        let bad = parse(&["plan", "creat"]).unwrap_err();
        assert!(bad.plan);
        assert_eq!(
            bad.message,
            "unknown push option `creat`, did you mean `create`? (known: `create`, `plan`, `no-wait`, `reinstate`, `reason=…`, `allow-destroy=…`, `override=…`)"
        );
        let bad = parse(&["ci.skip"]).unwrap_err();
        assert_eq!(
            bad.message,
            "unknown push option `ci.skip` (known: `create`, `plan`, `no-wait`, `reinstate`, `reason=…`, `allow-destroy=…`, `override=…`)"
        );
        for bad in [
            "reason",
            "reason=",
            "reason=a\nb",
            "reson=x",
            "\u{1b}[2J",
            "allow-destroy=",
            "allow-destroy=A",
            "allow-destroy=a,",
        ] {
            assert!(parse(&[bad]).is_err(), "{bad:?}");
        }
    }
}
