//! Networks: made once by name, shown with their labels, removed.

use std::collections::HashMap;

use bollard::models::{Network as Found, NetworkCreateRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{InspectNetworkOptions, ListContainersOptions, ListNetworksOptions};

use super::connection::CALL;
use super::containers::label_filter;
use super::inspect::nanoseconds;
use super::{Docker, classify};
use crate::error::EngineError;
use crate::seen::{Ensured, Labels, Network, Scope};

impl Docker {
    /// See [`crate::Engine::ensure_network`].
    pub async fn ensure_network(&self, name: &str, labels: &Labels) -> Result<Ensured, EngineError> {
        // Older engines make two networks of one name without a word, so one at a time here...
        let _one_at_a_time = self.connection.network_turn().await;
        if let Some(there) = self.settle_on_one(name, labels).await? {
            return Ok(Ensured { made: false, labels: labels_of(there) });
        }
        let what = format!("create network `{name}`");
        let request = &NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..Default::default()
        };
        let call = move |client: bollard::Docker| async move { client.create_network(request.clone()).await };
        let made = match self.connection.call(&what, CALL, call, classify::refused(&what)).await {
            Ok(made) => Some(made.id),
            // Somebody else was first; newer engines say so.
            Err(EngineError::Refused { status: 409, .. }) => None,
            Err(error) => return Err(error),
        };
        // ...and where another process was at it, too, the oldest stays.
        let there = self.settle_on_one(name, labels).await?;
        let there = there.ok_or_else(|| EngineError::NotFound { what: format!("network `{name}`") })?;
        Ok(Ensured { made: made.is_some() && made == there.id, labels: labels_of(there) })
    }

    /// See [`crate::Engine::disconnect`].
    pub async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError> {
        let (what, thing) = (
            format!("take container `{container}` out of network `{network}`"),
            format!("network `{network}`, or container `{container}`"),
        );
        let request = &NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let call =
            move |client: bollard::Docker| async move { client.disconnect_network(network, request.clone()).await };
        self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await
    }

    /// The network of this name; of several the oldest, and those among the others that carry exactly our labels are
    /// taken back: with two of one name no container can be attached.
    async fn settle_on_one(&self, name: &str, labels: &Labels) -> Result<Option<Found>, EngineError> {
        let mut found = self.list_networks(HashMap::from([("name".to_owned(), vec![name.to_owned()])])).await?;
        // Docker's filter finds parts of names, too.
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by_cached_key(|network| (network.created.as_deref().and_then(nanoseconds), network.id.clone()));
        let mut found = found.into_iter();
        let oldest = found.next();
        for surplus in found {
            let id = surplus.id.clone().unwrap_or_default();
            if labels_of(surplus) != *labels {
                continue;
            }
            match self.remove_network(&id).await {
                Ok(_) => {}
                Err(EngineError::Refused { message, .. }) => {
                    tracing::warn!(network = name, id, message, "there are two networks of this name, both in use");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(oldest)
    }

    /// See [`crate::Engine::remove_network`].
    pub async fn remove_network(&self, name: &str) -> Result<bool, EngineError> {
        let (what, thing) = (format!("remove network `{name}`"), format!("network `{name}`"));
        let call = move |client: bollard::Docker| async move { client.remove_network(name).await };
        let removed = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await;
        Ok(classify::optional(removed)?.is_some())
    }

    /// See [`crate::Engine::network`].
    pub async fn network(&self, name: &str) -> Result<Option<Network>, EngineError> {
        let (what, thing) = (format!("inspect network `{name}`"), format!("network `{name}`"));
        let call = move |client: bollard::Docker| async move {
            client.inspect_network(name, None::<InspectNetworkOptions>).await
        };
        let found = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await;
        let Some(found) = classify::optional(found)? else { return Ok(None) };
        let name = found.name.unwrap_or_default();
        Ok(Some(Network {
            id: found.id.unwrap_or_default(),
            labels: found.labels.unwrap_or_default().into_iter().collect(),
            containers: self.attached(&name).await?,
            name,
        }))
    }

    /// See [`crate::Engine::networks`].
    pub async fn networks(&self, scope: &Scope) -> Result<Vec<String>, EngineError> {
        let found = self.list_networks(label_filter(scope)).await?;
        let mut names: Vec<String> = found.into_iter().filter_map(|network| network.name).collect();
        names.sort();
        Ok(names)
    }

    async fn list_networks(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<Found>, EngineError> {
        let options = &ListNetworksOptions { filters: Some(filters) };
        let call = move |client: bollard::Docker| async move { client.list_networks(Some(options.clone())).await };
        self.connection.call("list networks", CALL, call, classify::refused("list networks")).await
    }

    /// How many containers are attached; the network itself shows only those that run.
    async fn attached(&self, network: &str) -> Result<usize, EngineError> {
        let filters = HashMap::from([("network".to_owned(), vec![network.to_owned()])]);
        let options = &ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let call = move |client: bollard::Docker| async move { client.list_containers(Some(options.clone())).await };
        let what = format!("list containers in network `{network}`");
        Ok(self.connection.call(&what, CALL, call, classify::refused(&what)).await?.len())
    }
}

fn labels_of(network: Found) -> Labels {
    network.labels.unwrap_or_default().into_iter().collect()
}
