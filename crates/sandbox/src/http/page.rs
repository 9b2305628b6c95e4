//! The page of phones and its files: embedded in the executable, answered on their exact paths, under a strict policy.

use std::future::ready;

use aws_lc_rs::digest;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

/// No inline script or style, nothing from elsewhere, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Files by their path below `ui/`; the page itself is not among them, because it answers at `/`.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(File {
            path: concat!("/ui/", $path),
            content: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/ui/", $path)),
        }),*]
    };
}

const PAGE: File =
    File { path: "/", content: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/ui/index.html")) };
const FILES: [File; 44] = files![
    "style.css",
    "phones.css",
    "inspector.css",
    "icon.svg",
    "early-theme.js",
    "api.js",
    "app.js",
    "attachments.js",
    "clipboard.js",
    "clock.js",
    "composer.js",
    "connect.js",
    "curl.js",
    "deliveries.js",
    "delivery.js",
    "dialogs.js",
    "dom.js",
    "edit.js",
    "fault-kinds.js",
    "faults.js",
    "icons.js",
    "inspector.js",
    "json.js",
    "key-form.js",
    "keys.js",
    "live.js",
    "log.js",
    "main.js",
    "media.js",
    "messages.js",
    "notice.js",
    "numbers.js",
    "phone-book.js",
    "phone.js",
    "phones.js",
    "storage.js",
    "store.js",
    "stream.js",
    "theme.js",
    "thread.js",
    "time.js",
    "vendor/preact.js",
    "vendor/hooks.js",
    "vendor/htm.js",
];

#[derive(Clone, Copy)]
struct File {
    path: &'static str,
    content: &'static [u8],
}

pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().chain([PAGE]).fold(Router::new(), |router, file| {
        let etag = file.etag();
        router.route(file.path, get(move |headers: HeaderMap| ready(file.answer(&etag, &headers))))
    })
}

impl File {
    fn etag(&self) -> HeaderValue {
        let digest = digest::digest(&digest::SHA256, self.content);
        let digits: String = digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        HeaderValue::from_str(&format!("\"{digits}\"")).expect("hexadecimal digits fit into a header")
    }

    // Nothing is used without asking: the next version of the sandbox answers at the same address.
    fn answer(&self, etag: &HeaderValue, headers: &HeaderMap) -> Response {
        let common = [
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (ETAG, etag.clone()),
            (http::header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            (http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (http::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        if headers.get_all(IF_NONE_MATCH).iter().any(|known| known == etag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        (common, [(CONTENT_TYPE, self.content_type())], self.content).into_response()
    }

    fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{FILES, PAGE};
    use crate::fault::FaultEffect;

    fn on_disk(folder: &str) -> impl Iterator<Item = String> {
        let entries = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui").join(folder).read_dir().unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains('.')).map(move |name| format!("/ui/{folder}{name}"))
    }

    #[test]
    fn every_file_of_the_page_is_embedded() {
        let found: BTreeSet<String> = on_disk("").chain(on_disk("vendor/")).collect();
        let wanted = found.iter().filter(|path| !path.ends_with(".LICENSE") && *path != "/ui/index.html");
        let embedded: BTreeSet<&str> = FILES.iter().map(|file| file.path).collect();
        assert_eq!(embedded, wanted.map(String::as_str).collect());
    }

    #[test]
    fn every_file_that_is_named_exists() {
        let paths: BTreeSet<&str> = FILES.iter().map(|file| file.path).collect();
        for file in FILES.iter().chain([&PAGE]) {
            let text = std::str::from_utf8(file.content).unwrap();
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let imports = text.split("from './").skip(1).map(|rest| format!("{folder}/{rest}"));
            let links = text.split("=\"/ui/").skip(1).map(|rest| format!("/ui/{rest}"));
            for named in imports.chain(links) {
                let named = named.split(['\'', '"']).next().unwrap();
                assert!(paths.contains(named), "`{}` names `{named}`", file.path);
            }
        }
    }

    #[test]
    fn every_kind_of_fault_can_be_chosen_on_the_page() {
        let unknown = serde_json::from_value::<FaultEffect>(serde_json::json!({"kind": "?"})).unwrap_err();
        let words = unknown.to_string();
        let kinds: Vec<&str> = words.split('`').skip(3).step_by(2).collect();
        assert!(kinds.contains(&"webhook_drop"), "{words}");
        let page = FILES.iter().find(|file| file.path.ends_with("/fault-kinds.js")).unwrap();
        let page = std::str::from_utf8(page.content).unwrap();
        for kind in kinds {
            assert!(page.contains(&format!("\n  {kind}: {{")), "the page does not know the fault `{kind}`");
        }
    }

    #[test]
    fn the_page_has_no_inline_script_or_style() {
        let page = std::str::from_utf8(PAGE.content).unwrap();
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" on"));
        assert_eq!(page.matches("<script").count(), page.matches("<script src=").count() + 1);
        assert!(page.contains("<script type=\"module\" src="));
    }
}
