//! Holds a value to a shape of the contract: the part of JSON Schema that the contract uses, and no more.

use serde_json::Value;

/// Panics with the place of everything that is not as the shape says.
pub fn must_fit(contract: &Value, shape: &str, value: &Value) {
    let schema = &contract["components"]["schemas"][shape];
    assert!(schema.is_object(), "the contract has no shape `{shape}`");
    let mut faults = Vec::new();
    walk(contract, schema, value, shape, &mut faults);
    assert!(faults.is_empty(), "{}\nin {value:#}", faults.join("\n"));
}

fn walk(contract: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/components/schemas/").unwrap();
                walk(contract, &contract["components"]["schemas"][name], value, at, faults);
            }
            "type" => {
                let kinds = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                if !kinds.iter().any(|it| kind_fits(it.as_str().unwrap(), value)) {
                    faults.push(format!("{at}: expected {rule}, seen {value}"));
                }
            }
            "const" if rule != value => faults.push(format!("{at}: expected {rule}, seen {value}")),
            "enum" if !rule.as_array().unwrap().contains(value) => {
                faults.push(format!("{at}: {value} is none of {rule}"))
            }
            "minimum" if value.as_i64() < rule.as_i64() => faults.push(format!("{at}: {value} is below {rule}")),
            "anyOf" => {
                let fits = |schema: &Value| {
                    let mut faults = Vec::new();
                    walk(contract, schema, value, at, &mut faults);
                    faults.is_empty()
                };
                if !rule.as_array().unwrap().iter().any(fits) {
                    faults.push(format!("{at}: {value} fits none of {rule}"));
                }
            }
            "required" => {
                for name in rule.as_array().unwrap().iter().filter_map(Value::as_str) {
                    if value.get(name).is_none() {
                        faults.push(format!("{at}: `{name}` is not there"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        walk(contract, schema, member, &format!("{at}.{name}"), faults);
                    }
                }
            }
            "additionalProperties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    walk(contract, rule, member, &format!("{at}.{name}"), faults);
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    walk(contract, rule, item, &format!("{at}[{index}]"), faults);
                }
            }
            "const" | "enum" | "minimum" | "format" | "description" | "examples" => {}
            other => panic!("the contract uses `{other}`, which this test does not know"),
        }
    }
}

fn kind_fits(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("unknown type `{other}`"),
    }
}
