//! What the agent of a node is asked about its images, and about what its containers have written.

use std::time::Duration;

use schemas::names::NodeName;
use schemas::query::{
    ImagesAnswer, ImagesRequest, LossesAnswer, LossesRequest, PruneAnswer, PruneRequest, UpdateAnswer, UpdateImages,
};

use crate::bus::Bus;
use crate::error::{AskError, ReadError};
use crate::request::{Question, Questions};

impl Question for UpdateImages {
    type Answer = UpdateAnswer;
    const SUBJECT: &'static str = "req.shazam.update";
}

impl Question for ImagesRequest {
    type Answer = ImagesAnswer;
    const SUBJECT: &'static str = "req.shazam.images.<node>";
}

impl Question for PruneRequest {
    type Answer = PruneAnswer;
    const SUBJECT: &'static str = "req.shazam.prune.<node>";
}

impl Question for LossesRequest {
    type Answer = LossesAnswer;
    const SUBJECT: &'static str = "req.shazam.losses.<node>";
}

impl Bus {
    /// Asks a node what containers have written beside their volumes.
    pub async fn losses(
        &self,
        node: &NodeName,
        request: &LossesRequest,
        within: Duration,
    ) -> Result<LossesAnswer, AskError> {
        self.ask_node(node, request, within).await
    }

    /// Of which containers a node is asked that, from now on.
    pub async fn asked_for_losses(&self, node: &NodeName) -> Result<Questions<LossesRequest>, ReadError> {
        self.answer_node(node).await
    }

    /// Asks a node what references lead to now.
    pub async fn images_now(
        &self,
        node: &NodeName,
        request: &ImagesRequest,
        within: Duration,
    ) -> Result<ImagesAnswer, AskError> {
        self.ask_node(node, request, within).await
    }

    /// What is asked of a node about references, from now on.
    pub async fn asked_for_images(&self, node: &NodeName) -> Result<Questions<ImagesRequest>, ReadError> {
        self.answer_node(node).await
    }

    /// Asks a node to remove images.
    pub async fn prune_images(
        &self,
        node: &NodeName,
        request: &PruneRequest,
        within: Duration,
    ) -> Result<PruneAnswer, AskError> {
        self.ask_node(node, request, within).await
    }

    /// Which images a node is asked to remove, from now on.
    pub async fn asked_to_prune(&self, node: &NodeName) -> Result<Questions<PruneRequest>, ReadError> {
        self.answer_node(node).await
    }
}
