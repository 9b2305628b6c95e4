//! The paths of the API that commands use.

/// The path of something below `/api/v1`.
macro_rules! api {
    ($($segment:expr),+) => { &["api", "v1", $($segment),+] };
}
pub(crate) use api;
