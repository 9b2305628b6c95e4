//! Understands `[sandbox]`: the local Telnyx with every number on which Telnyx's sources disagree.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use inlet_sandbox::{
    ApiSettings, BackoffGrowth, CarrierSettings, Fault, Line, MediaDigestKey, RateLimitReset, RetrySettings,
    SandboxConfig, SigningTime,
};
use inlet_telnyx::Address;
use secrecy::ExposeSecret;

use jiff::Timestamp;

use super::parse;
use super::reader::Reader;
use super::reply::number;

/// The sandbox as configured. Without a configured seed, which is one that must count, whoever starts it puts one in.
pub(super) fn sandbox(reader: &mut Reader<'_>) -> Option<SandboxConfig> {
    let listen = reader.text("listen", parse::listen);
    let numbers = reader.texts("numbers", number);
    if numbers.as_ref().is_some_and(Vec::is_empty) {
        reader.problem("numbers", "the sandbox needs at least one number");
    }
    let retry = retry(reader);
    let webhook_url = reader.optional("webhook_url", parse::http_url);
    let failover_url = reader.optional("failover_url", parse::http_url);
    let body = reader.text("body", |text| one_of(text, &[("pretty", false), ("compact", true)]));
    let times = [("wall", SigningTime::Wall), ("sandbox", SigningTime::Sandbox)];
    let signing_time = reader.text("signing_time", |text| one_of(text, &times));
    let digests = [("hash_sha256", MediaDigestKey::HashSha256), ("sha256", MediaDigestKey::Sha256)];
    let media_digest_key = reader.text("media_digest_key", |text| one_of(text, &digests));
    let media_lifetime = reader.text("media_lifetime", parse::duration);
    let expired_media_status = reader.number("expired_media_status", 400..=599, 404);
    let sent_delay = reader.text("sent_delay", parse::duration);
    let finalized_delay = reader.text("finalized_delay", parse::duration);
    let carrier = carrier(reader);
    let error_statuses = reader.texts("error_statuses", error_status);
    let faults = reader.texts("faults", |text| text.parse::<Fault>().map_err(|error| error.to_string()));
    let short_codes = reader.texts("short_codes", short_code);
    let sms_only_numbers = reader.texts("sms_only_numbers", number);
    let api = api(reader);
    let state = reader.optional("state", |text| Ok(PathBuf::from(text)));
    let frozen_at = reader.optional("frozen_at", time);
    let seed = reader.optional("seed", |text| Ok(seed(text)))?;
    let api_key =
        reader.optional("api_key", |text| parse::api_key(text).map(|key| key.expose_secret().to_owned()));
    let allowed_hosts = reader.texts("allowed_hosts", parse::host_header);
    let public_url = reader.optional("public_url", parse::http_url);
    let limits = limits(reader);
    // Written out to the last field, so that none of the sandbox's settings is forgotten here.
    let limits = limits?;
    Some(SandboxConfig {
        seed: seed.unwrap_or_default(),
        refuse_other_seed: seed.is_some(),
        api_key: api_key?,
        allowed_hosts: allowed_hosts?,
        public_url: public_url?,
        // Profiles with numbers of their own are made through the API.
        further_profiles: Vec::new(),
        media_capacity_bytes: limits.media_capacity_bytes,
        concurrent_attempts: limits.concurrent_attempts,
        attempts_per_receiver: limits.attempts_per_receiver,
        pending_capacity: limits.pending_capacity,
        pending_capacity_bytes: limits.pending_capacity_bytes,
        log_capacity_bytes: limits.log_capacity_bytes,
        delivery_log_capacity: limits.delivery_log_capacity,
        message_log_capacity: limits.message_log_capacity,
        listen: listen?,
        numbers: numbers?,
        retry: retry?,
        webhook_url: webhook_url?,
        failover_url: failover_url?,
        compact_json: body?,
        signing_time: signing_time?,
        media_auth: reader.flag("media_auth"),
        media_digest_key: media_digest_key?,
        media_lifetime: media_lifetime?,
        expired_media_status: expired_media_status?,
        short_codes: short_codes?,
        sms_only_numbers: sms_only_numbers?,
        api: api?,
        cc_as_strings: reader.flag("cc_as_strings"),
        carrier: carrier?,
        sent_delay: sent_delay?,
        finalized_delay: finalized_delay?,
        error_statuses: error_statuses?.into_iter().collect::<BTreeMap<_, _>>(),
        faults: faults?,
        state: state?,
        frozen_at: frozen_at?,
    })
}

