//! The contract, made from the table of routes.

mod shapes;

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use schemas::access::Action;
use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::reply;
use crate::routes::{Parameter, Place, Route, Shape, routes};

/// The document as it is served: the table does not change while we run.
static SERVED: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

/// `GET /openapi.json`
pub(crate) async fn serve() -> Result<Response, Problem> {
    Ok(reply::bytes(StatusCode::OK, "application/json", SERVED.clone()))
}

/// The OpenAPI 3.1 document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in routes() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "fleetlog",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Servers run by git push.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }, { "basic": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic", "description": "the token is the password" },
            },
            "schemas": shapes::all(),
            "responses": { "Problem": {
                "description": "what went wrong (RFC 9457)",
                "content": { "application/problem+json": { "schema": reference("Problem") } },
            } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": route.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses(route),
    });
    if let Some(body) = route.body {
        let content = json!({ "application/json": { "schema": reference(body) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if route.needs == Action::Open {
        operation["security"] = json!([]);
    }
    operation
}

fn parameter(it: &Parameter) -> Value {
    json!({
        "name": it.name,
        "in": match it.place { Place::Path => "path", Place::Query => "query", Place::Header => "header" },
        "required": it.place == Place::Path,
        "description": it.help,
        "schema": match it.shape {
            Shape::Text => json!({ "type": "string" }),
            Shape::Label => json!({ "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" }),
            Shape::Id => json!({ "type": "string", "format": "uuid" }),
            Shape::Position => json!({ "type": "integer", "minimum": 0 }),
            Shape::UpTo(most) => json!({ "type": "integer", "minimum": 1, "maximum": most }),
            Shape::Time => json!({ "type": "string", "format": "date-time" }),
        },
    })
}

fn responses(route: &Route) -> Value {
    let mut content = Map::new();
    for (kind, shape) in route.answer.content {
        let schema = shape.map_or_else(|| json!({}), reference);
        content.insert((*kind).to_owned(), json!({ "schema": schema }));
    }
    let mut good = json!({ "description": route.answer.summary, "content": content });
    if route.answer.positioned {
        let schema = json!({ "type": "integer", "minimum": 0 });
        good["headers"]["Fleetlog-Position"] = json!({ "description": "what the answer shows", "schema": schema });
    }
    let mut responses = json!({ (route.answer.status.to_string()): good.clone() });
    if route.path == "/readyz" {
        good["description"] = json!("a service is not ready");
        responses["503"] = good;
    }
    let token = match route.needs {
        Action::Open => &[][..],
        Action::Enter => &[401],
        _ => &[401, 403],
    };
    for status in token.iter().chain(route.answer.problems) {
        responses[status.to_string()] = json!({ "$ref": "#/components/responses/Problem" });
    }
    responses
}

fn reference(shape: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{shape}") })
}
