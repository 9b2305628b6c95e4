//! Settings of Telnyx's API: its limits, and points on which Telnyx's own pages differ.

/// How the API answers. The defaults follow the description of the API where pages contradict it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Requests that an account may make in a second of its clock; further ones answer 429 with code 10011.
    pub requests_per_second: u32,
    /// What `x-ratelimit-reset` counts.
    pub rate_limit_reset: RateLimitReset,
    /// Whether a new profile needs `whitelisted_destinations`. The description says so, guides leave them out.
    pub profile_needs_destinations: bool,
    /// Whether `messaging_profile_id: null` takes a number off its profile. By the description it changes nothing
    /// (an empty text does), by other pages it does.
    pub null_unassigns_number: bool,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            // More than any test makes; who tries out a limit sets one.
            requests_per_second: 10_000,
            rate_limit_reset: RateLimitReset::SecondsLeft,
            profile_needs_destinations: true,
            null_unassigns_number: false,
        }
    }
}

/// What `x-ratelimit-reset` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitReset {
    /// Seconds until the window ends, as Telnyx's page on rate limits has it.
    SecondsLeft,
    /// Seconds since 1970 at which it ends, as other pages have it.
    UnixTime,
}
