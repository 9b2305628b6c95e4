//! The envelopes of Telnyx's answers: one resource, a page of many, and the refusal of one that is not there.

use axum::Json;
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// An answer of the API.
pub(crate) type Answer = Result<Json<Value>, Refusal>;

/// One resource.
pub(crate) fn data(shown: Value) -> Json<Value> {
    Json(json!({ "data": shown }))
}

/// The refusal of an id that is nobody's.
pub(crate) fn unknown(what: &str, id: &str) -> Refusal {
    Refusal::new("10005", format!("There is no {what} '{id}'."))
}

/// Which part of a list is asked for.
pub(crate) struct Page {
    pub(super) number: usize,
    pub(super) size: usize,
}

impl Page {
    /// That part, in the documented envelope. Only what is on the page is shown, however long the list is.
    pub(crate) fn of<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        show: impl FnMut(T) -> Value,
    ) -> Json<Value> {
        let first = (self.number - 1).saturating_mul(self.size);
        let (mut total, mut on_page) = (0, Vec::new());
        for item in items {
            if total >= first && on_page.len() < self.size {
                on_page.push(item);
            }
            total += 1;
        }
        let data: Vec<Value> = on_page.into_iter().map(show).collect();
        let meta = json!({
            "page_number": self.number, "page_size": self.size,
            "total_pages": total.div_ceil(self.size), "total_results": total,
        });
        Json(json!({ "data": data, "meta": meta }))
    }
}
