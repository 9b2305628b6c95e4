//! The accounts of a sandbox, each with its own key, numbers, clock and state; found by key or by name.

use std::sync::{Arc, Mutex, PoisonError};

use inlet_telnyx::InvalidKey;

use crate::account::Account;
use crate::account::snapshot::{Snapshot, SnapshotError};
use crate::config::AccountSettings;
use crate::host::Host;
use crate::webhook::courier;

/// Accounts at one time; each holds logs and a task of its own.
const MAX_ACCOUNTS: usize = 1000;

/// Why an account cannot be added.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No request could use it.
    #[error("`{field}` of account `{name}` {problem}")]
    Unusable {
        /// The account that was to be added.
        name: String,
        /// What is wrong.
        field: &'static str,
        /// What about it.
        problem: &'static str,
    },
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

/// Why the accounts cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Key(#[from] InvalidKey),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// All accounts. The first is the default one and stays.
pub(crate) struct Accounts {
    pub(crate) host: Arc<Host>,
    default: Arc<Account>,
    // Guards the list for the length of one look.
    further: Mutex<Vec<Arc<Account>>>,
}

impl Accounts {
    /// Opens the default account, and others that a file has kept, and sets their webhooks going.
    pub(crate) fn open(host: Arc<Host>, kept: Vec<Snapshot>) -> Result<Self, OpenError> {
        let mut kept = kept.into_iter();
        let settings = host.config.default_account();
        let default = match kept.next() {
            None => start(&host, settings)?,
            Some(snapshot) => {
                let account = start(&host, snapshot.settings_under(settings))?;
                account.take_up(snapshot)?;
                account
            }
        };
        let accounts = Self { host, default, further: Mutex::default() };
        for snapshot in kept {
            accounts.add(snapshot.account.clone())?.take_up(snapshot)?;
        }
        Ok(accounts)
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
        check_usable(&settings)?;
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
        self.host.dirty.notify_one();
        Ok(account)
    }

    /// Ends an account and all its work; false when there is none, or it is the default one.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut further = self.lock();
        let Some(index) = further.iter().position(|account| account.name == name) else { return false };
        further.remove(index).close();
        self.host.dirty.notify_one();
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

/// A name stands in paths, a key in a header, and everything is from or to a number.
fn check_usable(settings: &AccountSettings) -> Result<(), AccountError> {
    let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let name = settings.name.as_str();
    let unusable = |field, problem| Err(AccountError::Unusable { name: name.to_owned(), field, problem });
    if !is_visible(name) || name.contains('/') || [".", ".."].contains(&name) {
        return unusable("name", "is not visible ASCII that can stand in a path");
    }
    if settings.api_key.as_deref().is_some_and(|key| !is_visible(key)) {
        return unusable("api_key", "is not visible ASCII");
    }
    if settings.numbers.is_empty() {
        return unusable("numbers", "is empty; leave it out for one number");
    }
    Ok(())
}
