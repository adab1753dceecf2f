//! Descriptor → what Docker gets: references looked up, texts read.

use std::net::IpAddr;

use serde_json::Value;

use super::{HealthCheck, Probe, Readiness, Spec, ports};
use crate::descriptors::{Container, Desired, Health, Healthcheck, Mount, NetworkMode, Runtime};
use crate::names::{FleetId, Name};
use crate::template::{self, Part, Reference};
use crate::units::Span;

/// Why a container cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderFault {
    /// JSON pointer into the container's file, such as `/env/REGION`.
    pub pointer: String,
    /// What kind, for programs.
    pub code: &'static str,
    /// What was seen.
    pub message: String,
    /// What would be right.
    pub expected: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What a text turns out to be wrong for, before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// What kind, for programs.
    pub code: &'static str,
    /// What was seen.
    pub message: String,
    /// What would be right.
    pub expected: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The name in Docker: `<owner>.<fleet>[.<name>]`.
pub fn resource_name(fleet: &FleetId, name: Option<&Name>) -> String {
    match name {
        Some(name) => format!("{}.{}.{name}", fleet.owner, fleet.name),
        None => format!("{}.{}", fleet.owner, fleet.name),
    }
}

/// Renders one container of a fleet; all its faults at once.
pub fn render(fleet: &FleetId, name: &Name, desired: &Desired) -> Result<Spec, Vec<RenderFault>> {
    let Some(container) = desired.containers.get(name) else {
        return Err(vec![RenderFault {
            pointer: String::new(),
            code: "unknown-container",
            message: format!("there is no container `{name}`"),
            expected: "the name of a container of this fleet".to_owned(),
            hint: None,
        }]);
    };
    let mut at = Renderer { desired, faults: Vec::new() };
    let spec = at.spec(fleet, container);
    if at.faults.is_empty() { Ok(spec) } else { Err(at.faults) }
}

/// How the agent knows that a container is ready. Its path is rendered like every other text.
pub fn readiness(container: &Container, desired: &Desired) -> Readiness {
    let Some(health) = container.health.as_ref().and_then(Healthcheck::check) else {
        return Readiness { probe: Probe::Docker, within: DEFAULT_WITHIN };
    };
    let probe = match (&health.http, health.port) {
        (Some(path), Some(port)) => Probe::Http {
            path: resolve(path, desired).unwrap_or_else(|_| path.clone()),
            port,
            interval: health.interval,
            timeout: health.timeout,
            retries: health.retries,
        },
        _ => Probe::Docker,
    };
    Readiness { probe, within: health.within }
}

/// How long a container without `health` may take to become ready; its image may bring a check of its own.
const DEFAULT_WITHIN: Span = Span::seconds(60);

pub(super) struct Renderer<'a> {
    pub(super) desired: &'a Desired,
    pub(super) faults: Vec<RenderFault>,
}

