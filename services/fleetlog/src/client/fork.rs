//! `fleetlog fork FROM TO`: begins a fleet as a copy of another one, and asks for its parameters.

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::time::Duration;

use schemas::descriptors::{FleetFile, Parameter, ParameterType};
use schemas::names::Key;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::out;
use super::remote::Remote;
use crate::cli::ForkOptions;

/// How long it may take: a whole history is copied.
const COPY: Duration = Duration::from_secs(130);

/// Forks, and says where to go on.
pub fn run(options: &ForkOptions) -> Result<(), Failure> {
    let remote = Remote::find()?;
    let (from, to) = (&options.from, &options.to);
    let state: Value = remote.get(&format!("/v1/fleets/{from}"), &[], 0)?.read()?;
    let mut values: Map<String, Value> =
        options.set.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        // What this version does not know of a newer platform's file, the platform asks for itself.
        let fleet: FleetFile = serde_json::from_value(state["desired"]["fleet"].clone()).unwrap_or_default();
        for (key, parameter) in &fleet.parameters {
            if !values.contains_key(key.as_str())
                && let Some(value) = ask(key, parameter)?
            {
                values.insert(key.to_string(), value.into());
            }
        }
    }
    let body = json!({ "owner": to.owner, "name": to.name, "parameters": values });
    let made: Value = remote.send_within("POST", &format!("/v1/fleets/{from}/forks"), Some(&body), COPY)?.read()?;
    if options.json {
        return out::json(&made);
    }
    let commit = out::short(made["commit"].as_str());
    out::line(&format!("forked `{from}` as `{to}` at {commit}; nothing of it runs before its first push:"))?;
    out::line(&format!("  git clone {}/git/{to}.git", remote.url()))
}

/// What somebody types; none: the default, or made at random.
fn ask(key: &Key, parameter: &Parameter) -> Result<Option<String>, Failure> {
    if parameter.kind == ParameterType::Generate {
        return Ok(None);
    }
    let label = parameter.label.as_deref().unwrap_or(key.as_str());
    if let Some(description) = &parameter.description {
        out::note(description);
    }
    let choices =
        if parameter.choices.is_empty() { String::new() } else { format!(" ({})", parameter.choices.join(", ")) };
    let default = parameter.default.as_ref().and_then(|it| serde_json::to_value(it).ok());
    let default = default.map(|it| format!(" [{}]", out::value(&it))).unwrap_or_default();
    let question = format!("{label}{choices}{default}: ");
    asked(&mut io::stdin().lock(), &mut io::stderr().lock(), &question, parameter)
}

/// Asks until what is typed fits; none: nothing was typed, or nobody types any more.
fn asked(
    typing: &mut impl BufRead,
    screen: &mut impl Write,
    question: &str,
    parameter: &Parameter,
) -> Result<Option<String>, Failure> {
    loop {
        write!(screen, "{question}").and_then(|()| screen.flush())?;
        let mut line = String::new();
        let read = typing.read_line(&mut line);
        let read = read.map_err(|error| Failure::Failed(format!("cannot read what was typed: {error}")))?;
        let typed = line.trim();
        let wrong = match typed {
            "" if parameter.default.is_some() || read == 0 => return Ok(None),
            "" => "it has no default: something has to be typed".to_owned(),
            typed => match parameter.misfit(&parameter.read(typed)) {
                None => return Ok(Some(typed.to_owned())),
                Some(expected) => expected,
            },
        };
        writeln!(screen, "{wrong}")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_that_does_not_fit_is_asked_for_again() {
        let parameter: Parameter = serde_json::from_value(json!({ "pattern": "[a-z.]+" })).expect("a parameter");
        let ask = |typed: &str| {
            let mut screen = Vec::new();
            let value = asked(&mut typed.as_bytes(), &mut screen, "domain: ", &parameter).expect("an answer");
            (value, String::from_utf8(screen).expect("text"))
        };
        assert_eq!(ask("a.b\n"), (Some("a.b".to_owned()), "domain: ".to_owned()));
        let again = "domain: expected a text that matches `[a-z.]+`\ndomain: it has no default: something has to be \
                     typed\ndomain: ";
        assert_eq!(ask("A!\n\nok\n"), (Some("ok".to_owned()), again.to_owned()));
        assert_eq!(ask(""), (None, "domain: ".to_owned()));
    }
}
