//! Networks: made once by name, shown with their labels, removed.

use std::collections::HashMap;

use bollard::models::{Network as Found, NetworkCreateRequest};
use bollard::query_parameters::{InspectNetworkOptions, ListContainersOptions, ListNetworksOptions};

use super::connection::CALL;
use super::containers::label_filter;
use super::{Docker, classify};
use crate::error::EngineError;
use crate::seen::{Ensured, Labels, Network, Scope};

impl Docker {
    /// See [`crate::Engine::ensure_network`].
    pub async fn ensure_network(&self, name: &str, labels: &Labels) -> Result<Ensured, EngineError> {
        // Older engines make two networks of one name without a word, so one at a time here...
        let _one_at_a_time = self.connection.network_turn().await;
        if let Some(there) = self.find_network(name).await? {
            return Ok(Ensured { made: false, labels: there.labels.unwrap_or_default().into_iter().collect() });
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
        // ...and where another process made one at the same time, both keep the older one and take back their own.
        let winner = self.find_network(name).await?.ok_or_else(|| EngineError::NotFound { what: what.clone() })?;
        let ours = made.is_some() && made == winner.id;
        if let Some(id) = made.filter(|_| !ours) {
            self.remove_network(&id).await?;
        }
        Ok(Ensured { made: ours, labels: winner.labels.unwrap_or_default().into_iter().collect() })
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

    /// The network of exactly this name; the oldest where there are more.
    async fn find_network(&self, name: &str) -> Result<Option<Found>, EngineError> {
        let mut found = self.list_networks(HashMap::from([("name".to_owned(), vec![name.to_owned()])])).await?;
        // Docker's filter finds parts of names, too.
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
        Ok(found.into_iter().next())
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
