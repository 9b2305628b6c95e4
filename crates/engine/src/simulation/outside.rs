//! Everything outside the simulated process: a destination, Telnyx and its media, which fail as chance says and keep
//! a ledger of what truly happened to them. They outlive the process.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::fate::{Chance, Fate};
use crate::destinations::{Ack, Deliver, Delivery, DeliveryFailure};

/// What happened outside.
#[derive(Default)]
pub(crate) struct Ledger {
    /// How often a destination took an event, by destination and event id.
    pub(crate) taken: HashMap<(String, String), u32>,
    /// What was sent, by the text: texts are unique.
    pub(crate) sent: HashMap<String, u32>,
    /// Messages that were asked for again although the first answer left it open whether they were sent.
    pub(crate) asked_again: Vec<String>,
    /// Texts that were asked for and not refused: sent, or nobody inside can know.
    pub(crate) open_or_sent: HashSet<String>,
    /// Bytes by send key: they must never change.
    bodies: HashMap<String, Vec<u8>>,
    /// Events that Telnyx will send about what it sent: id and body.
    pub(crate) receipts: Vec<(String, String)>,
}

/// The world outside.
pub(crate) struct Outside {
    pub(crate) ledger: Mutex<Ledger>,
    chance: Arc<Chance>,
    // The process alive now; those before have their own, in which they stay dead.
    fate: Mutex<Arc<Fate>>,
    plan: Mutex<Option<Deed>>,
}

/// What a party does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Does it and says so.
    Do,
    /// Does it, and the answer is lost.
    DoSilently,
    /// Does it, and answers an error.
    DoAndComplain,
    /// Does nothing and says that it might be done later.
    NotNow,
    /// Does nothing and says why, for good.
    Refuse,
    /// Does nothing, and nobody can tell.
    Nothing,
    /// Never ends. Chance never says so: it would cost real time.
    Hang,
}

impl Outside {
    pub(crate) fn new(chance: Arc<Chance>) -> Arc<Self> {
        let fate = Mutex::new(Arc::new(Fate::immortal()));
        Arc::new(Self { ledger: Mutex::default(), chance, fate, plan: Mutex::default() })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    pub(crate) fn serve(&self, fate: Arc<Fate>) {
        *self.fate.lock().unwrap() = fate;
    }

    /// From now on everybody does the same.
    pub(crate) fn always(&self, deed: Deed) {
        *self.plan.lock().unwrap() = Some(deed);
    }

    fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate.lock().unwrap())
    }

    fn deed(&self) -> Deed {
        if let Some(deed) = *self.plan.lock().unwrap() {
            return deed;
        }
        match self.chance.below(100) {
            0..60 => Deed::Do,
            60..70 => Deed::DoSilently,
            70..75 => Deed::DoAndComplain,
            75..88 => Deed::NotNow,
            88..94 => Deed::Refuse,
            _ => Deed::Nothing,
        }
    }

    /// Serves Telnyx's API and its media until the runtime ends.
    pub(crate) async fn listen(self: &Arc<Self>) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let outside = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let outside = Arc::clone(&outside);
                tokio::spawn(async move { outside.answer(socket).await });
            }
        });
        url
    }

    async fn answer(&self, mut socket: TcpStream) -> io::Result<()> {
        let Some((head, body)) = read(&mut socket).await? else { return Ok(()) };
        let fate = self.fate();
        let answer = match head.strip_prefix("GET /m/").and_then(|rest| rest.split(' ').next()) {
            Some(name) => self.media(name),
            None => self.take_message(&head, body),
        };
        if *self.plan.lock().unwrap() == Some(Deed::Hang) {
            std::future::pending::<()>().await;
        }
        // Here the process may die with its request done and its answer on the way.
        fate.step().await;
        match answer {
            Some((status, body)) => {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                socket.write_all(&[head.as_bytes(), &body].concat()).await
            }
            None => socket.set_zero_linger(),
        }
    }

    fn media(&self, name: &str) -> Option<(u16, Vec<u8>)> {
        match self.deed() {
            Deed::Do | Deed::Refuse => Some((200, attachment(name))),
            Deed::DoAndComplain => Some((200, attachment("another"))),
            Deed::NotNow => Some((404, Vec::new())),
            Deed::DoSilently | Deed::Nothing | Deed::Hang => None,
        }
    }

    fn take_message(&self, head: &str, body: Vec<u8>) -> Option<(u16, Vec<u8>)> {
        let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap().to_owned();
        let deed = self.deed();
        let mut ledger = self.ledger();
        let request: Value = serde_json::from_slice(&body).unwrap();
        let text = request["text"].as_str().unwrap().to_owned();
        let first_body = ledger.bodies.entry(key.clone()).or_insert_with(|| body.clone());
        assert_eq!(*first_body, body, "one key, one body");
        if ledger.open_or_sent.contains(&text) {
            ledger.asked_again.push(text.clone());
        }
        if !matches!(deed, Deed::NotNow | Deed::Refuse) {
            ledger.open_or_sent.insert(text);
        }
        if matches!(deed, Deed::Do | Deed::DoSilently | Deed::DoAndComplain) {
            ledger.send(&key, &request);
        }
        let error = |code: &str| json!({"errors": [{"code": code, "title": "No"}]}).to_string().into_bytes();
        match deed {
            Deed::Do => Some((200, json!({"data": {"id": format!("m-{key}")}}).to_string().into_bytes())),
            Deed::DoAndComplain => Some((500, Vec::new())),
            Deed::NotNow => Some((429, error("10011"))),
            Deed::Refuse => Some((422, error("40310"))),
            Deed::DoSilently | Deed::Nothing | Deed::Hang => None,
        }
    }
}

