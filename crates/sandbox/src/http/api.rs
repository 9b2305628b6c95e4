//! Telnyx's API under `/v2`: its resources, its bearer key, its faults.

mod answer;
mod elsewhere;
mod faults;
pub(super) mod idempotency;
mod rate_limit;
mod request;

mod messages;

mod autoresponders;
mod profiles;

mod health;
mod numbers;
mod phone_numbers;

mod alphanumeric_sender_ids;
mod bulk_updates;
mod short_codes;

mod detail_records;
mod metrics;
mod opt_outs;
mod reports;
mod webhook_deliveries;

mod media;
mod media_request;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::Method;

use crate::accounts::Accounts;
use crate::http::gate::{Tenant, by_key};
use crate::message::send_request::Endpoint;

pub(crate) fn router(accounts: Arc<Accounts>) -> Router<Arc<Accounts>> {
    Router::new()
        .route("/messages", send(Endpoint::Any))
        .route("/messages/long_code", send(Endpoint::LongCode))
        .route("/messages/short_code", send(Endpoint::ShortCode))
        .route("/messages/number_pool", send(Endpoint::NumberPool))
        .route("/messages/alphanumeric_sender_id", send(Endpoint::Alphanumeric))
        .route("/messages/group_mms", send(Endpoint::Group))
        .route("/messages/schedule", send(Endpoint::Schedule))
        .route("/messages/{id}", get(messages::show).delete(messages::cancel))
        .route("/messages/group/{id}", get(messages::show_group))
        .route("/messaging_profiles", get(profiles::list).post(profiles::create))
        .route(
            "/messaging_profiles/{id}",
            get(profiles::show).patch(profiles::change).delete(profiles::delete),
        )
        .route("/messaging_profiles/{id}/metrics", get(metrics::show))
        .route("/messaging_profile_metrics", get(metrics::list))
        .route("/messaging_profiles/{id}/actions/regenerate_secret", post(profiles::regenerate_secret))
        .route("/messaging_profiles/{id}/phone_numbers", get(numbers::list_on_profile))
        .route("/messaging_profiles/{id}/short_codes", get(short_codes::list_on_profile))
        .route(
            "/messaging_profiles/{id}/alphanumeric_sender_ids",
            get(alphanumeric_sender_ids::list_on_profile),
        )
        .route(
            "/messaging_profiles/{id}/autoresp_configs",
            get(autoresponders::list).post(autoresponders::create),
        )
        .route(
            "/messaging_profiles/{id}/autoresp_configs/{autoresponder_id}",
            get(autoresponders::show).put(autoresponders::replace).delete(autoresponders::remove),
        )
        .route("/phone_numbers", get(phone_numbers::list))
        .route("/phone_numbers/messaging", get(numbers::list))
        .route("/phone_numbers/{id}/messaging", get(numbers::show).patch(numbers::change))
        // Telnyx's guides call the same thing by this name; the description of its API does not know it.
        .route("/messaging_phone_numbers", get(numbers::list))
        .route("/messaging_phone_numbers/{id}", get(numbers::show).patch(numbers::change))
        .route("/messaging_numbers_bulk_updates", post(bulk_updates::create))
        .route("/messaging_numbers_bulk_updates/{order_id}", get(bulk_updates::show))
        .route("/short_codes", get(short_codes::list))
        .route("/short_codes/{id}", get(short_codes::show).patch(short_codes::change))
        .route(
            "/alphanumeric_sender_ids",
            get(alphanumeric_sender_ids::list)
                .post(alphanumeric_sender_ids::create)
                .layer(map_response(alphanumeric_sender_ids::unprocessable)),
        )
        .route(
            "/alphanumeric_sender_ids/{id}",
            get(alphanumeric_sender_ids::show).delete(alphanumeric_sender_ids::delete),
        )
        .route("/messaging_optouts", get(opt_outs::list))
        .route("/detail_records", get(detail_records::list))
        .route("/reports/mdrs", get(reports::mdrs))
        .route("/webhook_deliveries", get(webhook_deliveries::list))
        .route("/webhook_deliveries/{id}", get(webhook_deliveries::show))
        .route("/media", get(media::list).post(media::create).layer(media_limit()))
        .route(
            "/media/{name}",
            get(media::show).put(media::change).delete(media::delete).layer(media_limit()),
        )
        .route("/media/{name}/download", get(media::download))
        .fallback(elsewhere::no_resource)
        .method_not_allowed_fallback(elsewhere::wrong_method)
        .layer(DefaultBodyLimit::max(request::MAX_BODY))
        .layer(from_fn(strike))
        .layer(from_fn(rate_limit::limit))
        .layer(from_fn_with_state(accounts, by_key))
}

fn send(endpoint: Endpoint) -> MethodRouter<Arc<Accounts>> {
    post(move |tenant, headers, body| messages::send(endpoint, tenant, headers, body))
}

// A send looks for faults itself, because it knows whom it concerns.
async fn strike(Tenant(account): Tenant, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_send = request.method() == Method::POST && (path == "/messages" || path.starts_with("/messages/"));
    match is_send {
        true => next.run(request).await,
        false => match faults::early(&account, &[]).await {
            Some(response) => response,
            None => next.run(request).await,
        },
    }
}

fn media_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(media_request::MAX_BODY)
}
