//! The accounts of a sandbox, each with its own key, numbers, clock and state; found by key or by name.

use std::sync::{Arc, Mutex, PoisonError};

use inlet_telnyx::InvalidKey;

use crate::account::Account;
use crate::config::AccountSettings;
use crate::host::Host;
use crate::webhook::courier;

/// Accounts at one time; each holds logs and a task of its own.
const MAX_ACCOUNTS: usize = 1000;

/// Why an account cannot be added.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Names tell accounts apart.
    #[error("there is an account `{name}` already")]
    NameTaken {
        /// The name as given.
        name: String,
    },
    /// Keys tell accounts apart.
    #[error("the API key of account `{name}` is another account's")]
    KeyTaken {
        /// The account that was to be added.
        name: String,
    },
    /// Each account takes memory.
    #[error("there are {MAX_ACCOUNTS} accounts already; delete one before adding `{name}`")]
    TooMany {
        /// The account that was to be added.
        name: String,
    },
    /// The seed gives no usable key; one in 2²⁵² does.
    #[error("cannot derive a signing key for account `{name}`")]
    Key {
        /// The account that was to be added.
        name: String,
        /// What is wrong with the key.
        #[source]
        source: InvalidKey,
    },
}

/// All accounts. The first is the default one and stays.
pub(crate) struct Accounts {
    pub(crate) host: Arc<Host>,
    default: Arc<Account>,
    // Guards the list for the length of one look.
    further: Mutex<Vec<Arc<Account>>>,
}

impl Accounts {
    /// Opens the default account and sets its webhooks going.
    pub(crate) fn open(host: Arc<Host>) -> Result<Self, InvalidKey> {
        let default = start(&host, host.config.default_account())?;
        Ok(Self { host, default, further: Mutex::default() })
    }

    pub(crate) fn default(&self) -> &Arc<Account> {
        &self.default
    }

    /// All accounts, the default one first.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        let mut all = vec![self.default.clone()];
        all.extend(self.lock().iter().cloned());
        all
    }

    /// The account whose API key this is. Every key is compared in constant time.
    pub(crate) fn by_key(&self, key: &str) -> Option<Arc<Account>> {
        self.all().into_iter().find(|account| account.has_key(key))
    }

    /// Opens one more account.
    pub(crate) fn add(&self, settings: AccountSettings) -> Result<Arc<Account>, AccountError> {
        let name = settings.name.clone();
        let account = Account::open(&self.host, settings)
            .map_err(|source| AccountError::Key { name: name.clone(), source })?;
        let account = Arc::new(account);
        let mut further = self.lock();
        let mut others = std::iter::once(&self.default).chain(further.iter());
        if let Some(other) =
            others.find(|other| other.name == name || other.has_key(&account.identity.api_key))
        {
            return Err(match other.name == name {
                true => AccountError::NameTaken { name },
                false => AccountError::KeyTaken { name },
            });
        }
        if further.len() + 1 >= MAX_ACCOUNTS {
            return Err(AccountError::TooMany { name });
        }
        further.push(account.clone());
        self.host.tracker.spawn(courier::run(account.clone()));
        Ok(account)
    }

    /// Ends an account and all its work; false when there is none, or it is the default one.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut further = self.lock();
        let Some(index) = further.iter().position(|account| account.name == name) else { return false };
        further.remove(index).close();
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Account>>> {
        self.further.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(host: &Arc<Host>, settings: AccountSettings) -> Result<Arc<Account>, InvalidKey> {
    let account = Arc::new(Account::open(host, settings)?);
    host.tracker.spawn(courier::run(account.clone()));
    Ok(account)
}
