//! The API's operations as calls.

use bytes::Bytes;
use http::{Method, StatusCode};
use murphy_core::exchange::Exchange;
use murphy_director::view::{
    ActivateRequest, Activated, Deactivated, KillSwitchView, Put, ReloadReport, RouteView, ScenarioDetail,
    ScenarioView, StatusView,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, ExchangeStream};
use crate::ReasonRequest;

/// Which exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExchangeFilter {
    /// Only those with a higher number.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only those of this route.
    pub route: Option<String>,
    /// Only those with, or without, an injected fault.
    pub injected: Option<bool>,
}

impl ExchangeFilter {
    fn query(&self) -> String {
        let after = self.after.map(|after| format!("after={after}"));
        let limit = self.limit.map(|limit| format!("limit={limit}"));
        let route = self
            .route
            .as_ref()
            .map(|route| format!("route={}", encode(route)));
        let injected = self.injected.map(|injected| format!("injected={injected}"));
        let pairs: Vec<String> = [after, limit, route, injected].into_iter().flatten().collect();
        pairs.join("&")
    }
}

impl Client {
    /// Whether the daemon says that it is ready, and its checks.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn ready(&self) -> Result<(bool, String), ClientError> {
        let response = self.send(Method::GET, "/readyz?verbose", None).await?;
        let status = response.status();
        let text = self.whole(response).await?;
        Ok((status.is_success(), String::from_utf8_lossy(&text).into_owned()))
    }

    /// The metrics, in the Prometheus text format.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let response = self.send(Method::GET, "/metrics", None).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let text = self.whole(response).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// `GET status`.
    ///
    /// # Errors
    /// As every call: see [`ClientError`].
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.get("/api/v1/status").await
    }

    /// `GET scenarios`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn scenarios(&self) -> Result<Vec<ScenarioView>, ClientError> {
        self.get("/api/v1/scenarios").await
    }

    /// `GET scenarios/{name}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn scenario(&self, name: &str) -> Result<ScenarioDetail, ClientError> {
        self.get(&scenario_path(name, "")).await
    }

    /// `PUT scenarios/{name}` with a text in YAML or JSON.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn put_scenario(&self, name: &str, text: &str) -> Result<Put, ClientError> {
        let path = scenario_path(name, "");
        let body = ("application/yaml", Bytes::from(text.to_owned()));
        self.answered(Method::PUT, &path, Some(body)).await
    }

    /// `DELETE scenarios/{name}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_scenario(&self, name: &str) -> Result<Deactivated, ClientError> {
        self.answered(Method::DELETE, &scenario_path(name, ""), None)
            .await
    }

    /// `POST scenarios/{name}/activate`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn activate(&self, name: &str, request: &ActivateRequest) -> Result<Activated, ClientError> {
        self.post(&scenario_path(name, "/activate"), request).await
    }

    /// `POST scenarios/{name}/deactivate`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deactivate(&self, name: &str) -> Result<Deactivated, ClientError> {
        self.answered(Method::POST, &scenario_path(name, "/deactivate"), None)
            .await
    }

    /// `POST scenarios/deactivate-all`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deactivate_all(&self) -> Result<Deactivated, ClientError> {
        self.answered(Method::POST, "/api/v1/scenarios/deactivate-all", None)
            .await
    }

    /// `GET routes`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn routes(&self) -> Result<Vec<RouteView>, ClientError> {
        self.get("/api/v1/routes").await
    }

    /// `GET kill-switch`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn kill_switch(&self) -> Result<KillSwitchView, ClientError> {
        self.get("/api/v1/kill-switch").await
    }

    /// `POST kill-switch/trip`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn trip(&self, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        self.switch("trip", reason).await
    }

    /// `POST kill-switch/rearm`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rearm(&self, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        self.switch("rearm", reason).await
    }

    /// `POST kill-switch/lock`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lock(&self, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        self.switch("lock", reason).await
    }

    /// `POST kill-switch/unlock`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn unlock(&self, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        self.switch("unlock", reason).await
    }

    /// `POST reload`. A refused set is [`ClientError::Refused`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reload(&self) -> Result<ReloadReport, ClientError> {
        self.answered(Method::POST, "/api/v1/reload", None).await
    }

    /// `GET exchanges`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn exchanges(&self, filter: &ExchangeFilter) -> Result<Vec<Exchange>, ClientError> {
        self.get(&format!("/api/v1/exchanges?{}", filter.query())).await
    }

    /// `GET exchanges/stream`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stream(&self, filter: &ExchangeFilter) -> Result<ExchangeStream, ClientError> {
        let path = format!("/api/v1/exchanges/stream?{}", filter.query());
        let response = self.send(Method::GET, &path, None).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        Ok(ExchangeStream::new(self.url.clone(), response.into_body()))
    }

    async fn switch(&self, verb: &str, reason: Option<String>) -> Result<KillSwitchView, ClientError> {
        let path = format!("/api/v1/kill-switch/{verb}");
        self.post(&path, &ReasonRequest { reason }).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answered(Method::GET, path, None).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        // The requests are structs of strings and numbers, which always serialise.
        let body = serde_json::to_vec(body).unwrap_or_default();
        let body = ("application/json", Bytes::from(body));
        self.answered(Method::POST, path, Some(body)).await
    }
}

fn scenario_path(name: &str, verb: &str) -> String {
    format!("/api/v1/scenarios/{}{verb}", encode(name))
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_becomes_a_query_that_cannot_be_broken_out_of() {
        let filter = ExchangeFilter {
            after: Some(7),
            route: Some("a&b=/ü".to_owned()),
            injected: Some(true),
            ..ExchangeFilter::default()
        };
        assert_eq!(filter.query(), "after=7&route=a%26b%3D%2F%C3%BC&injected=true");
    }
}