impl Renderer<'_> {
    fn spec(&mut self, fleet: &FleetId, container: &Container) -> Spec {
        let image = self.image(&container.image);
        let command = container.command.as_ref().map(|argv| self.argv("/command", argv));
        let env = container
            .env
            .iter()
            .map(|(key, value)| (key.clone(), self.text(&format!("/env/{}", escape(key)), value)))
            .collect();
        let mut ports = Vec::new();
        for (index, text) in container.ports.iter().enumerate() {
            let pointer = format!("/ports/{index}");
            let faults = self.faults.len();
            let text = self.text(&pointer, text);
            match super::ports(&text) {
                Ok(mapped) => ports.extend(mapped),
                Err(_) if self.faults.len() > faults => {}
                Err(_) => {
                    self.fault(
                        &pointer,
                        "bad-port",
                        format!("`{text}` is no port mapping"),
                        "`[address:]host:container[/tcp|udp]`, such as \"127.0.0.1:8080:80\", or two ranges of the same length",
                    );
                    // One number alone says neither which it is nor for whom.
                    if let (Ok(port @ 1..), Some(last)) = (text.parse::<u16>(), self.faults.last_mut()) {
                        last.hint = Some(format!("write \"127.0.0.1:{port}:{port}\""));
                    }
                }
            }
        }
        ports.sort();
        let volumes = container.volumes.iter().map(|(path, mount)| (path.clone(), self.mount(fleet, path, mount)));
        let volumes = volumes.collect();
        let network = container.network.as_ref().map(|it| match it {
            NetworkMode::Container(name) => format!("container:{}", resource_name(fleet, Some(name))),
            NetworkMode::Host | NetworkMode::None => it.to_string(),
        });
        let check = container.health.as_ref().and_then(Healthcheck::check);
        let health = check.and_then(|health| self.health(health));
        let runtime = self.runtime(&container.runtime);
        Spec {
            image,
            command,
            env,
            ports,
            volumes,
            network,
            restart: container.restart,
            stop: container.stop.clone(),
            health,
            unchecked: matches!(container.health, Some(Healthcheck::Off(_))),
            on_unhealthy: check.map(|it| it.on_unhealthy).unwrap_or_default(),
            limits: container.limits.clone(),
            privileged: container.privileged,
            runtime,
        }
    }

    fn mount(&mut self, fleet: &FleetId, path: &str, mount: &Mount) -> Mount<String> {
        let pointer = format!("/volumes/{}", escape(path));
        match mount {
            Mount::Volume { volume, subpath, read_only } => Mount::Volume {
                volume: resource_name(fleet, Some(volume)),
                subpath: subpath.as_ref().map(|it| self.text(&format!("{pointer}/subpath"), it)),
                read_only: *read_only,
            },
            Mount::Host { host, read_only, shared: _ } => {
                let pointer = format!("{pointer}/host");
                let host = self.text(&pointer, host);
                if !host.starts_with('/') || host.split('/').any(|part| part == "..") {
                    let seen = format!("`{host}` is no path of a node");
                    self.fault(&pointer, "bad-mount", seen, "an absolute path without `..`");
                }
                Mount::Host { host, read_only: *read_only, shared: false }
            }
            Mount::Tmpfs { tmpfs } => Mount::Tmpfs { tmpfs: *tmpfs },
        }
    }

    /// Looks up every reference, wherever it stands.
    fn runtime(&mut self, runtime: &Runtime) -> Runtime {
        if *runtime == Runtime::default() {
            return Runtime::default();
        }
        // A plain struct with string keys: it can be written, and read once only its texts are others.
        let mut value = serde_json::to_value(runtime).unwrap_or_default();
        self.texts("", &mut value);
        let rendered: Runtime = serde_json::from_value(value).unwrap_or_default();
        self.addresses(&rendered);
        rendered
    }

    fn texts(&mut self, pointer: &str, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(pointer, text),
            Value::Array(items) => {
                (0..).zip(items).for_each(|(index, item): (u32, _)| self.texts(&format!("{pointer}/{index}"), item));
            }
            Value::Object(map) => {
                map.iter_mut().for_each(|(key, item)| self.texts(&format!("{pointer}/{}", escape(key)), item));
            }
            _ => {}
        }
    }

    /// What Docker would refuse only once the old container is gone.
    fn addresses(&mut self, runtime: &Runtime) {
        if let Some(folder) = runtime.working_dir.as_ref().filter(|it| !it.starts_with('/')) {
            let seen = format!("`{folder}` is no folder of the container");
            self.fault("/working_dir", "bad-path", seen, "a path that starts with `/`");
        }
        let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
        for (index, server) in runtime.dns.iter().enumerate().filter(|(_, it)| !is_address(it)) {
            let seen = format!("`{server}` is no address of a name server");
            self.fault(&format!("/dns/{index}"), "bad-address", seen, "an IP address, such as `192.0.2.53`");
        }
        let fine = |text: &str| is_address(text) || text == "host-gateway";
        for (name, address) in runtime.extra_hosts.iter().filter(|(_, it)| !fine(it)) {
            let (pointer, seen) = (format!("/extra_hosts/{}", escape(name)), format!("`{address}` is no address"));
            self.fault(&pointer, "bad-address", seen, "an IP address, or `host-gateway` for the node itself");
        }
        for (index, device) in runtime.devices.iter().enumerate().filter(|(_, it)| device(it).is_none()) {
            let seen = format!("`{device}` is no device");
            self.fault(&format!("/devices/{index}"), "bad-device", seen, "`/dev/on-node[:/dev/inside[:rwm]]`");
        }
    }

    pub(super) fn image(&mut self, text: &str) -> String {
        let image = self.text("/image", text);
        if image.is_empty() || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.fault(
                "/image",
                "bad-image",
                format!("`{image}` is no image"),
                "a name with a tag or digest, such as `demo/tool:1`",
            );
        }
        image
    }

    fn health(&mut self, health: &Health) -> Option<HealthCheck> {
        if let Some(path) = &health.http {
            self.text("/health/http", path);
        }
        let command = self.argv("/health/command", health.command.as_ref()?);
        let Health { interval, timeout, retries, start_period, .. } = *health;
        Some(HealthCheck { command, interval, timeout, retries, start_period })
    }

    pub(super) fn argv(&mut self, pointer: &str, argv: &[String]) -> Vec<String> {
        argv.iter().enumerate().map(|(index, text)| self.text(&format!("{pointer}/{index}"), text)).collect()
    }

    pub(super) fn text(&mut self, pointer: &str, text: &str) -> String {
        match resolve(text, self.desired) {
            Ok(text) => text,
            Err(it) => {
                self.faults.push(RenderFault {
                    pointer: pointer.to_owned(),
                    code: it.code,
                    message: it.message,
                    expected: it.expected,
                    hint: it.hint,
                });
                String::from("?")
            }
        }
    }

    fn fault(&mut self, pointer: &str, code: &'static str, message: String, expected: &str) {
        if self.faults.iter().any(|fault| fault.pointer == pointer) {
            return;
        }
        let expected = expected.to_owned();
        self.faults.push(RenderFault { pointer: pointer.to_owned(), code, message, expected, hint: None });
    }
}

