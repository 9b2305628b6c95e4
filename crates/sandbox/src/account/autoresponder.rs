//! A profile's own keywords: which words ask for what, and what is answered, for senders of which country.

use inlet_telnyx::PhoneNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock;
use crate::field::{missing, text, texts};
use crate::message::keyword::{Keyword, word};
use crate::message::number_plan;
use crate::refusal::Refusal;

/// Telnyx takes so many words for one operation.
const MAX_KEYWORDS: usize = 20;
/// The shortest answer that carriers take for an operation.
const MIN_ANSWER: usize = 20;
/// The code for senders of all countries.
const EVERYWHERE: &str = "*";

/// One of a profile's automatic answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Autoresponder {
    pub(crate) id: String,
    pub(crate) profile_id: String,
    pub(crate) rule: Rule,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What an automatic answer is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    op: Keyword,
    keywords: Vec<String>,
    resp_text: Option<String>,
    country_code: String,
}

impl Rule {
    /// Reads a rule out of a request.
    pub(crate) fn read(fields: &Map<String, Value>) -> Result<Self, Refusal> {
        let required = |name: &str| {
            let value = fields.get(name).filter(|value| !value.is_null());
            value.ok_or_else(|| missing(name))
        };
        let op = match text(required("op")?, "/op")? {
            "start" => Keyword::Start,
            "stop" => Keyword::Stop,
            // The API description says `info`, the guide `help`.
            "info" | "help" => Keyword::Help,
            _ => return Err(Refusal::new("10032", "`op` is start, stop or info.").at("/op")),
        };
        let keywords = keywords(required("keywords")?, op)?;
        let country_code = text(required("country_code")?, "/country_code")?.to_owned();
        let is_code = country_code.len() == 2 && country_code.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_code && country_code != EVERYWHERE {
            let detail = "`country_code` is two capital letters, or `*` for all countries.";
            return Err(Refusal::new("10032", detail).at("/country_code"));
        }
        let answer = fields.get("resp_text").filter(|value| !value.is_null());
        let resp_text = answer.map(|value| text(value, "/resp_text").map(str::to_owned)).transpose()?;
        if resp_text.as_ref().is_some_and(|answer| answer.chars().count() < MIN_ANSWER) {
            let detail = format!("`resp_text` should have at least {MIN_ANSWER} characters.");
            return Err(Refusal::new("10025", detail).with_status(400).at("/resp_text"));
        }
        Ok(Self { op, keywords, resp_text, country_code })
    }
}

fn keywords(value: &Value, op: Keyword) -> Result<Vec<String>, Refusal> {
    let wrong = |code: &str, detail: String| Err(Refusal::new(code, detail).at("/keywords"));
    let keywords = texts(value, "/keywords")?;
    if !(1..=MAX_KEYWORDS).contains(&keywords.len())
        || keywords.iter().any(|keyword| keyword.trim().is_empty())
    {
        return wrong("10033", format!("There should be 1 to {MAX_KEYWORDS} keywords, none of them empty."));
    }
    let taken = keywords.iter().find(|keyword| Keyword::reserved(keyword).is_some_and(|other| other != op));
    match taken {
        Some(keyword) => wrong("10015", format!("The keyword '{keyword}' belongs to another operation.")),
        None => Ok(keywords),
    }
}

impl Autoresponder {
    pub(crate) fn shown(&self) -> Value {
        let op = match self.rule.op {
            Keyword::Start => "start",
            Keyword::Stop => "stop",
            Keyword::Help => "info",
        };
        let mut shown = json!({
            "country_code": self.rule.country_code,
            "created_at": clock::format(self.created_at),
            "id": self.id,
            "keywords": self.rule.keywords,
            "op": op,
            "updated_at": clock::format(self.updated_at),
        });
        if let Some(answer) = &self.rule.resp_text {
            shown["resp_text"] = json!(answer);
        }
        shown
    }

    pub(crate) fn country_code(&self) -> &str {
        &self.rule.country_code
    }

    pub(crate) fn answer(&self) -> Option<&str> {
        self.rule.resp_text.as_deref()
    }

    pub(crate) fn op(&self) -> Keyword {
        self.rule.op
    }

    /// Whether a text consists of one of its keywords.
    pub(crate) fn recognises(&self, text: &str) -> bool {
        let given = word(text);
        self.rule.keywords.iter().any(|keyword| word(keyword) == given)
    }

    /// How well it fits a sender: not at all, as one of all, or by country.
    pub(crate) fn fit(&self, sender: &str) -> Option<u8> {
        let by_country = || {
            sender.parse().is_ok_and(|number: PhoneNumber| number_plan::is_in(&number, self.country_code()))
        };
        match self.country_code() == EVERYWHERE {
            true => Some(0),
            false => by_country().then_some(1),
        }
    }
}