impl Ledger {
    fn send(&mut self, key: &str, request: &Value) {
        *self.sent.entry(request["text"].as_str().unwrap().to_owned()).or_default() += 1;
        for (event_type, status) in [("message.sent", "sent"), ("message.finalized", "delivered")] {
            let id = format!("{event_type}-{key}");
            let payload = json!({
                "id": format!("m-{key}"),
                "direction": "outbound",
                "record_type": "message",
                "from": {"phone_number": request["from"]},
                "to": [{"phone_number": request["to"], "status": status}],
                "text": request["text"],
                "webhook_url": request["webhook_url"],
            });
            let event = json!({"id": id, "event_type": event_type, "payload": payload});
            self.receipts.push((id, json!({ "data": event }).to_string()));
        }
    }
}

/// The bytes of an attachment.
pub(crate) fn attachment(name: &str) -> Vec<u8> {
    format!("\u{89}PNG\r\n attachment {name}").into_bytes()
}

async fn read(socket: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= at + 4 + length {
                return Ok(Some((head, bytes.split_off(at + 4))));
            }
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// A destination outside.
pub(crate) struct Recipient {
    pub(crate) name: String,
    pub(crate) outside: Arc<Outside>,
}

#[async_trait]
impl Deliver for Recipient {
    fn name(&self) -> &'static str {
        "simulated"
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Ack, DeliveryFailure> {
        let (fate, deed) = (self.outside.fate(), self.outside.deed());
        fate.step().await;
        assert!(!delivery.event_id.starts_with("poison"), "a handler panics over one event");
        if matches!(deed, Deed::Do | Deed::DoSilently | Deed::DoAndComplain) {
            let key = (self.name.clone(), delivery.event_id.clone());
            *self.outside.ledger().taken.entry(key).or_default() += 1;
        }
        fate.step().await;
        match deed {
            Deed::Do => Ok(Ack::default()),
            Deed::Nothing => panic!("a handler panics"),
            Deed::Hang => std::future::pending().await,
            deed => Err(DeliveryFailure::passing(format!("{deed:?}"))),
        }
    }
}