/// A device: its path on the node, its path inside, and what may be done with it.
pub fn device(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.split(':');
    let on_node = parts.next()?;
    let (inside, rights) = (parts.next().unwrap_or(on_node), parts.next().unwrap_or("rwm"));
    let sound = on_node.starts_with('/') && inside.starts_with('/') && !rights.is_empty() && parts.next().is_none();
    (sound && rights.chars().all(|it| "rwm".contains(it))).then_some((on_node, inside, rights))
}

/// Looks up every reference of a text.
pub fn resolve(text: &str, desired: &Desired) -> Result<String, Unresolved> {
    resolve_within(text, desired, &mut Vec::new())
}

/// `within` are the references that are being looked up: meeting one of them again is a cycle.
fn resolve_within(text: &str, desired: &Desired, within: &mut Vec<Reference>) -> Result<String, Unresolved> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let parts = template::parse(text).map_err(|error| Unresolved {
        code: "bad-reference",
        message: error.message,
        expected: "a reference such as `{{ variables.app.region }}`".to_owned(),
        hint: error.hint,
    })?;
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(&text),
            Part::Ref(reference) => out.push_str(&look_up(reference, desired, within)?),
        }
    }
    Ok(out)
}

fn look_up(reference: Reference, desired: &Desired, within: &mut Vec<Reference>) -> Result<String, Unresolved> {
    if let Some(start) = within.iter().position(|it| *it == reference) {
        let mut cycle: Vec<String> = within[start..].iter().map(|it| format!("`{it}`")).collect();
        cycle.push(format!("`{reference}`"));
        return Err(Unresolved {
            code: "cycle",
            message: format!("a reference leads back to itself: {}", cycle.join(" → ")),
            expected: "references without a cycle".to_owned(),
            hint: None,
        });
    }
    match &reference {
        Reference::Variable { group, key } => {
            let Some(variables) = desired.variables.get(group) else {
                return Err(undefined(&reference, "a group of variables", desired.variables.keys(), group.as_str()));
            };
            let Some(value) = variables.0.get(key) else {
                return Err(undefined(&reference, "a variable of that group", variables.0.keys(), key.as_str()));
            };
            let text = value.to_string();
            within.push(reference);
            let text = resolve_within(&text, desired, within)?;
            within.pop();
            Ok(text)
        }
        Reference::ContainerHost(name) => match desired.containers.get(name) {
            Some(Container { network: Some(NetworkMode::Container(other)), .. }) => Ok(other.to_string()),
            Some(Container { network: Some(mode), .. }) => Err(Unresolved {
                code: "no-host",
                message: format!("`{{{{ {reference} }}}}`: container `{name}` has no name in the fleet's network"),
                expected: "a container in the fleet's network".to_owned(),
                hint: Some(format!("it says \"network\": \"{mode}\"")),
            }),
            Some(_) => Ok(name.to_string()),
            None => Err(undefined(&reference, "a container of this fleet", desired.containers.keys(), name.as_str())),
        },
        Reference::ContainerPort(name, port) => {
            let Some(container) = desired.containers.get(name) else {
                return Err(undefined(
                    &reference,
                    "a container of this fleet",
                    desired.containers.keys(),
                    name.as_str(),
                ));
            };
            let wanted = *port;
            within.push(reference.clone());
            for text in &container.ports {
                let mapped = ports(&resolve_within(text, desired, within)?).unwrap_or_default();
                if let Some(mapping) = mapped.iter().find(|it| it.container == wanted) {
                    within.pop();
                    return Ok(mapping.host.to_string());
                }
            }
            within.pop();
            Err(Unresolved {
                code: "unpublished-port",
                message: format!("`{{{{ {reference} }}}}`: container `{name}` does not publish its port {wanted}"),
                expected: "a container's port that its `ports` publish".to_owned(),
                hint: Some(format!("add it to `ports` in containers/{name}.json, such as \"127.0.0.1:8080:{wanted}\"")),
            })
        }
        Reference::Node(name) => {
            let named = desired.nodes.iter().find(|(it, _)| it.as_str() == name.as_str());
            let Some((_, node)) = named else {
                return Err(undefined(&reference, "a node of this fleet", desired.nodes.keys(), name.as_str()));
            };
            node.address.clone().ok_or_else(|| Unresolved {
                code: "no-address",
                message: format!("`{{{{ {reference} }}}}`: node `{name}` has no `address`"),
                expected: "a node with an `address`".to_owned(),
                hint: None,
            })
        }
        Reference::Secret(_) => Err(not_yet(&reference, "secrets")),
        Reference::TaskOutput { .. } => Err(not_yet(&reference, "outputs of tasks")),
    }
}

fn not_yet(reference: &Reference, what: &str) -> Unresolved {
    Unresolved {
        code: "not-yet",
        message: format!("`{{{{ {reference} }}}}`: references to {what} are not built yet"),
        expected: "a reference to a variable, a container or a node".to_owned(),
        hint: None,
    }
}

fn undefined<'a, T: AsRef<str> + 'a + ?Sized>(
    reference: &Reference,
    expected: &str,
    known: impl Iterator<Item = &'a T>,
    seen: &str,
) -> Unresolved {
    let known: Vec<&str> = known.map(AsRef::as_ref).collect();
    let nearest = known.iter().map(|it| (strsim::damerau_levenshtein(it, seen), it)).min();
    let hint = match nearest {
        Some((distance, near)) if distance <= 2 => Some(format!("did you mean `{near}`?")),
        _ if known.is_empty() => Some("there is none yet".to_owned()),
        _ => {
            Some(format!("known: {}", known.iter().take(8).map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")))
        }
    };
    Unresolved {
        code: "undefined-reference",
        message: format!("`{{{{ {reference} }}}}`: there is no `{seen}`"),
        expected: expected.to_owned(),
        hint,
    }
}

/// A key as a token of a JSON pointer (RFC 6901).
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