/// The default settings with other limits of memory and of attempts.
fn limits(reader: &mut Reader<'_>) -> Option<SandboxConfig> {
    let default = SandboxConfig::default();
    let most = i64::from(u32::MAX);
    let media_capacity_bytes = reader.number("media_capacity_bytes", 0..=most, default.media_capacity_bytes);
    let concurrent_attempts = reader.number("concurrent_attempts", 1..=10_000, default.concurrent_attempts);
    let per_receiver = reader.number("attempts_per_receiver", 1..=10_000, default.attempts_per_receiver);
    let pending_capacity = reader.number("pending_capacity", 1..=10_000_000, default.pending_capacity);
    let pending_bytes = reader.number("pending_capacity_bytes", 1..=most, default.pending_capacity_bytes);
    let log_capacity_bytes = reader.number("log_capacity_bytes", 1..=most, default.log_capacity_bytes);
    let deliveries = reader.number("delivery_log_capacity", 1..=10_000_000, default.delivery_log_capacity);
    let messages = reader.number("message_log_capacity", 1..=10_000_000, default.message_log_capacity);
    Some(SandboxConfig {
        media_capacity_bytes: media_capacity_bytes?,
        concurrent_attempts: concurrent_attempts?,
        attempts_per_receiver: per_receiver?,
        pending_capacity: pending_capacity?,
        pending_capacity_bytes: pending_bytes?,
        log_capacity_bytes: log_capacity_bytes?,
        delivery_log_capacity: deliveries?,
        message_log_capacity: messages?,
        ..default
    })
}

/// Equal texts give equal seeds.
fn seed(text: &str) -> [u8; 32] {
    let mut seed = [0; 32];
    seed.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    seed
}

/// What happens between a message and the phone.
fn carrier(reader: &mut Reader<'_>) -> Option<CarrierSettings> {
    let sent_jitter = reader.text("sent_jitter", parse::duration);
    let finalized_jitter = reader.text("finalized_jitter", parse::duration);
    let overtakes_percent = reader.number("finalized_overtakes_percent", 0..=100, 0);
    let recommended_parts = reader.number("recommended_parts", 1..=10, 4);
    Some(CarrierSettings {
        lines: if reader.flag("magic_numbers") { Line::magic() } else { Vec::new() },
        sent_jitter: sent_jitter?,
        finalized_jitter: finalized_jitter?,
        finalized_overtakes: f64::from(overtakes_percent?) / 100.0,
        answers_keywords: reader.flag("answers_keywords"),
        group_phones_report: reader.flag("group_phones_report"),
        cc_includes_own_number: reader.flag("cc_includes_own_number"),
        cancel_in_envelope: reader.flag("cancel_in_envelope"),
        profile_webhooks_back_up: reader.flag("profile_webhooks_back_up"),
        recommended_parts: recommended_parts?,
    })
}

/// How Telnyx's API answers.
fn api(reader: &mut Reader<'_>) -> Option<ApiSettings> {
    let default = ApiSettings::default();
    let limit = reader.number("requests_per_second", 1..=1_000_000, default.requests_per_second);
    let resets = [("seconds", RateLimitReset::SecondsLeft), ("unix", RateLimitReset::UnixTime)];
    let rate_limit_reset = reader.text("rate_limit_reset", |text| one_of(text, &resets));
    Some(ApiSettings {
        requests_per_second: limit?,
        rate_limit_reset: rate_limit_reset?,
        profile_needs_destinations: reader.flag("profile_needs_destinations"),
        null_unassigns_number: reader.flag("null_unassigns_number"),
    })
}

/// The digits of a short code.
fn short_code(text: &str) -> Result<String, String> {
    match Address::parse(text) {
        Address::ShortCode(digits) if digits == text => Ok(digits),
        _ => Err(format!("`{text}` is not the digits of a short code, as 12345")),
    }
}

/// A preset, with what single settings say instead.
fn retry(reader: &mut Reader<'_>) -> Option<RetrySettings> {
    let presets = [("guide", RetrySettings::guide()), ("runbook", RetrySettings::runbook())];
    let preset = reader.text("preset", |text| one_of(text, &presets))?;
    let attempts_primary = reader.number("attempts", 1..=20, preset.attempts_primary);
    let attempts_failover = reader.number("failover_attempts", 0..=20, preset.attempts_failover);
    let timeout = reader.text("timeout", parse::timeout);
    let timeout_v1 = reader.text("timeout_v1", parse::timeout);
    let backoff = reader.text("backoff", parse::duration);
    let growths = [("exponential", BackoffGrowth::Exponential), ("fixed", BackoffGrowth::Fixed)];
    let growth = reader.text("backoff_growth", |text| one_of(text, &growths));
    let success = reader.text("success", |text| one_of(text, &[("2xx", false), ("200", true)]));
    Some(RetrySettings {
        attempts_primary: attempts_primary?,
        attempts_failover: attempts_failover?,
        timeout: timeout?,
        timeout_v1: timeout_v1?,
        backoff: backoff?,
        growth: growth?,
        attempt_restarts_at_failover: reader.flag("attempt_restarts_at_failover"),
        success_is_only_200: success?,
    })
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("`{text}` is not a time, as in 2026-07-01T00:00:00Z"))
}

/// An error code and the status it is answered with, as in `40300=403`.
fn error_status(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("`{text}` is not a code and a status from 400 to 599, as in 40300=403");
    let (code, status) = text.split_once('=').ok_or_else(wrong)?;
    let status = status.parse().ok().filter(|status| (400..600).contains(status)).ok_or_else(wrong)?;
    match !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok((code.to_owned(), status)),
        false => Err(wrong()),
    }
}

fn one_of<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone());
    chosen.ok_or_else(|| format!("`{text}` is not one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_errors_are_pairs() {
        assert_eq!(error_status("40300=403"), Ok(("40300".to_owned(), 403)));
        for wrong in ["40300", "40300=200", "=403", "stop=403"] {
            assert!(error_status(wrong).is_err(), "{wrong}");
        }
    }
}
