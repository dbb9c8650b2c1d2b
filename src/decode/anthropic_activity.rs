//! `anthropic_activity`: the activity feed of Anthropic's Compliance API: who did what to keys, limits and rights.
//!
//! Most of such a feed tells of chats, files and the settings of applications, which says nothing about keys: it is
//! passed over, unless a key did it.

use super::bucket::plain;
use super::carries::Counts;
use super::draft::{Draft, Read};
use super::field::Field;
use super::map::{Extras, Map, at};
use super::{Format, How};
use crate::frame::shape::Shape;
use crate::json::Value;
use crate::record::{Action, Kind};

/// What the types of activities tell, by how they end: the longest ending that fits counts.
const ACTIONS: &[(&[u8], Action)] = &[
    (b"api_key_created", Action::KeyCreated),
    (b"api_key_updated", Action::KeyChanged),
    (b"api_key_deleted", Action::KeyDeleted),
    (b"service_key_created", Action::KeyCreated),
    (b"service_key_revoked", Action::KeyDeleted),
    (b"signing_key_created", Action::KeyCreated),
    (b"signing_key_rotated", Action::KeyChanged),
    (b"signing_key_deleted", Action::KeyDeleted),
    (b"_token_minted", Action::KeyCreated),
    (b"_token_revoked", Action::KeyDeleted),
    // One that is created where there was none raises nothing.
    (b"_limit_updated", Action::LimitRaised),
    (b"_limit_deleted", Action::LimitRemoved),
    (b"org_ip_restriction_deleted", Action::GuardRemoved),
    (b"org_sso_connection_deactivated", Action::GuardRemoved),
    (b"org_sso_connection_deleted", Action::GuardRemoved),
    (b"role_assignment_granted", Action::AccessGranted),
    (b"rbac_role_assigned", Action::AccessGranted),
    (b"rbac_role_permission_added", Action::AccessGranted),
    (b"claude_user_role_updated", Action::AccessGranted),
    (b"primary_owner_transferred", Action::AccessGranted),
    (b"org_user_invite_sent", Action::AccessGranted),
    (b"org_invite_link_generated", Action::AccessGranted),
    (b"org_invite_link_regenerated", Action::AccessGranted),
    (b"org_join_request_approved", Action::AccessGranted),
    (b"org_join_request_instant_approved", Action::AccessGranted),
    (b"_member_added", Action::AccessGranted),
    (b"platform_workspace_member_updated", Action::AccessGranted),
    (b"scim_user_created", Action::AccessGranted),
];

/// Switches: what it means that they are off. Whether they are is a flag beside them.
const SWITCHES: &[(&[u8], Action)] = &[
    (b"org_sso_toggled", Action::GuardRemoved),
    (b"org_magic_link_second_factor_toggled", Action::GuardRemoved),
    (b"org_compliance_api_settings_updated", Action::LoggingOff),
];

/// How the types begin that tell of applications, not of keys.
const OF_APPLICATIONS: &[&[u8]] = &[
    b"claude_artifact_",
    b"claude_chat_",
    b"claude_code_",
    b"claude_command_",
    b"claude_file_",
    b"claude_gdrive_",
    b"claude_github_",
    b"claude_plugin_",
    b"claude_project_",
    b"claude_published_",
    b"claude_skill_",
    b"claude_user_settings_",
    b"desktop_extension_",
    b"ghe_",
    b"integration_",
    b"lti_",
    b"marketplace_",
    b"mcp_",
    b"session_share_",
];

pub(super) fn format() -> Format {
    let places = [
        at("/created_at", Field::Time),
        at("/id", Field::RequestId),
        at("/type", Field::Endpoint),
        at("/api_key_id", Field::Key),
        at("/admin_api_key_id", Field::Key),
        at("/scoped_api_key_id", Field::Key),
        at("/service_key_id", Field::Key),
        at("/signing_key_id", Field::Key),
        at("/actor/api_key_id", Field::Key),
        at("/actor/admin_api_key_id", Field::Key),
        at("/actor/email_address", Field::KeyAlias),
        at("/actor/unauthenticated_email_address", Field::KeyAlias),
        at("/actor/user_id", Field::KeyAlias),
        at("/actor/ip_address", Field::SourceIp),
        at("/actor/user_agent", Field::UserAgent),
        at("/is_enabled", Field::Extra(0)),
        at("/enabled", Field::Extra(0)),
        at("/resource_type", Field::Extra(1)),
        at("/organization_id", Field::Extra(2)),
        at("/organization_uuid", Field::Extra(2)),
    ];
    let summary = "Anthropic activity feed: keys created and revoked, limits and rights; address and client";
    Format::new("anthropic_activity", summary, sniff, How::Map(Map::new(&places, finish)))
        .counting(&[Counts::Audits])
        .told_by(&["created_at", "type", "actor", "organization_id"])
}

fn sniff(shape: &Shape<'_>) -> bool {
    shape.has("created_at")
        && shape.has("type")
        && shape.has("actor")
        && shape.has_any(&["organization_id", "organization_uuid"])
}

fn finish<'a>(draft: &mut Draft<'a>, extras: &Extras<'a>) -> Read<()> {
    let kind = draft.endpoint.as_plain().unwrap_or_default();
    let of_application =
        OF_APPLICATIONS.iter().any(|start| kind.starts_with(start)) || plain(extras[1]).starts_with(b"chat_");
    draft.foreign = of_application && draft.key.is_empty();
    draft.kind = Kind::Audit(action(kind, extras[0]));
    if draft.key.is_empty() {
        draft.key = draft.key_alias;
    }
    if let (true, Some(Value::Str(organization))) = (draft.key.is_empty(), extras[2]) {
        draft.key = organization;
    }
    Ok(())
}

fn action(kind: &[u8], flag: Option<Value<'_>>) -> Action {
    if let Some((_, off)) = SWITCHES.iter().find(|(name, _)| *name == kind) {
        return if flag == Some(Value::True) { Action::Other } else { *off };
    }
    ACTIONS.iter().find(|(ending, _)| kind.ends_with(ending)).map_or(Action::Other, |(_, action)| *action)
}
