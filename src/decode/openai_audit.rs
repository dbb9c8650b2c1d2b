//! `openai_audit`: the audit log of an OpenAI organization: who did what to its keys, limits and rights.
//!
//! What an event is about stands under a name equal to its type, which some collectors write with underscores. An
//! event about a key is told of that key; any other of the key that did it, or else of the person.

use super::bucket::plain;
use super::carries::Counts;
use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::record::{Action, Kind};

/// What the types of events tell; any other is something else.
const ACTIONS: &[(&[u8], Action)] = &[
    (b"api_key.created", Action::KeyCreated),
    (b"api_key.updated", Action::KeyChanged),
    (b"api_key.deleted", Action::KeyDeleted),
    (b"tenant.admin_api_key.created", Action::KeyCreated),
    (b"tenant.admin_api_key.updated", Action::KeyChanged),
    (b"tenant.admin_api_key.deleted", Action::KeyDeleted),
    (b"tenant.project_api_key.created", Action::KeyCreated),
    (b"tenant.service_account.token.revoked", Action::KeyDeleted),
    (b"tenant.workload_identity.access_token.issued", Action::KeyCreated),
    (b"rate_limit.updated", Action::LimitRaised),
    (b"rate_limit.deleted", Action::LimitRemoved),
    (b"tenant.billing.overage_limit.updated", Action::LimitRaised),
    (b"tenant.usage_limit.workspace.updated", Action::LimitRaised),
    (b"tenant.usage_limit.group.updated", Action::LimitRaised),
    (b"tenant.usage_limit.user.updated", Action::LimitRaised),
    (b"ip_allowlist.deleted", Action::GuardRemoved),
    (b"ip_allowlist.config.deactivated", Action::GuardRemoved),
    (b"certificates.deactivated", Action::GuardRemoved),
    (b"certificate.deleted", Action::GuardRemoved),
    (b"scim.disabled", Action::GuardRemoved),
    (b"tenant.sso_connection.deleted", Action::GuardRemoved),
    (b"tenant.policy.deleted", Action::GuardRemoved),
    (b"tenant.policy.detached", Action::GuardRemoved),
    (b"tenant.session_policy.deleted", Action::GuardRemoved),
    (b"service_account.created", Action::AccessGranted),
    (b"service_account.updated", Action::AccessGranted),
    (b"role.assignment.created", Action::AccessGranted),
    (b"role.bound_to_resource", Action::AccessGranted),
    (b"user.added", Action::AccessGranted),
    (b"user.updated", Action::AccessGranted),
    (b"invite.sent", Action::AccessGranted),
    (b"checkpoint.permission.created", Action::AccessGranted),
    (b"workload_identity_provider_mapping.created", Action::AccessGranted),
    (b"tenant.role_assignment.created", Action::AccessGranted),
    (b"tenant.resource_role_assignment.created", Action::AccessGranted),
    (b"tenant.resource_share_grant.created", Action::AccessGranted),
    (b"tenant.workload_identity.mapping.created", Action::AccessGranted),
    (b"tenant.workload_identity.binding.created", Action::AccessGranted),
    (b"tenant.group.member.added", Action::AccessGranted),
    (b"tenant.user.added", Action::AccessGranted),
    (b"tenant.user.invited", Action::AccessGranted),
    (b"tenant.api_organization_invite.upserted", Action::AccessGranted),
];

/// Types of events about a key, whose identifier stands in the details.
const OF_KEYS: &[&str] = &[
    "api_key.created",
    "api_key.updated",
    "api_key.deleted",
    "tenant.admin_api_key.created",
    "tenant.admin_api_key.updated",
    "tenant.admin_api_key.deleted",
    "tenant.project_api_key.created",
];

/// Where the setting stands that says whether calls are logged.
const LOGGING: &[&str] = &[
    "/organization.updated/changes_requested/api_call_logging",
    "/organization.updated/data/api_call_logging",
    "/organization_updated/changes_requested/api_call_logging",
    "/organization_updated/data/api_call_logging",
];

/// Where the name of whoever did it stands.
const ACTOR: &[&str] = &[
    "/actor/session/user/email",
    "/actor/session/user/id",
    "/actor/api_key/user/email",
    "/actor/api_key/user/id",
    "/actor/api_key/service_account/id",
];

pub(super) fn format() -> Format {
    let of_keys: Vec<String> = OF_KEYS
        .iter()
        .flat_map(|kind| [format!("/{kind}/id"), format!("/{}/id", kind.replace('.', "_"))])
        .collect();
    let mut places: Vec<_> = of_keys.iter().map(|pointer| at(pointer, Field::Key)).collect();
    places.extend([
        at("/effective_at", Field::Time),
        at("/id", Field::RequestId),
        at("/type", Field::Endpoint),
        at("/actor/api_key/id", Field::Key),
        at("/actor/session/ip_address", Field::SourceIp),
        at("/actor/api_key/ip_address", Field::SourceIp),
        at("/actor/session/user_agent", Field::UserAgent),
        at("/actor/api_key/user_agent", Field::UserAgent),
    ]);
    let summary = "OpenAI audit log: keys created, changed, deleted, limits and rights; address and client";
    places.extend(ACTOR.iter().map(|pointer| at(pointer, Field::KeyAlias)));
    places.extend(LOGGING.iter().map(|pointer| at(pointer, Field::Extra(0))));
    Format::new("openai_audit", summary, sniff, How::Map(Map::new(&places, finish)))
        .counting(&[Counts::Audits])
        .told_by(&["effective_at", "type", "actor", "id"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("effective_at") && shape.has("type") && shape.has("actor") && shape.has("id")
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let kind = draft.endpoint.as_plain().unwrap_or_default();
    let action = ACTIONS.iter().find(|(name, _)| *name == kind).map_or(Action::Other, |(_, action)| *action);
    draft.kind = Kind::Audit(if plain(extras[0]) == b"disabled" { Action::LoggingOff } else { action });
    if draft.key.is_empty() {
        draft.key = draft.key_alias;
    }
    Ok(())
}
