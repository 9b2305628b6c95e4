//! What a message says: its text, its encoding and parts, its media, and so whether it is an SMS or an MMS.

use inlet_telnyx::{MAX_PARTS, PhoneNumber, Segments, smart_encode};
use serde_json::{Map, Value};

use super::Endpoint;
use super::fields::{flag, optional_text, texts};
use crate::account::profile::Profile;
use crate::account::{Account, World};
use crate::field::{missing, optional_url};
use crate::message::number_plan::is_north_american;
use crate::message::{Coding, MessageMedia};
use crate::refusal::Refusal;

/// Telnyx takes up to ten attachments (error 40317).
const MAX_MEDIA: usize = 10;
/// And up to a megabyte of them, as far as their sizes are known.
const MAX_MEDIA_BYTES: i64 = 1024 * 1024;

/// Content that can be sent.
pub(super) struct Content {
    pub(super) text: Option<String>,
    pub(super) media: Vec<MessageMedia>,
    pub(super) is_mms: bool,
    pub(super) coding: Coding,
}

impl Content {
    /// Checks the content that goes to some numbers, from a sender that takes media or does not.
    pub(super) fn check(
        endpoint: Endpoint,
        body: &Map<String, Value>,
        (to, sender_takes_media): (&[PhoneNumber], bool),
        profile: &Profile,
        world: &World,
        account: &Account,
    ) -> Result<Self, Refusal> {
        let text = optional_text(body, "text")?;
        if endpoint == Endpoint::Alphanumeric && text.is_none() {
            return Err(missing("text"));
        }
        let urls = media_urls(body)?;
        let is_mms = endpoint == Endpoint::Group || kind(body, &urls)?;
        let shown = text.as_deref().unwrap_or_default();
        if shown.is_empty() && urls.is_empty() {
            return Err(Refusal::new("40316", "A message needs text or media.").at("/text"));
        }
        let encoding = Encoding::read(body)?;
        let media: Vec<_> = urls.iter().map(|url| account.known_media(world, url)).collect();
        check_media(&media)?;
        if !is_mms {
            return Self::sms((body, encoding), text, profile, account);
        }
        match check_mms(to, sender_takes_media) {
            Err(_) if profile.mms_fall_back_to_sms && endpoint != Endpoint::Group => {
                let lines = text.into_iter().filter(|text| !text.is_empty()).chain(urls);
                let text = lines.collect::<Vec<_>>().join("\n");
                Self::sms((body, encoding), Some(text), profile, account)
            }
            checked => {
                let coding = Coding::of(shown);
                checked.map(|()| Self { text, media, is_mms, coding })
            }
        }
    }

    fn sms(
        (body, encoding): (&Map<String, Value>, Encoding),
        text: Option<String>,
        profile: &Profile,
        account: &Account,
    ) -> Result<Self, Refusal> {
        let coding = coding(encoding, text.as_deref().unwrap_or_default(), profile.smart_encoding)?;
        check_parts(body, coding.parts, account.host.config.carrier.recommended_parts)?;
        Ok(Self { text, media: Vec::new(), is_mms: false, coding })
    }
}

/// An MMS stays in North America, and comes from a number that takes media.
fn check_mms(to: &[PhoneNumber], sender_takes_media: bool) -> Result<(), Refusal> {
    if let Some(abroad) = to.iter().find(|number| !is_north_american(number.as_str())) {
        let detail = format!("An MMS goes to North America only, so not to '{abroad}'.");
        return Err(Refusal::new("40301", detail).at("/to"));
    }
    match sender_takes_media {
        true => Ok(()),
        false => Err(Refusal::new("40308", "The 'from' address cannot send MMS.").at("/from")),
    }
}

fn kind(body: &Map<String, Value>, media_urls: &[String]) -> Result<bool, Refusal> {
    let kind = optional_text(body, "type")?;
    match (kind.as_deref(), media_urls.is_empty()) {
        (None, is_empty) => Ok(!is_empty),
        (Some("MMS"), _) => Ok(true),
        (Some("SMS"), true) => Ok(false),
        (Some("SMS"), false) => {
            Err(Refusal::new("40304", "A message of type SMS cannot have media.").at("/media_urls"))
        }
        (Some(_), _) => Err(Refusal::new("10032", "The type of a message is SMS or MMS.").at("/type")),
    }
}

