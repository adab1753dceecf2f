//! Paths about profiles, their tokens, and who is what with whom.

use axum::http::Method;
use schemas::access::Action;

use super::{Answer, CURSOR, IDEMPOTENCY_KEY, JSON, LIMIT, MIN_POSITION, Parameter, Place, Route, Shape, path, query};
use crate::{members, profiles, tokens};

const OWNER: Parameter = path("owner", "with whom");
const NAME: Parameter = path("name", "the profile's name");

const DONE: Answer = Answer {
    status: 204,
    summary: "it is so, from the position in `Fleetlog-Position` on",
    content: &[],
    positioned: true,
    problems: &[400, 404, 409, 503],
};

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/profiles",
        operation: "profiles",
        summary: "Every profile, in the order of their names, for the admin; one's own for everybody else.",
        parameters: &[LIMIT, CURSOR, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "a page of profiles",
            content: &[(JSON, Some("Profiles"))],
            positioned: true,
            problems: &[400, 503, 504],
        },
        needs: Action::Enter,
        handler: |api, call| Box::pin(profiles::list(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/profiles",
        operation: "create_profile",
        summary: "Make a profile.",
        parameters: &[IDEMPOTENCY_KEY],
        body: Some("NewProfile"),
        answer: Answer {
            status: 201,
            summary: "the profile; it has no token and no role yet",
            content: &[(JSON, Some("Profile"))],
            positioned: true,
            problems: &[400, 409, 503],
        },
        needs: Action::Administer,
        handler: |api, call| Box::pin(profiles::create(api, call)),
    },
    Route {
        method: Method::PUT,
        path: "/v1/profiles/{name}",
        operation: "change_profile",
        summary: "Change the mail address of one's own profile, or take it away; the admin, anybody's.",
        parameters: &[NAME],
        body: Some("ProfileChange"),
        answer: Answer {
            status: 200,
            summary: "the profile; of the address that it had nothing is left",
            content: &[(JSON, Some("Profile"))],
            positioned: true,
            problems: &[400, 404, 503],
        },
        needs: Action::Enter,
        handler: |api, call| Box::pin(profiles::change(api, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/profiles/{name}",
        operation: "erase_profile",
        summary: "Erase a profile: its tokens and roles are gone, its mail address cannot be read any more.",
        parameters: &[NAME, IDEMPOTENCY_KEY],
        body: None,
        answer: DONE,
        needs: Action::Administer,
        handler: |api, call| Box::pin(profiles::erase(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/tokens",
        operation: "tokens",
        summary: "Tokens that are not revoked, the oldest first: all of them for the admin, else one's own.",
        parameters: &[query("profile", Shape::Label, "only this profile's"), LIMIT, CURSOR, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "a page of tokens",
            content: &[(JSON, Some("Tokens"))],
            positioned: true,
            problems: &[400, 503, 504],
        },
        needs: Action::Enter,
        handler: |api, call| Box::pin(tokens::list(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/tokens",
        operation: "create_token",
        summary: "Make a token for oneself; the admin, for anybody. It is shown in this answer and never again.",
        parameters: &[IDEMPOTENCY_KEY],
        body: Some("NewToken"),
        answer: Answer {
            status: 201,
            summary: "the token; asked again with the same `Idempotency-Key`, 409: it is not shown twice",
            content: &[(JSON, Some("NewTokenShown"))],
            positioned: true,
            problems: &[400, 404, 409, 503],
        },
        needs: Action::Enter,
        handler: |api, call| Box::pin(tokens::create(api, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/tokens/{id}",
        operation: "revoke_token",
        summary: "Revoke a token of one's own; the admin, anybody's. It opens nothing once this is answered.",
        parameters: &[
            Parameter { name: "id", place: Place::Path, shape: Shape::Id, help: "the token's id" },
            IDEMPOTENCY_KEY,
        ],
        body: None,
        answer: DONE,
        needs: Action::Enter,
        handler: |api, call| Box::pin(tokens::revoke(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/owners/{owner}/members",
        operation: "members",
        summary: "Who is what with an owner, in the order of their names.",
        parameters: &[OWNER, LIMIT, CURSOR, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "a page of members",
            content: &[(JSON, Some("Members"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(members::list(api, call)),
    },
    Route {
        method: Method::PUT,
        path: "/v1/owners/{owner}/members/{name}",
        operation: "set_member",
        summary: "Give a profile a role with an owner, instead of the one that it has.",
        parameters: &[OWNER, NAME, IDEMPOTENCY_KEY],
        body: Some("NewMember"),
        answer: Answer {
            status: 200,
            summary: "the member",
            content: &[(JSON, Some("Member"))],
            positioned: true,
            problems: &[400, 404, 409, 503],
        },
        needs: Action::Members,
        handler: |api, call| Box::pin(members::set(api, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/owners/{owner}/members/{name}",
        operation: "remove_member",
        summary: "Take a profile's role with an owner.",
        parameters: &[OWNER, NAME, IDEMPOTENCY_KEY],
        body: None,
        answer: DONE,
        needs: Action::Members,
        handler: |api, call| Box::pin(members::remove(api, call)),
    },
];
