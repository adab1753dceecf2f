//! `master.key` and `admin.token`.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use super::folder;

/// Bytes of the master key.
pub const BYTES: usize = 32;
/// How a token begins, so that a leaked one is recognised as what it is.
const PREFIX: &str = "fl_";

/// The key that all others are derived from. The first start of a platform makes it (`may_make`); a later one must find
/// it, because what was sealed or digested with it can be told by nothing else.
pub fn master(data: &Path, may_make: bool) -> anyhow::Result<[u8; BYTES]> {
    let path = data.join("master.key");
    let shown = path.display();
    let key: [u8; BYTES] = match folder::read(&path)? {
        Some(content) => {
            let seen = content.len();
            content
                .try_into()
                .map_err(|_| anyhow::anyhow!("`{shown}` has {seen} bytes, expected {BYTES}: put it back from a copy"))?
        }
        None if data.join("nats").exists() => bail!(
            "`{shown}` is gone, but `{}` holds a log that was written with it: put it back from a copy",
            data.join("nats").display()
        ),
        None if !may_make => bail!(
            "`{shown}` is not there: tokens and digests are told by the key that the log was begun with; copy it here \
             from the data folder of that platform (or of a `fleetlog serve profiles`), and keep it from others"
        ),
        None => {
            let key = random()?;
            folder::write(&path, &key)?;
            key
        }
    };
    Ok(key)
}

/// The admin's token. A missing one is minted anew.
pub fn admin_token(data: &Path) -> anyhow::Result<String> {
    let path = data.join("admin.token");
    if let Some(content) = folder::read(&path)? {
        let token = String::from_utf8_lossy(&content).trim().to_owned();
        let shown = path.display();
        ensure!(token.starts_with(PREFIX), "`{shown}` holds no token (`{PREFIX}…`): remove it to have one made");
        return Ok(token);
    }
    let token = profiles::mint().context("the system gives no random bytes")?;
    folder::write(&path, token.as_bytes())?;
    tracing::info!("a new token for `admin` lies in `{}`", path.display());
    Ok(token)
}

fn random() -> anyhow::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_stays_until_it_is_removed() {
        let data = tempfile::tempdir().unwrap();
        let first = admin_token(data.path()).unwrap();
        assert_eq!(first.len(), "fl_".len() + 43 + "_".len() + 6);
        assert_eq!(admin_token(data.path()).unwrap(), first);
        std::fs::remove_file(data.path().join("admin.token")).unwrap();
        assert_ne!(admin_token(data.path()).unwrap(), first);
    }

    #[test]
    fn a_key_is_made_once_and_for_us_alone() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("master.key");
        assert!(master(data.path(), false).unwrap_err().to_string().contains("copy it here"));
        assert!(!path.exists(), "nothing was made");
        master(data.path(), true).unwrap();
        let key = std::fs::read(&path).unwrap();
        master(data.path(), true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), key);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::write(&path, &key[..31]).unwrap();
        assert!(master(data.path(), true).is_err(), "a damaged key must not be used");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(data.path().join("nats")).unwrap();
        assert!(master(data.path(), true).is_err(), "a log without its key must not get a new one");
    }
}
