//! Faults as GitHub's workflow commands, which show them at their lines in a pull request.

use std::path::{Component, Path, PathBuf};

use schemas::check::Fault;

/// One `::error …::…` or `::warning …::…`. `folder` is the fleet's folder as it was asked for: GitHub wants paths from
/// where the workflow runs.
pub fn annotation(kind: &str, folder: &Path, fault: &Fault) -> String {
    let mut message = fault.seen.clone();
    for place in &fault.also {
        message.push_str(&format!("\nalso: {place}"));
    }
    message.push_str(&format!("\nexpected: {}", fault.expected));
    if let Some(hint) = &fault.hint {
        message.push_str(&format!("\nhint: {hint}"));
    }
    format!(
        "::{kind} file={},line={},col={},title={}::{}",
        property(&beside(folder).join(&fault.path).display().to_string()),
        fault.line,
        fault.column,
        property(fault.code.as_str()),
        data(&message),
    )
}

/// The folder relative to the current one, without `.` in it; as it is where it lies elsewhere.
fn beside(folder: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let inner = here.as_deref().and_then(|here| folder.strip_prefix(here).ok()).unwrap_or(folder);
    inner.components().filter(|it| *it != Component::CurDir).collect()
}

/// What GitHub unescapes in a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What GitHub unescapes in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_would_end_a_command_is_escaped() {
        let fault: Fault = serde_json::from_value(serde_json::json!({
            "path": "containers/a,b.json", "line": 3, "column": 7, "code": "bad-port", "seen": "100 % of\n`::`",
            "expected": "e", "hint": "h", "also": [{ "path": "x.json", "line": 1, "column": 2 }],
        }))
        .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            annotation("error", Path::new("./ops/demo"), &fault),
            "::error file=ops/demo/containers/a%2Cb.json,line=3,col=7,title=bad-port::100 %25 of%0A`::`\
             %0Aalso: x.json:1:2%0Aexpected: e%0Ahint: h"
        );
        let here = annotation("warning", Path::new("."), &fault);
        assert!(here.starts_with("::warning file=containers/a%2Cb.json,line=3,"), "{here}");
        let absolute = std::env::current_dir().unwrap_or_default().join("fleet");
        assert!(annotation("error", &absolute, &fault).contains("file=fleet/containers/"));
    }
}
