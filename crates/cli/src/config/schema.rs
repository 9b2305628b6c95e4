//! Which settings there are, what kind of value each takes, and what a mistyped name was meant to be.

use crate::nearest::nearest;

/// What kind of value a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// A text that is never printed.
    Secret,
    /// A whole number.
    Number,
    /// True or false.
    Flag,
    /// A list of texts.
    Texts,
}

impl Kind {
    /// The kind in words, for errors.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::Text | Self::Secret => "a text in quotes",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
            Self::Texts => "a list of texts, as in [\"a\", \"b\"]",
        }
    }
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
}

/// One section, or one kind of entry.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its settings.
    pub(crate) keys: &'static [Key],
}

impl Section {
    /// The setting of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

/// The sections that occur once.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        name: "webhooks",
        keys: &[
            key("listen", Kind::Text),
            key("path", Kind::Text),
            key("public_keys", Kind::Texts),
            key("public_keys_file", Kind::Text),
            key("public_url", Kind::Text),
            key("tolerance", Kind::Text),
            key("max_connections", Kind::Number),
            key("max_connections_per_ip", Kind::Number),
        ],
    },
    Section {
        name: "telnyx",
        keys: &[
            key("api_key", Kind::Secret),
            key("api_key_file", Kind::Text),
            key("base_url", Kind::Text),
            key("numbers", Kind::Texts),
            key("messaging_profile_id", Kind::Text),
        ],
    },
    Section {
        name: "admin",
        keys: &[
            key("listen", Kind::Text),
            key("token", Kind::Secret),
            key("token_file", Kind::Text),
            key("allowed_hosts", Kind::Texts),
        ],
    },
    Section {
        name: "sandbox",
        keys: &[
            key("listen", Kind::Text),
            key("numbers", Kind::Texts),
            key("preset", Kind::Text),
            key("attempts", Kind::Number),
            key("failover_attempts", Kind::Number),
            key("attempt_restarts_at_failover", Kind::Flag),
            key("timeout", Kind::Text),
            key("timeout_v1", Kind::Text),
            key("backoff", Kind::Text),
            key("backoff_growth", Kind::Text),
            key("success", Kind::Text),
            key("body", Kind::Text),
            key("signing_time", Kind::Text),
            key("media_auth", Kind::Flag),
            key("media_digest_key", Kind::Text),
            key("media_lifetime", Kind::Text),
            key("expired_media_status", Kind::Number),
            key("cc_as_strings", Kind::Flag),
            key("short_codes", Kind::Texts),
            key("sms_only_numbers", Kind::Texts),
            key("requests_per_second", Kind::Number),
            key("rate_limit_reset", Kind::Text),
            key("profile_needs_destinations", Kind::Flag),
            key("null_unassigns_number", Kind::Flag),
            key("sent_delay", Kind::Text),
            key("finalized_delay", Kind::Text),
            key("sent_jitter", Kind::Text),
            key("finalized_jitter", Kind::Text),
            key("finalized_overtakes_percent", Kind::Number),
            key("magic_numbers", Kind::Flag),
            key("answers_keywords", Kind::Flag),
            key("group_phones_report", Kind::Flag),
            key("cc_includes_own_number", Kind::Flag),
            key("cancel_in_envelope", Kind::Flag),
            key("profile_webhooks_back_up", Kind::Flag),
            key("recommended_parts", Kind::Number),
            key("error_statuses", Kind::Texts),
            key("faults", Kind::Texts),
            key("state", Kind::Text),
            key("seed", Kind::Text),
            key("frozen_at", Kind::Text),
            key("api_key", Kind::Secret),
            key("allowed_hosts", Kind::Texts),
            key("public_url", Kind::Text),
            key("media_capacity_bytes", Kind::Number),
            key("concurrent_attempts", Kind::Number),
            key("attempts_per_receiver", Kind::Number),
            key("pending_capacity", Kind::Number),
            key("pending_capacity_bytes", Kind::Number),
            key("log_capacity_bytes", Kind::Number),
            key("delivery_log_capacity", Kind::Number),
            key("message_log_capacity", Kind::Number),
            key("webhook_url", Kind::Text),
            key("failover_url", Kind::Text),
        ],
    },
    Section { name: "store", keys: &[key("url", Kind::Text)] },
    Section {
        name: "media",
        keys: &[
            key("url", Kind::Text),
            key("max_bytes", Kind::Number),
            key("key_hosts", Kind::Texts),
            key("retry", Kind::Texts),
        ],
    },
    Section {
        name: "retention",
        keys: &[key("jobs", Kind::Text), key("events", Kind::Text), key("messages", Kind::Text)],
    },
];

