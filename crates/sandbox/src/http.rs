//! The sandbox's one port: Telnyx's API, the media host, the control API, and who may call them.

mod accept;
mod gate;

mod api;

mod control;
mod problem;

mod media;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::{from_fn_with_state, map_response_with_state};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::accounts::Accounts;
use crate::refusal::Refusal;
use problem::Problem;

pub(crate) use api::idempotency::IdempotencyTable;

/// Serves until the sandbox is shut down.
pub(crate) async fn serve(listener: TcpListener, accounts: Arc<Accounts>) {
    let host = accounts.host.clone();
    accept::run(listener, router(accounts), host).await;
}

fn router(accounts: Arc<Accounts>) -> Router {
    Router::new()
        .merge(page::router())
        .route("/healthz", get("ok\n"))
        .nest("/v2", api::router(accounts.clone()))
        .nest("/sandbox/v1", control::router(accounts.clone()))
        .route("/media/{folder}/{file}", get(media::serve))
        .layer(from_fn_with_state(accounts.clone(), gate::check))
        .layer(map_response_with_state(accounts.clone(), render))
        .with_state(accounts)
}

/// Gives refused requests their bodies.
async fn render(State(accounts): State<Arc<Accounts>>, mut response: Response) -> Response {
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let mut rendered = refusal.render(&accounts.host.config);
        rendered.headers_mut().extend(response.headers().clone());
        return rendered;
    }
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.render(&accounts.host),
        None => response,
    }
}
