//! The OpenAPI 3.1 document, assembled from the route table and the types' own schemas (JSON Schema 2020-12).

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::input::WHO_HEADER;
use crate::operation::{Answer, Operation, Place, RequestBody, Tag};
use crate::problem::{PROBLEM_JSON, ProblemDetails, ProblemType};
use crate::routes;

/// The document.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        // The dialect is declared once, for the whole document.
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in routes::operations() {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        let described = describe(&operation, &mut generator);
        if let Some(item) = item.as_object_mut() {
            item.insert(operation.method.as_str().to_ascii_lowercase(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Murphy control API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
            "description": "Switches scenarios and the kill switch, and tells what happened. With a token set, \
                            every operation that is not open needs it. A write is `application/json`; one without a \
                            body may leave the type out if it does not come from a web page.",
        },
        "servers": [{ "url": "http://127.0.0.1:7071" }],
        "tags": Tag::ALL.map(|tag| json!({ "name": tag.name(), "description": tag.description() })),
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag.name()],
        "summary": operation.summary,
        "responses": responses(operation, generator),
        // An empty requirement beside the token: without a token set, none is needed.
        "security": if operation.open { json!([]) } else { json!([{ "token": [] }, {}]) },
    });
    let parameters = parameters(operation, generator);
    if let Some(described) = described.as_object_mut() {
        if !parameters.is_empty() {
            described.insert("parameters".to_owned(), Value::Array(parameters));
        }
        if let Some(body) = &operation.body {
            described.insert("requestBody".to_owned(), request_body(body, generator));
        }
    }
    described
}

fn parameters(operation: &Operation, generator: &mut SchemaGenerator) -> Vec<Value> {
    let name = operation.path.contains("{name}").then(|| {
        json!({
            "name": "name",
            "in": "path",
            "required": true,
            "description": "The scenario's name.",
            "schema": { "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" },
        })
    });
    let others = operation.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": match parameter.place {
                Place::Query => "query",
                Place::Header => "header",
            },
            "required": false,
            "description": parameter.description,
            "schema": (parameter.schema)(generator),
        })
    });
    let who = (!operation.method.is_safe()).then(|| {
        json!({
            "name": WHO_HEADER,
            "in": "header",
            "required": false,
            "description": "Who does it, for the record (at most 64 characters).",
            "schema": { "type": "string" },
        })
    });
    name.into_iter().chain(others).chain(who).collect()
}

fn request_body(body: &RequestBody, generator: &mut SchemaGenerator) -> Value {
    let schema = (body.schema)(generator);
    let content: Map<String, Value> = body
        .media_types
        .iter()
        .map(|media_type| ((*media_type).to_owned(), json!({ "schema": schema })))
        .collect();
    json!({ "required": !body.optional, "content": content })
}

fn responses(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut responses: BTreeMap<u16, Value> = BTreeMap::new();
    for answer in &operation.success {
        responses.insert(answer.status, success(answer, generator));
    }
    for refusal in operation.all_refusals() {
        let problem = generator.subschema_for::<ProblemDetails>();
        responses
            .entry(refusal.status().as_u16())
            .and_modify(|response| add_type(response, refusal))
            .or_insert_with(|| {
                json!({
                    "description": refusal.title(),
                    "content": { PROBLEM_JSON: { "schema": problem } },
                })
            });
    }
    responses
        .into_iter()
        .map(|(status, response)| (status.to_string(), response))
        .collect::<Map<String, Value>>()
        .into()
}

/// Two refusals with one status share an entry.
fn add_type(response: &mut Value, refusal: ProblemType) {
    let Some(Value::String(description)) = response.get_mut("description") else {
        return;
    };
    if !description.contains(refusal.title()) {
        description.push_str("; or: ");
        description.push_str(refusal.title());
    }
}

fn success(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    let mut response = json!({
        "description": answer.description,
        "content": { answer.media_type: { "schema": (answer.schema)(generator) } },
    });
    if let Some(response) = response.as_object_mut().filter(|_| answer.etag) {
        let etag = json!({ "description": "The scenario's version.", "schema": { "type": "string" } });
        response.insert("headers".to_owned(), json!({ "ETag": etag }));
    }
    response
}
