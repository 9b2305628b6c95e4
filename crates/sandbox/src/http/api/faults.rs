//! Faults of Telnyx's API: an error in place of an answer, no answer, a cut connection.

use std::time::Duration;

use axum::response::{IntoResponse, Response};

use crate::account::Account;
use crate::fault::{FaultEffect, Subject};
use crate::http::accept::CutConnection;
use crate::refusal::Refusal;

const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Faults that strike before anything is done.
pub(crate) async fn early(account: &Account, numbers: &[String]) -> Option<Response> {
    enum Strike {
        Status(Box<Refusal>),
        Hang,
        Delay(Duration),
        Cut,
    }
    let subject = Subject { numbers, event_type: None };
    let strike = account.quietly(|world| {
        world.faults.strike(&mut world.random, subject, |effect| match effect {
            FaultEffect::ApiStatus { status, code, retry_after_seconds } => {
                let mut refusal =
                    Refusal::new(code.as_deref().unwrap_or(code_for(*status)), "A fault was asked for.");
                refusal.retry_after_seconds = *retry_after_seconds;
                Some(Strike::Status(Box::new(refusal.with_status(*status))))
            }
            FaultEffect::ApiHang {} => Some(Strike::Hang),
            FaultEffect::ApiDelay { delay_ms } => Some(Strike::Delay(Duration::from_millis(*delay_ms))),
            FaultEffect::ApiCut {} => Some(Strike::Cut),
            _ => None,
        })
    });
    match strike? {
        Strike::Status(refusal) => Some(refusal.into_response()),
        Strike::Hang => Some(hang(account).await),
        Strike::Cut => Some(CutConnection::response()),
        Strike::Delay(delay) => {
            pause(account, delay).await;
            None
        }
    }
}

/// Faults that strike after the message was accepted.
pub(crate) async fn late(account: &Account, numbers: &[String]) -> Option<Response> {
    let subject = Subject { numbers, event_type: None };
    let hangs = account.quietly(|world| {
        world.faults.strike(&mut world.random, subject, |effect| match effect {
            FaultEffect::ApiDropAfterAccept {} => Some(false),
            FaultEffect::ApiHangAfterAccept {} => Some(true),
            _ => None,
        })
    })?;
    Some(if hangs { hang(account).await } else { CutConnection::response() })
}

// Ends when the client goes away, because hyper then drops the handler, or when the sandbox stops.
async fn hang(account: &Account) -> Response {
    pause(account, LONGEST_PAUSE).await;
    CutConnection::response()
}

async fn pause(account: &Account, length: Duration) {
    tokio::select! {
        () = account.cancel.cancelled() => {}
        () = tokio::time::sleep(length.min(LONGEST_PAUSE)) => {}
    }
}

fn code_for(status: u16) -> &'static str {
    match status {
        401 => "10009",
        403 => "10010",
        404 => "10005",
        409 => "10012",
        422 => "10027",
        429 => "10011",
        400..500 => "10015",
        _ => "10007",
    }
}
