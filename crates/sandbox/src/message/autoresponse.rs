//! What Telnyx does by itself when a text is a keyword: it blocks or unblocks, and answers.

use inlet_telnyx::{Address, PhoneNumber};

use crate::account::autoresponder::Autoresponder;
use crate::account::number::is_toll_free;
use crate::account::{Account, World};
use crate::message::keyword::{Keyword, word};
use crate::message::opt_out::{OptOut, Scope};
use crate::message::{Coding, Direction, Message, Recipient, Sending};

/// What the carriers answer by themselves for toll-free numbers.
const NETWORK_STOP: &str = "NETWORK MSG: You replied with the word STOP, so no more texts come from this number. Text UNSTOP to undo that.";
const NETWORK_UNSTOP: &str = "NETWORK MSG: You have replied UNSTOP and can get texts from this number again.";

/// A keyword that somebody has texted, and what is answered.
pub(crate) struct Asked {
    pub(crate) keyword: Keyword,
    answers: Vec<String>,
}

impl Account {
    /// Blocks or unblocks the sender where the text asks for it.
    pub(crate) fn heed_keyword(&self, world: &mut World, message: &Message) -> Option<Asked> {
        let text = message.text.as_deref()?;
        let ours = &message.recipients.first()?.number;
        let (keyword, answers) = recognise(world, message, ours, text)?;
        let scope = Scope::Profile(&message.profile_id);
        let opt_out = OptOut {
            profile_id: message.profile_id.clone(),
            from: ours.clone(),
            to: message.from.clone(),
            keyword: word(text),
            created_at: message.received_at,
        };
        match (keyword, word(text).as_str()) {
            // Toll-free numbers have a block at the carriers, and to it only these two words matter.
            (_, "STOP") if is_toll_free(ours) => world.opt_outs.add(Scope::Number(ours), opt_out),
            (_, "UNSTOP") if is_toll_free(ours) => {
                world.opt_outs.remove(Scope::Number(ours), &message.from);
                world.opt_outs.remove(scope, &message.from);
            }
            (Keyword::Stop, _) => world.opt_outs.add(scope, opt_out),
            (Keyword::Start, _) => world.opt_outs.remove(scope, &message.from),
            (Keyword::Help, _) => {}
        }
        Some(Asked { keyword, answers })
    }

    /// Texts the answers to the phone. No webhook tells of them, for no call of the API sent them.
    pub(crate) fn answer_keyword(&self, world: &mut World, message: &Message, asked: Asked) {
        let is_phone = matches!(Address::parse(&message.from), Address::Number(_));
        if !is_phone || self.owns(&message.from) || !self.host.config.carrier.answers_keywords {
            return;
        }
        for answer in asked.answers {
            let answer = self.answer(world, message, asked.keyword, answer);
            world.messages.push(answer);
        }
    }

    fn answer(&self, world: &mut World, message: &Message, keyword: Keyword, text: String) -> Message {
        let ours = message.recipients.first().map(|ours| ours.number.clone()).unwrap_or_default();
        let sent_at = self.sent_at(world, message.received_at);
        let journey = self.journey(world, (&ours, &message.from), false, sent_at);
        Message {
            id: world.random.uuid("message"),
            direction: Direction::Outbound,
            from: ours,
            recipients: vec![Recipient { number: message.from.clone(), journey: Some(journey) }],
            cc: Vec::new(),
            coding: Coding::of(&text),
            text: Some(text),
            subject: None,
            media: Vec::new(),
            is_mms: false,
            tags: Vec::new(),
            webhook_url: None,
            webhook_failover_url: None,
            keyword: None,
            sending: Some(Box::new(Sending { answers: Some(keyword), ..Sending::default() })),
            ..message.clone()
        }
    }
}

/// What a text asks for, and the answers to it: by the profile's own keywords, or else by those of all profiles.
fn recognise(world: &World, message: &Message, ours: &str, text: &str) -> Option<(Keyword, Vec<String>)> {
    let fitting = |is_wanted: &dyn Fn(&Autoresponder) -> bool| {
        let own = world.autoresponders.iter().filter(|own| own.profile_id == message.profile_id);
        // Of several that fit alike the first one counts.
        let fits = own.filter(|own| is_wanted(own)).filter_map(|own| Some((own.fit(&message.from)?, own)));
        fits.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, own)| own)
    };
    let named = fitting(&|own| own.recognises(text));
    let is_short_code = ours.parse::<PhoneNumber>().is_err();
    let by_default = || match word(text).as_str() {
        "INFO" if is_short_code => Some(Keyword::Help),
        _ => Keyword::of(text),
    };
    let keyword = match named {
        Some(own) => own.op(),
        None => by_default()?,
    };
    let own = named.or_else(|| fitting(&|own| own.op() == keyword));
    let own_answer = own.and_then(|own| own.answer()).map(str::to_owned);
    let network = match word(text).as_str() {
        "STOP" if is_toll_free(ours) => Some(NETWORK_STOP),
        "UNSTOP" if is_toll_free(ours) => Some(NETWORK_UNSTOP),
        _ => None,
    };
    let answers = match network {
        Some(network) => std::iter::once(network.to_owned()).chain(own_answer).collect(),
        None => vec![own_answer.unwrap_or_else(|| default_answer(keyword).to_owned())],
    };
    Some((keyword, answers))
}

fn default_answer(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Stop => {
            "You are unsubscribed and will get no more messages from this number. Reply START to subscribe again."
        }
        Keyword::Start => "You are subscribed to messages from this number again. Reply STOP to unsubscribe.",
        Keyword::Help => {
            "Reply STOP to unsubscribe, START to subscribe again. Message and data rates may apply."
        }
    }
}
