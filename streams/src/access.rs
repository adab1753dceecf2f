//! Where the server is, and who we are there.

use std::collections::BTreeMap;
use std::fmt;

use async_nats::ServerAddr;

use crate::catalog::User;

/// A server's address, who we are there, and the credentials of all that we may become.
#[derive(Debug, Clone)]
pub struct Access {
    /// `nats://HOST:PORT`, without credentials.
    pub url: String,
    /// Who we are there.
    pub user: User,
    credentials: Held,
    /// Bytes that all streams together may take, where the server is ours.
    pub(crate) room: Option<u64>,
}

/// Credentials that somebody holds.
#[derive(Debug, Clone)]
enum Held {
    /// Those of the URL, for whoever it is.
    Same(Credentials),
    /// One for each user.
    Each(BTreeMap<User, Credentials>),
}

/// A user's name and password. Empty where an external server asks for none.
#[derive(Clone)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).field("password", &"…").finish()
    }
}

/// Why a URL does not name a server.
#[derive(Debug, thiserror::Error)]
#[error("`{seen}` is not the address of a NATS server; expected nats://[USER:PASSWORD@]HOST[:PORT]")]
pub struct AccessError {
    /// The address, without its password.
    seen: String,
    /// What is wrong with it.
    #[source]
    source: std::io::Error,
}

impl Access {
    /// A server with a user for each of us; `user` is who we are first.
    pub(crate) fn new(url: String, user: User, each: BTreeMap<User, Credentials>, room: u64) -> Self {
        Self { url, user, credentials: Held::Each(each), room: Some(room) }
    }

    /// A server that somebody else runs. The credentials in the URL serve for every user.
    pub fn external(url: &str) -> Result<Self, AccessError> {
        let address: ServerAddr = url.parse().map_err(|source| AccessError { seen: without_password(url), source })?;
        let credentials = Credentials {
            user: address.username().unwrap_or_default().to_owned(),
            password: address.password().unwrap_or_default().to_owned(),
        };
        let scheme = if address.tls_required() { "tls" } else { "nats" };
        let host = address.host();
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let url = format!("{scheme}://{host}:{}", address.port());
        Ok(Self { url, user: User::Platform, credentials: Held::Same(credentials), room: None })
    }

    /// The same server as another user, holding this one's credentials and nobody else's: there is no way back.
    #[must_use]
    pub fn as_user(&self, user: User) -> Self {
        let credentials = match &self.credentials {
            Held::Same(same) => Held::Same(same.clone()),
            Held::Each(each) => {
                Held::Each(each.iter().filter(|it| *it.0 == user).map(|it| (*it.0, it.1.clone())).collect())
            }
        };
        Self { url: self.url.clone(), user, credentials, room: self.room }
    }

    /// What we show the server. Of a user that we do not hold, only the name: the server refuses it.
    pub fn credentials(&self) -> Credentials {
        let nobody = || Credentials { user: self.user.name().to_owned(), password: String::new() };
        match &self.credentials {
            Held::Same(same) => same.clone(),
            Held::Each(each) => each.get(&self.user).cloned().unwrap_or_else(nobody),
        }
    }
}

/// Whatever stands before an `@` may be a password, and this text may end up in a log.
fn without_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map(|(scheme, _)| format!("{scheme}://")).unwrap_or_default();
            format!("{scheme}…@{host}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_the_url() {
        let access = Access::external("nats://ann:s3cret@127.0.0.1:4333").unwrap();
        assert_eq!(access.url, "nats://127.0.0.1:4333");
        let shown = access.as_user(User::Git).credentials();
        assert_eq!((shown.user.as_str(), shown.password.as_str()), ("ann", "s3cret"));
        assert!(!format!("{access:?}").contains("s3cret"));
        assert_eq!(Access::external("localhost").unwrap().url, "nats://localhost:4222");
        assert_eq!(Access::external("nats://[::1]:4333").unwrap().url, "nats://[::1]:4333");
    }

    #[test]
    fn who_is_somebody_is_nobody_else() {
        let of = |user: User| (user, Credentials { user: user.name().to_owned(), password: format!("{user:?}") });
        let all = Access::new(String::new(), User::Platform, [of(User::Git), of(User::Api)].into(), 0);
        assert_eq!(all.as_user(User::Git).credentials().password, "Git");
        assert_eq!(all.as_user(User::Git).as_user(User::Api).credentials().password, "");
    }

    #[test]
    fn an_error_does_not_show_the_password() {
        let error = Access::external("http://ann:s3cret@host").unwrap_err().to_string();
        assert!(error.contains("host") && !error.contains("s3cret"), "{error}");
    }
}
