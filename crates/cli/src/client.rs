//! Talks to a running gateway or sandbox, and turns what can go wrong into failures that say what to do.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::args::ApiArgs;
use crate::config::{is_loopback, read_secret, shown};
use crate::environment::Environment;
use crate::exit::{Exit, Failure};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);
// A bulk action over a million jobs.
const LONG_TIMEOUT: Duration = Duration::from_secs(600);
// Heartbeats come every 15 seconds.
const STREAM_SILENCE: Duration = Duration::from_secs(45);
/// The longest page a list gives.
const PAGE: usize = inlet_domain::MAX_LIMIT as usize;

/// A running gateway or sandbox.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
    /// How failures name it, and how one starts it.
    peer: Peer,
}

/// Whom a client talks to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Peer {
    /// The gateway's admin listener.
    Gateway,
    /// The sandbox.
    Sandbox,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "the gateway",
            Self::Sandbox => "the sandbox",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Gateway => {
                "start one with `inlet serve` or `inlet dev`, or name its address with --url or INLET_URL"
            }
            Self::Sandbox => {
                "start one with `inlet dev` or `inlet sandbox`, or name its address with --sandbox-url or \
                 INLET_SANDBOX_URL"
            }
        }
    }

    fn token_remedy(self) -> &'static str {
        match self {
            Self::Gateway => "set INLET_TOKEN or --token-file to the gateway's `admin.token`",
            Self::Sandbox => "set INLET_SANDBOX_API_KEY to the API key that the sandbox printed",
        }
    }

    fn host_remedy(self) -> &'static str {
        match self {
            Self::Gateway => {
                "add the host name to the gateway's `admin.allowed_hosts`, or reach it by its address"
            }
            Self::Sandbox => "reach it by its address, as in http://127.0.0.1:5002",
        }
    }
}

/// Codes of requests that were sent to a name, or from a page, that the other side does not know.
const FOREIGN: [&str; 2] = ["host_not_allowed", "cross_origin"];

/// The problem body of both APIs.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    request_id: String,
}

#[derive(Deserialize)]
struct RawPage {
    data: Vec<Box<RawValue>>,
    #[serde(default)]
    next: Option<String>,
}

/// Pairs of a query.
pub(crate) type Query = Vec<(String, String)>;

impl Client {
    /// A client of the gateway.
    pub(crate) fn gateway(args: &ApiArgs, environment: &Environment) -> anyhow::Result<Self> {
        let token = match &args.token_file {
            Some(path) => Some(token_in_file(&path.display().to_string())?),
            None => environment.get("INLET_TOKEN").map(SecretString::from),
        };
        Self::new(args.url.clone(), token, Peer::Gateway)
    }

    /// A client of the sandbox.
    pub(crate) fn sandbox(url: Url, environment: &Environment) -> anyhow::Result<Self> {
        // Beyond loopback the sandbox asks for its API key.
        let key = environment.get("INLET_SANDBOX_API_KEY").map(SecretString::from);
        Self::new(url, key, Peer::Sandbox)
    }

