//! The words of who may do what: `profile`, `token`, `member`, `login`.

use clap::{Args, Subcommand};
use schemas::access::Role;
use schemas::names::{Owner, ProfileName};
use uuid::Uuid;

use crate::client::Expires;

/// `profile`
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Make one, without a token and without a role
    #[command(after_help = "Next: fleetlog member set OWNER NAME ROLE; fleetlog token create ci --profile NAME")]
    Add {
        /// What it is to be called; a name is never given twice
        #[arg(value_name = "NAME")]
        name: ProfileName,
        /// Where its mail goes; kept sealed, and erased with the profile
        #[arg(long, value_name = "MAIL")]
        email: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show them, with their roles; who is not the admin sees themselves
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Change where its mail goes; of the address that it had nothing is left
    #[command(after_help = "\
Examples:
  fleetlog profile email ann ann@new.example.org   one's own; the admin, anybody's
  fleetlog profile email ann --none                take it away")]
    Email {
        /// Whose
        #[arg(value_name = "NAME")]
        name: ProfileName,
        /// The new address
        #[arg(value_name = "MAIL", required_unless_present = "none", conflicts_with = "none")]
        email: Option<String>,
        /// None from now on
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Erase one for ever: its tokens, its roles, and its mail address down to the bytes on disk
    #[command(after_help = "What it did stays in the log under its name: events are for ever.")]
    Erase {
        /// Which
        #[arg(value_name = "NAME")]
        name: ProfileName,
        /// Yes, for ever
        #[arg(long)]
        yes: bool,
    },
}

/// `token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make one: it is written to standard output, this once
    #[command(after_help = "\
Examples:
  fleetlog token create laptop                       for oneself, good for 90 days
  fleetlog token create prometheus --profile metrics --expires never
  fleetlog token create ci --profile ci --expires 30d > ci.token")]
    Create {
        /// What it is for
        #[arg(value_name = "NAME")]
        name: String,
        /// Whose it is to be; others' only the admin makes [default: one's own]
        #[arg(long, value_name = "PROFILE")]
        profile: Option<ProfileName>,
        /// Until when it is good: a number of days or hours (`30d`, `12h`), a time (RFC 3339), or `never`
        #[arg(long, value_name = "WHEN", default_value = "90d")]
        expires: Expires,
        #[command(flatten)]
        output: Output,
    },
    /// Show those that are not revoked
    List {
        /// Only this profile's
        #[arg(long, value_name = "PROFILE")]
        profile: Option<ProfileName>,
        #[command(flatten)]
        output: Output,
    },
    /// Take one back: from then on it opens nothing
    Revoke {
        /// Its id, as `token list` shows it
        #[arg(value_name = "ID")]
        id: Uuid,
    },
}

/// `member`
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Give somebody a role with an owner, instead of the one that they have
    #[command(after_help = "\
Roles: owner (members too), maintainer (pushes, runs commands in containers), operator (starts
and cancels runs, retries, restarts, stops and starts containers, places and ends holds),
viewer (sees), scraper (reads metrics and nothing else).")]
    Set {
        /// With whom
        #[arg(value_name = "OWNER")]
        owner: Owner,
        /// Who
        #[arg(value_name = "PROFILE")]
        profile: ProfileName,
        /// As what
        #[arg(value_name = "ROLE")]
        role: Role,
    },
    /// Take somebody's role with an owner
    Remove {
        /// With whom
        #[arg(value_name = "OWNER")]
        owner: Owner,
        /// Who
        #[arg(value_name = "PROFILE")]
        profile: ProfileName,
    },
    /// Show who is what with an owner
    List {
        /// With whom
        #[arg(value_name = "OWNER")]
        owner: Owner,
        #[command(flatten)]
        output: Output,
    },
}

/// `login`
#[derive(Debug, Args)]
pub struct LoginOptions {
    /// The platform [default: FLEETLOG_URL, else the clone's, else http://127.0.0.1:7070]
    #[arg(value_name = "URL")]
    pub url: Option<String>,
}

/// How to write.
#[derive(Debug, Args)]
pub struct Output {
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}