/// The entries that occur any number of times.
pub(crate) const ENTRIES: &[Section] = &[
    Section {
        name: "destinations",
        keys: &[
            key("name", Kind::Text),
            key("url", Kind::Text),
            key("events", Kind::Texts),
            key("when", Kind::Text),
            key("format", Kind::Text),
            key("retry", Kind::Texts),
            key("timeout", Kind::Text),
            key("concurrency", Kind::Number),
            key("ordered", Kind::Flag),
            key("secret", Kind::Secret),
            key("secret_file", Kind::Text),
        ],
    },
    Section {
        name: "replies",
        keys: &[
            key("name", Kind::Text),
            key("keywords", Kind::Texts),
            key("numbers", Kind::Texts),
            key("when", Kind::Text),
            key("text", Kind::Text),
            key("cooldown", Kind::Text),
            key("same_text_limit", Kind::Number),
        ],
    },
];

/// The section of this name.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The kind of entry of this name.
pub(crate) fn entry(name: &str) -> Option<&'static Section> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// The known section that a mistyped one is nearest to.
pub(crate) fn nearest_section(name: &str) -> Option<&'static str> {
    nearest(name, SECTIONS.iter().chain(ENTRIES).map(|section| section.name))
}

/// The known setting, with its section, that a mistyped one is nearest to: of its own section first.
pub(crate) fn nearest_key(section: &Section, name: &str) -> Option<String> {
    let own = nearest(name, section.keys.iter().map(|key| key.name));
    let own = own.map(|key| format!("{}.{key}", section.name));
    own.or_else(|| {
        let elsewhere = SECTIONS.iter().chain(ENTRIES).find(|other| other.key(name).is_some())?;
        Some(format!("{}.{name}", elsewhere.name))
    })
}

/// The section and setting that `section_key`, joined by one underscore or without its section, is nearest to.
pub(crate) fn nearest_path(path: &str) -> Option<(&'static str, &'static str)> {
    let rest = |section: &Section| path.strip_prefix(section.name)?.strip_prefix('_').map(str::to_owned);
    let in_section = SECTIONS.iter().find_map(|section| {
        let key = nearest(&rest(section)?, section.keys.iter().map(|key| key.name))?;
        Some((section.name, key))
    });
    in_section.or_else(|| {
        let section = SECTIONS.iter().find(|section| section.key(path).is_some())?;
        Some((section.name, section.key(path)?.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let webhooks = section("webhooks").unwrap();
        assert_eq!(nearest_key(webhooks, "lisen").as_deref(), Some("webhooks.listen"));
        assert_eq!(nearest_key(webhooks, "public_key").as_deref(), Some("webhooks.public_keys"));
        assert_eq!(nearest_key(webhooks, "token").as_deref(), Some("admin.token"));
        assert_eq!(nearest_key(webhooks, "colour"), None);
        assert_eq!(nearest_section("destination"), Some("destinations"));
        assert_eq!(nearest_path("webhooks_lisen"), Some(("webhooks", "listen")));
        assert_eq!(nearest_path("api_key"), Some(("telnyx", "api_key")));
        assert_eq!(nearest_path("colour"), None);
    }
}
