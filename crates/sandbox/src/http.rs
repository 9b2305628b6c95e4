//! The sandbox's one port: Telnyx's API, the media host, the control API, and who may call them.

mod accept;
mod gate;

mod api;
mod idempotency;
mod profiles;

mod control;
mod problem;

mod media;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::world::Shared;

pub(crate) use idempotency::IdempotencyTable;

/// Serves until the sandbox is shut down.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    accept::run(listener, router(shared.clone()), shared).await;
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(
            "/",
            get("Inlet sandbox, a local Telnyx. The page of phones comes later; see /sandbox/v1/account.\n"),
        )
        .route("/healthz", get("ok\n"))
        .nest("/v2", api::router(shared.clone()))
        .nest("/sandbox/v1", control::router(shared.clone()))
        .route("/media/{folder}/{file}", get(media::serve))
        .layer(from_fn_with_state(shared.clone(), gate::check))
        .with_state(shared)
}
