//! Conversations: list, one, its messages, mark read.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use inlet_domain::{Conversation, Message, MessageFilter, Page};

use super::answer::{Answer, ApiError};
use super::messages::MessageList;
use super::query::{List, Name, NoFilter, NoQuery};
use super::state::{AdminState, Shared};

const KIND: &str = "conversation";

pub(super) async fn list(
    State(state): State<Shared>,
    list: List<NoFilter>,
) -> Answer<Json<Page<Conversation>>> {
    Ok(Json(state.store.conversations(list.page).await?))
}

pub(super) async fn one(State(state): State<Shared>, name: Name, _: NoQuery) -> Answer<Json<Conversation>> {
    find(&state, &name).await.map(Json)
}

pub(super) async fn messages(
    State(state): State<Shared>,
    name: Name,
    list: MessageList,
) -> Answer<Json<Page<Message>>> {
    let conversation_id = Some(find(&state, &name).await?.id);
    let filter = MessageFilter { conversation_id, ..list.filter };
    Ok(Json(state.store.messages(filter, list.page).await?))
}

pub(super) async fn mark_read(State(state): State<Shared>, name: Name, _: NoQuery) -> Answer<StatusCode> {
    if state.store.mark_read(name.number(KIND)?).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found(KIND, &name.0))
    }
}

async fn find(state: &AdminState, name: &Name) -> Answer<Conversation> {
    let conversation = state.store.conversation(name.number(KIND)?).await?;
    conversation.ok_or_else(|| ApiError::not_found(KIND, &name.0))
}
