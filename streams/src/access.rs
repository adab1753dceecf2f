//! Where the server is, and who we are there.

use std::fmt;

use async_nats::ServerAddr;

/// A server's address and the credentials of both of its users.
#[derive(Debug, Clone)]
pub struct Access {
    /// `nats://HOST:PORT`, without credentials.
    pub url: String,
    /// May create streams; used by [`provision`](crate::provision) only.
    pub provision: Credentials,
    /// May do everything that the services do, and nothing that could harm the log.
    pub platform: Credentials,
}

/// A user of the server. Empty where an external server asks for none.
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
    /// A server that somebody else runs. The credentials in the URL serve for both users.
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
        Ok(Self { url, provision: credentials.clone(), platform: credentials })
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
        assert_eq!((access.platform.user.as_str(), access.platform.password.as_str()), ("ann", "s3cret"));
        assert!(!format!("{access:?}").contains("s3cret"));
        assert_eq!(Access::external("localhost").unwrap().url, "nats://localhost:4222");
        assert_eq!(Access::external("nats://[::1]:4333").unwrap().url, "nats://[::1]:4333");
    }

    #[test]
    fn an_error_does_not_show_the_password() {
        let error = Access::external("http://ann:s3cret@host").unwrap_err().to_string();
        assert!(error.contains("host") && !error.contains("s3cret"), "{error}");
    }
}
