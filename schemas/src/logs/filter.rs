//! Which lines somebody wants and may see.

use serde::{Deserialize, Serialize};

use super::{Expr, Found, QueryError};
use crate::names::{FleetId, Owner};

/// What a line has to be; what is absent lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// In the query language.
    #[serde(default)]
    pub query: String,
    /// Only of this fleet.
    #[serde(default)]
    pub fleet: Option<FleetId>,
    /// Only of the container, or the task, with this name.
    #[serde(default)]
    pub container: Option<String>,
    /// Not before this time, in nanoseconds since 1970.
    #[serde(default)]
    pub from: Option<i64>,
    /// Before this time.
    #[serde(default)]
    pub to: Option<i64>,
    /// Only of these owners' fleets: what somebody may see.
    #[serde(default)]
    pub owners: Option<Vec<Owner>>,
}

impl Filter {
    /// The query, read.
    pub fn expr(&self) -> Result<Expr, QueryError> {
        Expr::parse(&self.query)
    }

    /// Whether a line gets through; `expr` is the query, read.
    pub fn lets(&self, expr: &Expr, it: &Found) -> bool {
        let fleet = &it.origin.fleet;
        self.fleet.as_ref().is_none_or(|wanted| wanted == fleet)
            && self.container.as_ref().is_none_or(|wanted| *wanted == it.origin.container)
            && self.from.is_none_or(|from| it.place.ns >= from)
            && self.to.is_none_or(|to| it.place.ns < to)
            && self.owners.as_ref().is_none_or(|owners| owners.contains(&fleet.owner))
            && expr.fits(it)
    }
}