fn media_urls(body: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let urls = texts(body, "media_urls")?;
    for url in &urls {
        optional_url(&Value::String(url.clone()), "/media_urls")?;
    }
    Ok(urls)
}

fn check_media(media: &[MessageMedia]) -> Result<(), Refusal> {
    let wrong = |detail: String| Err(Refusal::new("40317", detail).at("/media_urls"));
    if media.len() > MAX_MEDIA {
        return wrong(format!("A message can have up to {MAX_MEDIA} media items."));
    }
    let known: i64 = media.iter().filter_map(|item| item.size).sum();
    if known >= MAX_MEDIA_BYTES {
        return wrong(format!(
            "The media have {known} bytes; a message can have less than {MAX_MEDIA_BYTES}."
        ));
    }
    Ok(())
}

/// How a request wants its text encoded. An MMS may say so too, for the case that it falls back to SMS.
#[derive(Clone, Copy)]
enum Encoding {
    Auto,
    Gsm7,
    Ucs2,
}

impl Encoding {
    fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        match optional_text(body, "encoding")?.as_deref() {
            None | Some("auto") => Ok(Self::Auto),
            Some("gsm7") => Ok(Self::Gsm7),
            Some("ucs2") => Ok(Self::Ucs2),
            Some(_) => Err(Refusal::new("10032", "`encoding` is auto, gsm7 or ucs2.").at("/encoding")),
        }
    }
}

/// Encodes as the request says, or else as the profile does.
fn coding(encoding: Encoding, text: &str, is_smart_by_profile: bool) -> Result<Coding, Refusal> {
    let smart = smart_encode(text);
    let is_smart = smart != text;
    let wrong = |code: &str, detail: String| Refusal::new(code, detail);
    match encoding {
        Encoding::Ucs2 => Ok(Coding::from_segments(Segments::ucs2(text), false)),
        Encoding::Auto if !is_smart_by_profile => Ok(Coding::of(text)),
        _ if smart.is_empty() => {
            Err(wrong("40316", "Nothing is left of the text once it is encoded.".to_owned()).at("/text"))
        }
        Encoding::Auto => Ok(Coding::from_segments(Segments::of(&smart), is_smart)),
        Encoding::Gsm7 => {
            Segments::gsm7(&smart).map(|segments| Coding::from_segments(segments, is_smart)).map_err(
                |misfit| wrong("10015", format!("The text cannot be sent as gsm7: {misfit}.")).at("/text"),
            )
        }
    }
}

fn check_parts(body: &Map<String, Value>, parts: usize, recommended: usize) -> Result<(), Refusal> {
    if parts > MAX_PARTS {
        let detail = format!("The text takes {parts} parts; a message can have up to {MAX_PARTS}.");
        return Err(Refusal::new("40302", detail).at("/text"));
    }
    if flag(body, "auto_detect")? == Some(true) && parts > recommended {
        let detail = format!("The text takes {parts} parts; more than {recommended} are not recommended.");
        return Err(Refusal::new("40328", detail).at("/text"));
    }
    Ok(())
}

impl Account {
    // Media elsewhere are not fetched; of its own ones the sandbox knows type, size and digest. An upload is handed
    // on from the media host, because a recipient has no key to download it.
    fn known_media(&self, world: &World, url: &str) -> MessageMedia {
        let origin = &self.host.origin;
        let uploaded = world.uploads.by_link(url, origin, self.clock.now());
        let path = match uploaded {
            Some(upload) => Some(upload.media_path.as_str()),
            None => url.strip_prefix(origin).and_then(|path| path.strip_prefix("/media/")),
        };
        match path.and_then(|path| Some((path, world.media.find(path)?))) {
            None => MessageMedia::bare(url),
            Some((path, stored)) => MessageMedia {
                content_type: Some(stored.content_type.clone()),
                size: i64::try_from(stored.data.len()).ok(),
                sha256: Some(stored.sha256.clone()),
                url: format!("{origin}/media/{path}"),
            },
        }
    }
}
