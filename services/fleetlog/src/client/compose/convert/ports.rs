//! Published ports: `[address:][host:]container[/protocol]`, ranges, and the long way.

use super::super::yaml::{Entry, Node};
use super::Carrier;

/// A published port in its parts; each of both may be a range.
struct Port {
    address: String,
    host: String,
    container: String,
    protocol: String,
}

impl Carrier<'_, '_> {
    pub(super) fn ports(&mut self, entry: &Entry) {
        let mut ports = Vec::new();
        for item in entry.node.each() {
            match port(item).and_then(|it| written(&it)) {
                Ok(text) => ports.push(text),
                Err(text) => self.left(&item.place, "ports", text),
            }
        }
        if !ports.is_empty() {
            self.set("ports", ports);
        }
        for item in entry.node.each().iter().filter(|it| it.get("mode").and_then(Node::text) == Some("ingress")) {
            self.note(&item.place, "ports", "`mode: ingress` is of Swarm: it is published on the node");
        }
    }
}

/// Reads a port in either way.
fn port(item: &Node) -> Result<Port, String> {
    if let Some(text) = item.text() {
        return short(text);
    }
    let part = |key: &str| item.get(key).and_then(Node::text).unwrap_or_default().to_owned();
    let protocol = part("protocol");
    Ok(Port { address: part("host_ip"), host: part("published"), container: part("target"), protocol })
}

fn short(text: &str) -> Result<Port, String> {
    let (mapping, protocol) = text.split_once('/').unwrap_or((text, ""));
    let (rest, container) = mapping.rsplit_once(':').unwrap_or(("", mapping));
    let (address, host) = match rest.rsplit_once(':') {
        Some((address, host)) => (address, host),
        // `127.0.0.1::80` and `127.0.0.1:80` have no host port; the second one is not allowed by Docker either.
        None => ("", rest),
    };
    let [address, host, container, protocol] = [address, host, container, protocol].map(str::to_owned);
    Ok(Port { address, host, container, protocol })
}

/// The port as a descriptor says it, or what to do about it.
fn written(port: &Port) -> Result<String, String> {
    let Port { address, host, container, protocol } = port;
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        (first <= last && first > 0).then_some(usize::from(last - first) + 1)
    };
    let Some(inside) = range(container) else { return Err(format!("`{container}` is no port of the container")) };
    if host.is_empty() || host == "0" {
        return Err(format!(
            "{container} has no port of the node, and Docker's choice would be another one each time: add \
             \"HOST:{container}\" to `ports`, or leave it, containers of the fleet reach it all the same"
        ));
    }
    if range(host) != Some(inside) {
        return Err(format!("`{host}:{container}`: give as many ports of the node as of the container"));
    }
    if !matches!(protocol.as_str(), "" | "tcp" | "udp") {
        return Err(format!("the protocol `{protocol}`: only tcp and udp are published"));
    }
    let address = match address.trim_matches(['[', ']']) {
        "" => String::new(),
        ip if ip.contains(':') => format!("[{ip}]:"),
        ip => format!("{ip}:"),
    };
    let protocol = if protocol == "udp" { "/udp" } else { "" };
    Ok(format!("{address}{host}:{container}{protocol}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ports_are_carried_where_they_name_the_node_s() {
        let read = |text: &str| short(text).and_then(|it| written(&it));
        for (text, expected) in [
            ("80:8080", "80:8080"),
            ("127.0.0.1:80:8080/tcp", "127.0.0.1:80:8080"),
            ("6060:6060/udp", "6060:6060/udp"),
            ("9090-9091:8080-8081", "9090-9091:8080-8081"),
            ("[::1]:80:80", "[::1]:80:80"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for bad in ["3000", "3000-3005", "127.0.0.1::80", "8000-9000:80", "80:80/sctp", "x:80", "80:x", ""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
