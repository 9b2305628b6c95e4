//! What Telnyx has and the sandbox has not: the one list of it, and the answers to paths that are no resource here.

use http::{Method, Uri};

use crate::refusal::Refusal;

/// Operations of Telnyx's messaging API that are not emulated, by path (`*` is any one segment) and method.
const MESSAGING: &[(&str, &str)] = &[
    ("/10dlc/phone_number_campaigns", "GET POST"),
    ("/10dlc/phone_number_campaigns/*", "GET PUT DELETE"),
    ("/balance", "GET"),
    ("/messages/rcs", "POST"),
    ("/messages/rcs/deeplinks/*", "GET"),
    ("/messages/whatsapp", "POST"),
    ("/messaging/rcs/agents", "GET"),
    ("/messaging/rcs/agents/*", "GET PATCH"),
    ("/messaging/rcs/bulk_capabilities", "POST"),
    ("/messaging/rcs/capabilities/*/*", "GET"),
    ("/messaging/rcs/test_number_invite/*/*", "PUT"),
    ("/messaging_hosted_number_orders", "GET POST"),
    ("/messaging_hosted_number_orders/*", "GET DELETE"),
    ("/messaging_hosted_number_orders/*/actions/file_upload", "POST"),
    ("/messaging_hosted_number_orders/*/validation_codes", "POST"),
    ("/messaging_hosted_number_orders/*/verification_codes", "POST"),
    ("/messaging_hosted_number_orders/eligibility_numbers_check", "POST"),
    ("/messaging_hosted_numbers", "GET"),
    ("/messaging_hosted_numbers/*", "GET PATCH DELETE"),
    // Only guides show it, and not what its body is.
    ("/messaging_profiles/*/phone_numbers", "POST"),
    ("/messaging_tollfree/verification/requests", "GET POST"),
    ("/messaging_tollfree/verification/requests/*", "GET PATCH DELETE"),
    ("/messaging_tollfree/verification/requests/*/status_history", "GET"),
    ("/messaging_url_domains", "GET"),
    ("/mobile_phone_numbers/messaging", "GET"),
    ("/mobile_phone_numbers/*/messaging", "GET PATCH"),
];

/// Telnyx's other products, and the rest of those above, by the first segment of their paths.
#[rustfmt::skip]
const PRODUCTS: &[&str] = &[
    "10dlc", "access_ip_address", "access_ip_ranges", "addresses", "ai", "audit_events", "authentication_providers",
    "available_phone_number_blocks", "available_phone_numbers", "billing_groups", "bundle_pricing",
    "call_control_applications", "call_events", "calls", "comments", "conferences", "connections", "country_coverage",
    "credential_connections", "detail_records", "document_links", "documents", "dynamic_emergency_addresses",
    "external_connections", "fax_applications", "faxes", "fqdn_connections", "fqdns", "global_ips",
    "integration_secrets", "inventory_coverage", "invoices", "ip_connections", "ips", "ledger_billing_group_reports",
    "legacy", "managed_accounts", "messaging", "messaging_hosted_number_orders", "messaging_hosted_numbers",
    "messaging_tollfree", "mobile_network_operators", "mobile_phone_numbers", "mobile_push_credentials",
    "network_coverage", "networks", "notification_channels", "notification_profiles", "notification_settings",
    "number_block_orders", "number_lookup", "number_order_phone_numbers", "number_orders", "number_reservations",
    "numbers_features", "operator_connect", "ota_updates", "outbound_voice_profiles", "payment", "phone_number_blocks",
    "phone_numbers", "phone_numbers_regulatory_requirements", "porting", "porting_orders", "portouts",
    "private_wireless_gateways", "public_internet_gateways", "queues", "recording_transcriptions", "recordings",
    "regions", "regulatory_requirements", "reports", "requirement_groups", "requirement_types", "requirements",
    "room_compositions", "room_participants", "room_recordings", "room_sessions", "rooms", "seti",
    "sim_card_data_usage_notifications", "sim_card_groups", "sim_card_orders", "sim_cards", "siprec_connectors",
    "storage", "sub_number_orders", "telephony_credentials", "texml", "texml_applications", "text-to-speech",
    "usage_reports", "user_addresses", "user_tags", "verifications", "verified_numbers", "verify_profiles",
    "virtual_cross_connects", "whatsapp", "whoami", "wireguard_interfaces", "wireguard_peers", "wireless",
    "wireless_blocklists",
];

/// Answers for a path that is no resource here: Telnyx has it, takes another method for it, or knows it no more
/// than the sandbox does.
pub(crate) async fn no_resource(method: Method, uri: Uri) -> Refusal {
    let path = uri.path();
    let product = path.split('/').nth(1).unwrap_or_default();
    match methods(path) {
        Some(methods) if !takes(methods, &method) => not_taken(&method, path),
        None if !PRODUCTS.contains(&product) => {
            Refusal::new("10005", format!("Telnyx has no `/v2{path}`, as far as the sandbox knows."))
        }
        _ => Refusal::not_emulated(format_args!("`{method} /v2{path}`")),
    }
}

/// Answers for a resource that is here, but not for this method.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    match methods(uri.path()) {
        Some(methods) if takes(methods, &method) => {
            Refusal::not_emulated(format_args!("`{method} /v2{}`", uri.path()))
        }
        _ => not_taken(&method, uri.path()),
    }
}

fn not_taken(method: &Method, path: &str) -> Refusal {
    Refusal::new("10030", format!("`/v2{path}` does not take `{method}`."))
}

// Whatever is written out goes before a star.
fn methods(path: &str) -> Option<&'static str> {
    let exact = MESSAGING.iter().find(|(pattern, _)| *pattern == path);
    let fitting = || MESSAGING.iter().find(|(pattern, _)| fits(pattern, path));
    exact.or_else(fitting).map(|(_, methods)| *methods)
}

fn takes(methods: &str, method: &Method) -> bool {
    methods.split(' ').any(|taken| taken == method.as_str())
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(segment)) if !segment.is_empty() => {}
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
}
