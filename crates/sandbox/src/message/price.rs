//! What messages cost: prices of the size of real ones, and nobody's bill.

use serde_json::{Value, json};

use crate::message::{Direction, Message};

/// Rate and carrier fee of a part of an SMS, in hundred-thousandths of a dollar.
const SMS: (u64, u64) = (400, 300);
/// Rate and carrier fee of an MMS.
const MMS: (u64, u64) = (1500, 1000);

impl Message {
    /// Parts that are paid for: an MMS is one however long its text.
    pub(crate) fn parts(&self) -> usize {
        if self.is_mms { 1 } else { self.coding.parts }
    }

    /// Price of the message for all its recipients, in hundred-thousandths of a dollar. Only what goes out costs, and
    /// a cancelled message does not.
    pub(crate) fn cost_hundred_thousandths(&self) -> u64 {
        let (rate, fee) = self.rate_and_fee();
        rate + fee
    }

    /// The parts of the price: Telnyx's own, and what it passes on to the carrier.
    pub(crate) fn rate_and_fee(&self) -> (u64, u64) {
        if self.direction == Direction::Inbound || self.is_cancelled() {
            return (0, 0);
        }
        let (rate, fee) = if self.is_mms { MMS } else { SMS };
        let count = (self.parts() * self.recipients.len()) as u64;
        (rate * count, fee * count)
    }

    /// `cost` and `cost_breakdown` of an outbound message.
    pub(crate) fn shown_cost(&self) -> (Value, Value) {
        let (rate, fee) = self.rate_and_fee();
        if self.is_cancelled() {
            return (money("0.0".to_owned()), Value::Null);
        }
        let total = dollars(self.cost_hundred_thousandths());
        // The total has four decimals where its parts have five.
        let cost = money(total[..total.len() - 1].to_owned());
        (cost, json!({"carrier_fee": money(dollars(fee)), "rate": money(dollars(rate))}))
    }
}

/// An amount with five decimals.
pub(crate) fn dollars(hundred_thousandths: u64) -> String {
    format!("{}.{:05}", hundred_thousandths / 100_000, hundred_thousandths % 100_000)
}

fn money(amount: String) -> Value {
    json!({ "amount": amount, "currency": "USD" })
}
