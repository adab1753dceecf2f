//! Operators' hands on the bus: what the coordinator is asked, and what it asks the agent of one node.

use std::time::Duration;

use schemas::names::NodeName;
use schemas::query::{ActAnswer, ActOnNode, HoldAnswer, HoldRequest, Operate, OperateAnswer};

use crate::bus::Bus;
use crate::error::{AskError, ReadError};
use crate::request::{Question, Questions};

impl Question for Operate {
    type Answer = OperateAnswer;
    const SUBJECT: &'static str = "req.shazam.operate";
}

impl Question for HoldRequest {
    type Answer = HoldAnswer;
    const SUBJECT: &'static str = "req.shazam.hold";
}

impl Question for ActOnNode {
    type Answer = ActAnswer;
    const SUBJECT: &'static str = "req.shazam.act.<node>";
}

impl Bus {
    /// Asks the agent of a node to do something to a container. Where the connection is lost meanwhile it is asked again:
    /// the agent knows an act by its cause.
    pub async fn act(&self, node: &NodeName, question: &ActOnNode, within: Duration) -> Result<ActAnswer, AskError> {
        self.ask_node(node, question, within).await
    }

    /// What is to be done to containers of `node`, from now on.
    pub async fn acts(&self, node: &NodeName) -> Result<Questions<ActOnNode>, ReadError> {
        self.answer_node(node).await
    }
}
