//! Makes a query of the index out of what somebody wants: it finds every line that fits, and tells whether it finds
//! others too, which the stored line then has to sort out.

use std::collections::BTreeSet;

use schemas::logs::{Expr, Field as Is, Filter, MAX_WORD_BYTES};
use tantivy::query::{AllQuery, BooleanQuery, Occur, Query, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use super::layout::{Fields, Source};
use super::search::SearchError;

/// Up to so many sources are looked for one by one.
const FEW: usize = 32;

/// What is asked of the index.
pub(super) struct Prefilter {
    /// Finds every line that fits.
    pub query: Box<dyn Query>,
    /// Whether every line that it finds fits.
    pub decides: bool,
    /// Where the lines are stored.
    pub line: Field,
}

impl Prefilter {
    /// None: no line of these can fit.
    pub fn of(searcher: &Searcher, fields: Fields, filter: &Filter, expr: &Expr) -> Result<Option<Self>, SearchError> {
        let known = Known { fields, sources: sources(searcher, fields.source)? };
        let mut parts = vec![known.part(expr)];
        if filter.fleet.is_some() || filter.container.is_some() || filter.owners.is_some() {
            parts.push(known.of_sources(|it| {
                let fleet = &it.origin.fleet;
                filter.fleet.as_ref().is_none_or(|wanted| wanted == fleet)
                    && filter.container.as_ref().is_none_or(|wanted| *wanted == it.origin.container)
                    && filter.owners.as_ref().is_none_or(|owners| owners.contains(&fleet.owner))
            }));
        }
        Ok(match all(parts) {
            Part::None => None,
            Part::All => Some(Self { query: Box::new(AllQuery), decides: true, line: fields.line }),
            Part::Some { query, exact } => Some(Self { query, decides: exact, line: fields.line }),
        })
    }
}

/// A part of a query: no line, every line, or those that it finds.
enum Part {
    None,
    All,
    Some { query: Box<dyn Query>, exact: bool },
}

struct Known {
    fields: Fields,
    /// As the index has it, and read.
    sources: Vec<(String, Source)>,
}

impl Known {
    fn part(&self, expr: &Expr) -> Part {
        match expr {
            Expr::All => Part::All,
            Expr::Words(words) => {
                // The index knows that they are there, not where. Of a long one it knows the beginning.
                let exact = words.len() == 1 && words.iter().all(|it| it.len() < MAX_WORD_BYTES - 3);
                let distinct: BTreeSet<&String> = words.iter().collect();
                let terms = distinct.into_iter().map(|it| Part::Some { query: self.word(it), exact: true }).collect();
                match all(terms) {
                    Part::Some { query, .. } => Part::Some { query, exact },
                    other => other,
                }
            }
            Expr::Field(field, value) => self.of_sources(|it| is(it, *field, value)),
            Expr::And(parts) => all(parts.iter().map(|it| self.part(it)).collect()),
            Expr::Or(parts) => any(parts.iter().map(|it| self.part(it)).collect()),
            Expr::Not(inner) => match self.part(inner) {
                Part::None => Part::All,
                Part::All => Part::None,
                Part::Some { query, exact: true } => {
                    let parts = vec![(Occur::Must, Box::new(AllQuery) as Box<dyn Query>), (Occur::MustNot, query)];
                    Part::Some { query: Box::new(BooleanQuery::new(parts)), exact: true }
                }
                // What the index is not sure of cannot be left out by it.
                Part::Some { exact: false, .. } => Part::Some { query: Box::new(AllQuery), exact: false },
            },
        }
    }

    fn word(&self, word: &str) -> Box<dyn Query> {
        Box::new(TermQuery::new(Term::from_field_text(self.fields.line, word), IndexRecordOption::Basic))
    }

    /// The lines of the sources that are wanted.
    fn of_sources(&self, wanted: impl Fn(&Source) -> bool) -> Part {
        let found: Vec<&str> = self.sources.iter().filter(|it| wanted(&it.1)).map(|it| it.0.as_str()).collect();
        if found.is_empty() {
            return Part::None;
        }
        if found.len() == self.sources.len() {
            return Part::All;
        }
        let terms = found.iter().map(|it| Term::from_field_text(self.fields.source, it));
        if found.len() > FEW {
            return Part::Some { query: Box::new(TermSetQuery::new(terms)), exact: true };
        }
        let each = terms.map(|it| {
            let query = TermQuery::new(it, IndexRecordOption::Basic);
            Part::Some { query: Box::new(query), exact: true }
        });
        any(each.collect())
    }
}

fn is(it: &Source, field: Is, value: &str) -> bool {
    let origin = &it.origin;
    match field {
        Is::Owner => origin.fleet.owner.as_str() == value,
        Is::Fleet => origin.fleet.to_string() == value,
        Is::Container => origin.container == value,
        Is::Stream => it.stream.as_str() == value,
        Is::Node => it.node.as_str() == value,
        Is::Run => origin.run.is_some_and(|run| run.to_string() == value),
    }
}

fn all(parts: Vec<Part>) -> Part {
    let (mut queries, mut all_exact) = (Vec::new(), true);
    for part in parts {
        match part {
            Part::None => return Part::None,
            Part::All => {}
            Part::Some { query, exact } => {
                all_exact &= exact;
                queries.push((Occur::Must, query));
            }
        }
    }
    join(queries, all_exact, Part::All)
}

fn any(parts: Vec<Part>) -> Part {
    let (mut queries, mut all_exact) = (Vec::new(), true);
    for part in parts {
        match part {
            Part::None => {}
            Part::All => return Part::All,
            Part::Some { query, exact } => {
                all_exact &= exact;
                queries.push((Occur::Should, query));
            }
        }
    }
    join(queries, all_exact, Part::None)
}

fn join(mut queries: Vec<(Occur, Box<dyn Query>)>, exact: bool, none: Part) -> Part {
    match queries.len() {
        0 => none,
        1 => queries.pop().map_or(none, |(_, query)| Part::Some { query, exact }),
        _ => Part::Some { query: Box::new(BooleanQuery::new(queries)), exact },
    }
}

/// Every source that a line of these has.
fn sources(searcher: &Searcher, field: Field) -> Result<Vec<(String, Source)>, SearchError> {
    let mut found = BTreeSet::new();
    for reader in searcher.segment_readers() {
        let index = reader.inverted_index(field)?;
        let mut terms = index.terms().stream()?;
        while terms.advance() {
            if let Ok(text) = std::str::from_utf8(terms.key())
                && !found.contains(text)
            {
                found.insert(text.to_owned());
            }
        }
    }
    Ok(found.into_iter().filter_map(|it| Source::read(&it).map(|source| (it, source))).collect())
}
