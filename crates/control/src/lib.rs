//! The control API, its OpenAPI document, the metrics endpoint and the API client.