    /// The same with another key.
    pub(crate) fn with_key(&self, key: SecretString) -> Self {
        Self { token: Some(key), ..self.clone() }
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    fn new(base: Url, token: Option<SecretString>, peer: Peer) -> anyhow::Result<Self> {
        if base.cannot_be_a_base() || !base.has_host() {
            let message =
                format!("`{}` is not an address, as in http://127.0.0.1:5001", shown(base.as_str()));
            return Err(Failure::new(Exit::Usage, message, peer.remedy()).into());
        }
        // What is meant for this machine must not go through a proxy.
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        let builder = if is_loopback(&base) { builder.no_proxy() } else { builder };
        let http = builder.build().context("cannot set up the HTTP client")?;
        Ok(Self { http, base, token, peer })
    }

    /// The address of a path given by its segments.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("the base was checked").pop_if_empty().extend(path);
        url
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Response> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await.into()) }
    }

    /// Who does not answer as it should, and where.
    fn whom(&self) -> String {
        format!("{} at {}", self.peer.name(), shown(self.base.as_str()))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() { "does not answer in time" } else { "is not reachable" };
        let message = format!("{} {why}", self.whom());
        Failure::new(Exit::Unreachable, message, self.peer.remedy())
    }

    async fn refused(&self, response: Response) -> Failure {
        let (status, url) = (response.status(), response.url().clone());
        let problem: Problem = response.json().await.unwrap_or_default();
        let Problem { title, detail, code, request_id } = problem;
        let what = [detail, title].into_iter().find(|text| !text.is_empty());
        let what = what.unwrap_or_else(|| format!("{} answered {status}", self.peer.name()));
        let code = if code.is_empty() { status.as_u16().to_string() } else { code };
        let message = format!("{} ({code})", crate::output::escape(&what));
        match status {
            StatusCode::NOT_FOUND => Failure::new(Exit::NotFound, message, list_remedy(&url)),
            StatusCode::FORBIDDEN if FOREIGN.contains(&code.as_str()) => {
                Failure::new(Exit::Refused, message, self.peer.host_remedy())
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Failure::new(Exit::Token, message, self.peer.token_remedy())
            }
            status if status.is_server_error() => {
                let remedy = format!("look for request {request_id} in the log of {}", self.peer.name());
                Failure::new(Exit::Refused, message, remedy)
            }
            StatusCode::CONFLICT => {
                Failure::new(Exit::Refused, message, "nothing was changed; `show` tells how it stands")
            }
            _ => Failure::new(Exit::Refused, message, "correct the request and try again"),
        }
    }

    /// GET of one object.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &Query) -> anyhow::Result<T> {
        self.get_within(path, query, TIMEOUT).await
    }

    /// GET of one object that may be long in coming.
    pub(crate) async fn get_within<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &Query,
        limit: Duration,
    ) -> anyhow::Result<T> {
        let request = self.http.get(with_query(self.url(path), query)).timeout(limit);
        self.understand(self.send(request).await?).await
    }

    /// GET of bytes.
    pub(crate) async fn get_bytes(&self, path: &[&str]) -> anyhow::Result<Vec<u8>> {
        let response = self.send(self.http.get(self.url(path)).timeout(TIMEOUT)).await?;
        Ok(response.bytes().await.map_err(|error| self.unreachable(&error))?.to_vec())
    }

    /// POST of an object, answered by another.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let request = self.http.post(self.url(path)).json(body).timeout(TIMEOUT);
        self.understand(self.send(request).await?).await
    }

    /// POST of something that changes many rows, and so may be long in coming.
    pub(crate) async fn post_long<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let request = self.http.post(self.url(path)).json(body).timeout(LONG_TIMEOUT);
        self.understand(self.send(request).await?).await
    }

    /// POST that is answered by nothing worth reading.
    pub(crate) async fn command(&self, path: &[&str], body: &impl Serialize) -> anyhow::Result<()> {
        self.send(self.http.post(self.url(path)).json(body).timeout(TIMEOUT)).await.map(|_| ())
    }

    /// PATCH of an object, answered by nothing worth reading.
    pub(crate) async fn patch(&self, path: &[&str], body: &impl Serialize) -> anyhow::Result<()> {
        self.send(self.http.patch(self.url(path)).json(body).timeout(TIMEOUT)).await.map(|_| ())
    }

    /// An open stream of server-sent events.
    pub(crate) async fn stream(&self, path: &[&str], last_id: Option<&str>) -> anyhow::Result<Response> {
        let request = self.http.get(self.url(path)).header("accept", "text/event-stream");
        let request = match last_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let opening = tokio::time::timeout(STREAM_SILENCE, self.send(request)).await;
        opening.unwrap_or_else(|_| {
            let message = format!("{} does not answer in time", self.whom());
            Err(Failure::new(Exit::Unreachable, message, self.peer.remedy()).into())
        })
    }

    async fn understand<T: DeserializeOwned>(&self, response: Response) -> anyhow::Result<T> {
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{} answered something else: {error}", self.whom());
            let remedy = "check the address, and that both sides are the same version of inlet";
            Failure::new(Exit::Refused, message, remedy).into()
        })
    }

    /// The pages of a list up to `limit` rows, 0 for all.
    pub(crate) fn pages(&self, path: &[&str], query: Query, limit: usize) -> Pages<'_> {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Pages {
            client: self,
            path,
            query,
            left: if limit == 0 { usize::MAX } else { limit },
            next: Next::First,
        }
    }
}

/// The place of a list that is read next.
enum Next {
    First,
    At(String),
    End,
}

/// A list, page by page.
pub(crate) struct Pages<'a> {
    client: &'a Client,
    path: Vec<String>,
    query: Query,
    left: usize,
    next: Next,
}

