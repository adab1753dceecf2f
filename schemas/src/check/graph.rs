//! Which thing needs which, and the circles in it. No recursion: a chain may be as long as a fleet is large.

use std::collections::{BTreeMap, VecDeque};

/// Nodes by number; each edge carries something of the caller's.
#[derive(Debug, Default)]
pub(super) struct Graph<E> {
    edges: Vec<Vec<(usize, E)>>,
}

impl<E> Graph<E> {
    pub(super) fn new(nodes: usize) -> Self {
        Self { edges: std::iter::repeat_with(Vec::new).take(nodes).collect() }
    }

    pub(super) fn add(&mut self, from: usize, to: usize, edge: E) {
        self.edges[from].push((to, edge));
    }

    /// Where a node's edges lead.
    pub(super) fn next(&self, from: usize) -> impl Iterator<Item = usize> {
        self.edges[from].iter().map(|(to, _)| *to)
    }

    /// The strongly connected components (Tarjan, 1972); each comes after all that it leads to.
    pub(super) fn components(&self) -> Vec<Vec<usize>> {
        const NEW: usize = usize::MAX;
        let n = self.edges.len();
        let (mut index, mut low, mut on_stack) = (vec![NEW; n], vec![0; n], vec![false; n]);
        let (mut stack, mut components, mut counter) = (Vec::new(), Vec::new(), 0);
        for root in 0..n {
            // Node and how many of its edges were followed.
            let mut calls = if index[root] == NEW { vec![(root, 0)] } else { Vec::new() };
            while let Some((node, followed)) = calls.pop() {
                if followed == 0 {
                    (index[node], low[node]) = (counter, counter);
                    counter += 1;
                    stack.push(node);
                    on_stack[node] = true;
                } else {
                    let (child, _) = self.edges[node][followed - 1];
                    if on_stack[child] {
                        low[node] = low[node].min(low[child]);
                    }
                }
                if let Some((child, _)) = self.edges[node].get(followed) {
                    calls.push((node, followed + 1));
                    if index[*child] == NEW {
                        calls.push((*child, 0));
                    }
                } else if low[node] == index[node] {
                    let start = stack.iter().rposition(|it| *it == node).unwrap_or_default();
                    let component = stack.split_off(start);
                    component.iter().for_each(|it| on_stack[*it] = false);
                    components.push(component);
                }
            }
        }
        components
    }

    /// A shortest way of at least one edge from a node to one that is wanted, through nodes that are allowed: its edges
    /// as (from, edge), and where it ends.
    pub(super) fn way(
        &self,
        start: usize,
        allowed: impl Fn(usize) -> bool,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<(Vec<(usize, &E)>, usize)> {
        let mut came: BTreeMap<usize, (usize, &E)> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for (child, edge) in &self.edges[node] {
                if !allowed(*child) || came.contains_key(child) {
                    continue;
                }
                came.insert(*child, (node, edge));
                if wanted(*child) {
                    return Some((back(&came, start, *child), *child));
                }
                queue.push_back(*child);
            }
        }
        None
    }
}

/// Follows the way back from its end.
fn back<'e, E>(came: &BTreeMap<usize, (usize, &'e E)>, start: usize, end: usize) -> Vec<(usize, &'e E)> {
    let mut way = Vec::new();
    let mut at = end;
    while let Some((from, edge)) = came.get(&at) {
        way.push((*from, *edge));
        at = *from;
        if at == start {
            break;
        }
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(usize, usize)]) -> Graph<()> {
        let nodes = edges.iter().map(|(from, to)| from.max(to) + 1).max().unwrap_or_default();
        let mut graph = Graph::new(nodes);
        edges.iter().for_each(|(from, to)| graph.add(*from, *to, ()));
        graph
    }

    #[test]
    fn components_come_after_what_they_lead_to() {
        let mut found = graph(&[(0, 1), (1, 2), (2, 1), (2, 3), (0, 3), (4, 0)]).components();
        found.iter_mut().for_each(|it| it.sort_unstable());
        assert_eq!(found, [vec![3], vec![1, 2], vec![0], vec![4]]);
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let edges: Vec<_> = (0..200_000).map(|i| (i, i + 1)).collect();
        assert_eq!(graph(&edges).components().len(), 200_001);
    }

    #[test]
    fn the_shortest_circle_is_found() {
        let graph = graph(&[(0, 1), (1, 2), (2, 0), (1, 0), (3, 3)]);
        let nodes = |start| {
            let (way, end) = graph.way(start, |_| true, |it| it == start).unwrap();
            assert_eq!(end, start);
            way.iter().map(|(from, ())| *from).collect::<Vec<_>>()
        };
        assert_eq!(nodes(0), [0, 1]);
        assert_eq!(nodes(2), [2, 0, 1]);
        assert_eq!(nodes(3), [3]);
        assert!(graph.way(3, |_| true, |it| it == 0).is_none());
    }
}
