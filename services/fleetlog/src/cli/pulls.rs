//! The words of `fork` and `pr`.

use clap::{Args, Subcommand};
use schemas::names::FleetId;

use super::FleetOptions;

pub const FORK: &str = "\
Examples:
  fleetlog fork acme/shop ann/shop
  fleetlog fork acme/shop ann/shop --set domain=example.org --set size=3

What the fleet asks for (`parameters` in its fleet.json) and is not set is asked for on a
terminal, and is otherwise its default. Nothing of the fork runs before its first push.

Next: git clone URL/git/ann/shop.git, and git push";

/// `fork`
#[derive(Debug, Args)]
pub struct ForkOptions {
    /// The fleet to copy, `owner/name`
    #[arg(value_name = "FROM")]
    pub from: FleetId,
    /// What the copy is called, `owner/name`
    #[arg(value_name = "TO")]
    pub to: FleetId,
    /// A parameter's value, `key=value`; again for each
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is no KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// `pr …`
#[derive(Debug, Subcommand)]
pub enum PrCommand {
    /// Ask to take a pushed branch into another one
    #[command(after_help = "\
Examples:
  git push origin HEAD:refs/heads/fix && fleetlog pr create --from fix --title 'a fix'
  fleetlog pr create --upstream      from this fork to what it was copied from
  fleetlog pr create --sync          the other way: what is new there into this fork

Next: fleetlog pr show NUMBER")]
    Create(CreateOptions),
    /// Show a fleet's pull requests, the newest first
    List(ListOptions),
    /// Show one with its check, its plan and its approvals, as they are now
    Show(OneOptions),
    /// Show what one changes, as `git diff` does
    Diff(OneOptions),
    /// Say that one is good: the commit and the plan that are shown
    Approve(SeenOptions),
    /// Take one in
    #[command(after_help = "\
Exit status 1 where it conflicts, has faults, lacks approvals, or where its plan is no longer
the one that was approved.

Next: fleetlog wait main")]
    Merge(SeenOptions),
    /// Leave one
    Close(OneOptions),
}

/// `pr create`
#[derive(Debug, Args)]
pub struct CreateOptions {
    /// The branch to take in, `branch` or `owner/name:branch` [default: the one that is checked out]
    #[arg(long, value_name = "BRANCH")]
    pub from: Option<String>,
    /// The branch that takes it in [default: the deploy branch]
    #[arg(long, value_name = "BRANCH")]
    pub into: Option<String>,
    /// What it is for, in a line [default: the newest commit's subject]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Ask the fleet that this one was forked from
    #[arg(long, conflicts_with = "sync")]
    pub upstream: bool,
    /// Ask this fork to take in what is new in the fleet that it was forked from
    #[arg(long)]
    pub sync: bool,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `pr list`
#[derive(Debug, Args)]
pub struct ListOptions {
    /// Those that ended, too
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// One pull request.
#[derive(Debug, Args)]
pub struct OneOptions {
    /// Its number
    #[arg(value_name = "NUMBER")]
    pub number: u64,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// One pull request, as it was looked at.
#[derive(Debug, Args)]
pub struct SeenOptions {
    /// Its number
    #[arg(value_name = "NUMBER")]
    pub number: u64,
    /// The mark of the plan that was looked at; refused where it is another one now
    #[arg(long, value_name = "MARK")]
    pub plan: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
