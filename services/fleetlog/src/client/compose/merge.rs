//! One file over another: maps are merged, lists go on, and some keys are replaced, as in the compose specification's
//! <https://github.com/compose-spec/compose-spec/blob/main/13-merge.md>.

use super::yaml::{Entry, Node, Tag, Value};

/// Keys of a service that are replaced as a whole.
const REPLACED: [&str; 3] = ["command", "entrypoint", "test"];

/// `over` over `base`.
pub fn over(base: Node, over: Node) -> Node {
    merged(base, over, "")
}

fn merged(base: Node, over: Node, key: &str) -> Node {
    if over.tag == Tag::Override || REPLACED.contains(&key) {
        return over;
    }
    let Node { place, tag, .. } = &over;
    let (place, tag) = (place.clone(), *tag);
    match (base.value, over.value) {
        (Value::Map(base), Value::Map(over)) => Node { place, tag, value: Value::Map(maps(base, over)) },
        (Value::List(base), Value::List(over)) => Node { place, tag, value: Value::List(lists(base, over, key)) },
        // A text beside a list is a list of one.
        (Value::List(base), text @ Value::Text(_)) => {
            let one = Node { place: place.clone(), tag: Tag::None, value: text };
            Node { place, tag, value: Value::List(lists(base, vec![one], key)) }
        }
        // A key without a value overrides nothing.
        (base, Value::Null) => Node { place, tag, value: base },
        (_, value) => Node { place, tag, value },
    }
}

fn maps(mut base: Vec<Entry>, over: Vec<Entry>) -> Vec<Entry> {
    for entry in over {
        let at = base.iter().position(|it| it.key == entry.key);
        match (at, entry.node.tag) {
            (Some(at), Tag::Reset) => drop(base.remove(at)),
            (None, Tag::Reset) => {}
            (Some(at), _) => {
                let Entry { key, node, .. } = base[at].clone();
                base[at] = Entry { node: merged(node, entry.node, &key), ..entry };
            }
            (None, _) => base.push(entry),
        }
    }
    base
}

fn lists(mut base: Vec<Node>, over: Vec<Node>, key: &str) -> Vec<Node> {
    for item in over {
        let identity = identity(&item, key);
        match base.iter().position(|it| self::identity(it, key) == identity) {
            Some(at) => base[at] = item,
            None => base.push(item),
        }
    }
    base
}

/// By what an item of a list is replaced: the target of a mount, else all of it.
fn identity(item: &Node, key: &str) -> String {
    let target = match key {
        "volumes" | "devices" => match item.text() {
            Some(text) => text.split(':').nth(usize::from(text.contains(':'))),
            None => item.get("target").and_then(Node::text),
        },
        "configs" | "secrets" => item.get("target").or_else(|| item.get("source")).and_then(Node::text),
        _ => None,
    };
    target.map_or_else(|| written(item), |it| it.trim_end_matches('/').to_owned())
}

fn written(node: &Node) -> String {
    match &node.value {
        Value::Null => "~".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(items) => items.iter().map(written).collect::<Vec<_>>().join(","),
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().map(|it| format!("{}={}", it.key, written(&it.node))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(","))
        }
    }
}

/// Takes out what `!reset` says of a file that overrides nothing.
pub fn settled(node: &mut Node) {
    if let Value::Map(entries) = &mut node.value {
        entries.retain(|it| it.node.tag != Tag::Reset);
        entries.iter_mut().for_each(|it| settled(&mut it.node));
    }
}

#[cfg(test)]
mod tests {
    use super::super::normal;
    use super::super::yaml::parsed;
    use super::*;

    fn service(text: &str) -> Node {
        let mut node = parsed(text);
        normal::service(&mut node);
        node
    }

    fn check(base: &str, over: &str, expected: &str) {
        assert_eq!(written(&super::over(service(base), service(over))), written(&service(expected)), "{base} {over}");
    }

    #[test]
    fn maps_are_merged_and_lists_go_on() {
        check("environment: [A=1, B=2]", "environment: {B: 3, C: 4}", "environment: {A: 1, B: 3, C: 4}");
        check("dns: [192.0.2.1]", "dns: [192.0.2.2, 192.0.2.1]", "dns: [192.0.2.1, 192.0.2.2]");
        check("ports: ['80:80']", "ports: ['81:81']", "ports: ['80:80', '81:81']");
        check(
            "depends_on: [db]",
            "depends_on: {db: {condition: service_healthy}}",
            "depends_on: {db: {condition: service_healthy}}",
        );
        check("image: a", "image:", "image: a");
    }

    #[test]
    fn commands_are_replaced_and_mounts_by_their_target() {
        check("command: [a, b]", "command: [c]", "command: [c]");
        check(
            "healthcheck: {test: [CMD, a], retries: 3}",
            "healthcheck: {test: b}",
            "healthcheck: {test: b, retries: 3}",
        );
        check("volumes: ['data:/data', './a:/a']", "volumes: ['./d:/data/']", "volumes: ['./d:/data/', './a:/a']");
        check(
            "volumes: ['data:/data']",
            "volumes: [{type: tmpfs, target: /data}]",
            "volumes: [{type: tmpfs, target: /data}]",
        );
    }

    #[test]
    fn tags_reset_and_override() {
        check("ports: ['80:80']\nimage: a", "ports: !reset []", "image: a");
        check("ports: ['80:80']", "ports: !override ['81:81']", "ports: ['81:81']");
        let mut node = parsed("a: 1\nb: !reset null\n");
        settled(&mut node);
        assert_eq!(written(&node), "{a=\"1\"}");
    }
}
