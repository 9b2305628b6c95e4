//! Who has asked not to be texted, and by whom.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One opt-out, as `GET /messaging_optouts` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OptOut {
    pub(crate) profile_id: String,
    /// The number of the account that the person texted.
    pub(crate) from: String,
    /// The person.
    pub(crate) to: String,
    /// The word, as Telnyx knows it.
    pub(crate) keyword: String,
    pub(crate) created_at: Timestamp,
}

/// Whom an opt-out keeps from texting.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// All numbers of a messaging profile, by its id: Telnyx's own block.
    Profile(&'a str),
    /// One number, whatever its profile: the block that carriers keep for toll-free numbers.
    Number(&'a str),
}

impl Scope<'_> {
    fn key(self, person: &str) -> String {
        let (Self::Profile(scope) | Self::Number(scope)) = self;
        format!("{scope} {person}")
    }
}

/// All opt-outs of an account. `all` is what `GET /messaging_optouts` lists.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct OptOuts {
    by_scope_and_person: BTreeMap<String, OptOut>,
}

impl OptOuts {
    /// Keeps an opt-out; one that was there already stays as it is.
    pub(crate) fn add(&mut self, scope: Scope<'_>, opt_out: OptOut) {
        self.by_scope_and_person.entry(scope.key(&opt_out.to)).or_insert(opt_out);
    }

    pub(crate) fn remove(&mut self, scope: Scope<'_>, person: &str) {
        self.by_scope_and_person.remove(&scope.key(person));
    }

    /// Whether a person wants nothing from a number, or from any number of its profile.
    pub(crate) fn forbid(&self, profile_id: &str, from: &str, to: &str) -> bool {
        let scopes = [Scope::Profile(profile_id), Scope::Number(from)];
        scopes.into_iter().any(|scope| self.by_scope_and_person.contains_key(&scope.key(to)))
    }

    /// All opt-outs, oldest first.
    pub(crate) fn all(&self) -> Vec<&OptOut> {
        let mut all: Vec<&OptOut> = self.by_scope_and_person.values().collect();
        all.sort_by_key(|opt_out| opt_out.created_at);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_and_a_number_are_blocked_apart() {
        let mut opt_outs = OptOuts::default();
        let opt_out = OptOut {
            profile_id: "p".into(),
            from: "+1".into(),
            to: "+9".into(),
            keyword: "STOP".into(),
            created_at: Timestamp::UNIX_EPOCH,
        };
        opt_outs.add(Scope::Profile("p"), opt_out.clone());
        opt_outs.add(Scope::Number("+1"), opt_out);
        assert!(opt_outs.forbid("p", "+2", "+9") && opt_outs.forbid("q", "+1", "+9"));
        assert!(!opt_outs.forbid("q", "+2", "+9") && !opt_outs.forbid("p", "+1", "+8"));
        opt_outs.remove(Scope::Profile("p"), "+9");
        assert!(!opt_outs.forbid("p", "+2", "+9") && opt_outs.forbid("p", "+1", "+9"));
        assert_eq!(opt_outs.all().len(), 1);
    }
}
