//! A connection without a client: a refusal is a line that comes before the answer to the next ping, so nothing waits.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use streams::Access;

use super::probe::{Kind, Probe};

/// One user's connection.
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    pub fn connect(access: &Access) -> Self {
        let who = access.credentials();
        let stream = TcpStream::connect(access.url.strip_prefix("nats://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut wire = Self { stream: BufReader::new(stream) };
        assert!(wire.line().starts_with("INFO "));
        let connect = json!({ "user": who.user, "pass": who.password, "verbose": false, "pedantic": false });
        wire.send(&format!("CONNECT {connect}\r\n"));
        assert!(wire.refusals().is_empty(), "{} cannot connect", who.user);
        wire
    }

    /// Whether this user may do each of these. What is published is empty and asks for no answer, so that it does
    /// nothing; what is subscribed to is left again.
    pub fn may(&mut self, probes: &[Probe]) -> Vec<bool> {
        let mut text = String::new();
        for (id, probe) in probes.iter().enumerate() {
            match probe.kind {
                Kind::Subscribe => text.push_str(&format!("SUB {} {id}\r\nUNSUB {id}\r\n", probe.subject)),
                _ => text.push_str(&format!("PUB {} 0\r\n\r\n", probe.subject)),
            }
        }
        self.send(&text);
        let refusals = self.refusals();
        assert!(refusals.iter().all(|it| it.contains("Permissions Violation for ")), "{refusals:?}");
        let refused = |probe: &Probe| {
            let verb = if probe.kind == Kind::Subscribe { "Subscription" } else { "Publish" };
            // The server says the API's subjects without their domain.
            let said = format!("{verb} to \"{}\"", probe.subject.replace("$JS.fleetlog.API", "$JS.API"));
            refusals.iter().any(|it| it.contains(&said))
        };
        probes.iter().map(|probe| !refused(probe)).collect()
    }

    fn refusals(&mut self) -> Vec<String> {
        self.send("PING\r\n");
        let mut refusals = Vec::new();
        loop {
            let line = self.line();
            match line.trim_end() {
                "PONG" => return refusals,
                "PING" => self.send("PONG\r\n"),
                line if line.starts_with("-ERR") => refusals.push(line.to_owned()),
                line => assert!(line.starts_with("INFO "), "{line}"),
            }
        }
    }

    fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stream.read_line(&mut line).unwrap() > 0, "the server closed the connection");
        line
    }
}
