//! The words of fleetlog, and what can be decided from them alone.
//!
//! Reads nothing and writes nothing: no runtime, no NATS, no Docker, no clock, no randomness. Time, ids and keys come in
//! as arguments. In the order in which a push meets them: [`json`] reads a file and keeps every value's place,
//! [`check`] answers all faults of a tree at once, [`descriptors`] are what it says, [`spec`] is what it renders to,
//! [`fleet`] is what is desired and what was observed, [`plan`] is the way from one to the other, [`pulls`] is who wants
//! what taken in, [`rollback`] is what was taken back, [`images`] is which
//! image ran, [`event`] is what gets remembered, [`work`] what an agent is told
//! and what it answers, [`query`] what services ask each other, [`outcome`] what people are told of a rollout that failed.

pub mod access;
pub mod check;
pub mod cron;
pub mod descriptors;
pub mod event;
pub mod fleet;
pub mod guards;
pub mod image;
pub mod images;
pub mod json;
pub mod jsonschema;
pub mod logs;
pub mod losses;
pub mod names;
pub mod neighbours;
pub mod operate;
pub mod outcome;
pub mod plan;
pub mod pulls;
pub mod query;
pub mod rollback;
pub mod runs;
pub mod sample;
pub mod spec;
pub mod template;
pub mod units;
pub mod window;
pub mod work;