impl Pages<'_> {
    /// The next page; `None` at the end or at the limit.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Vec<Box<RawValue>>>> {
        let cursor = match &self.next {
            Next::End => return Ok(None),
            _ if self.left == 0 => return Ok(None),
            Next::First => None,
            Next::At(cursor) => Some(("cursor".to_owned(), cursor.clone())),
        };
        let limit = ("limit".to_owned(), self.left.min(PAGE).to_string());
        let query: Query = self.query.iter().cloned().chain([limit]).chain(cursor).collect();
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let page: RawPage = self.client.get(&path, &query).await?;
        self.left = self.left.saturating_sub(page.data.len());
        self.next = page.next.map_or(Next::End, Next::At);
        Ok(Some(page.data))
    }

    /// Whether there was more than the limit let through.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self.next, Next::At(_))
    }
}

/// The given parts of a filter, as pairs of a query.
pub(crate) fn query_of(filter: &impl Serialize) -> Query {
    let Ok(Value::Object(parts)) = serde_json::to_value(filter) else { return Query::new() };
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    parts.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

/// The given parts of a filter, as an object.
pub(crate) fn body_of(filter: &impl Serialize) -> serde_json::Map<String, Value> {
    match serde_json::to_value(filter) {
        Ok(Value::Object(parts)) => parts.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => serde_json::Map::new(),
    }
}

/// The list that has what was not found.
fn list_remedy(url: &Url) -> String {
    let mut segments = url.path_segments().into_iter().flatten().skip_while(|segment| *segment != "api");
    match segments.nth(2) {
        Some("replays") => "`inlet replay list` shows the replays there are".to_owned(),
        Some(kind) => format!("`inlet {kind} list` shows the {kind} there are"),
        None => "check the address".to_owned(),
    }
}

fn with_query(mut url: Url, query: &Query) -> Url {
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

fn token_in_file(path: &str) -> Result<SecretString, Failure> {
    let remedy = "write the gateway's `admin.token` into that file";
    read_secret(path).map(SecretString::from).map_err(|problem| Failure::new(Exit::File, problem, remedy))
}

#[cfg(test)]
mod tests {
    use inlet_domain::JobFilter;

    use super::*;

    #[test]
    fn segments_are_encoded_and_a_prefix_is_kept() {
        let client = Client::new("http://127.0.0.1:1/inlet/".parse().unwrap(), None, Peer::Gateway).unwrap();
        let url = client.url(&["api", "v1", "events", "a/b?c#d"]);
        assert_eq!(url.as_str(), "http://127.0.0.1:1/inlet/api/v1/events/a%2Fb%3Fc%23d");
    }

    #[test]
    fn only_given_parts_of_a_filter_are_sent() {
        let filter = JobFilter { destination: Some("crm".into()), ..JobFilter::default() };
        assert_eq!(query_of(&filter), [("destination".to_owned(), "crm".to_owned())]);
        assert_eq!(Value::Object(body_of(&filter)), serde_json::json!({"destination": "crm"}));
    }

    async fn refusal(peer: Peer, status: u16, code: &str) -> (Exit, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let body = format!("{{\"title\":\"No\",\"code\":\"{code}\"}}");
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream
        };
        let client = Client::new(base, None, peer).unwrap();
        let asking = async { client.get::<Value>(&["api", "v1", "events"], &Query::new()).await };
        let (_stream, answer) = tokio::join!(serving, asking);
        let failure = answer.unwrap_err().downcast::<Failure>().unwrap();
        (failure.exit(), format!("{failure:?}"))
    }

    #[tokio::test]
    async fn a_name_that_is_not_allowed_is_told_from_a_wrong_token() {
        for code in ["host_not_allowed", "cross_origin"] {
            let (exit, text) = refusal(Peer::Gateway, 403, code).await;
            assert_eq!(exit, Exit::Refused);
            assert!(text.contains("admin.allowed_hosts"), "{text}");
        }
        let (exit, text) = refusal(Peer::Gateway, 401, "unauthorized").await;
        assert!(exit == Exit::Token && text.contains("INLET_TOKEN"), "{text}");
        let (exit, text) = refusal(Peer::Sandbox, 401, "unauthorized").await;
        assert!(exit == Exit::Token && text.contains("INLET_SANDBOX_API_KEY"), "{text}");
    }

    #[test]
    fn this_machine_is_never_reached_through_a_proxy() {
        for (url, expected) in [
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://127.8.0.1", true),
            ("http://x.y", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
