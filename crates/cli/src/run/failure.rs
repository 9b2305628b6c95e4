//! Turns the reasons for which a gateway or a sandbox does not start into failures that say what to do.

use std::error::Error;
use std::io;

use inlet_engine::EngineError;
use inlet_store::{BlobError, StoreError};

use crate::exit::{Exit, Failure};

/// A listener did not start. `section` is the part of the configuration that places it.
pub(super) fn of_listener(section: &str, error: impl Error + Send + Sync + 'static) -> anyhow::Error {
    let Some(cause) = io_cause(&error) else { return error.into() };
    let remedy = match cause.kind() {
        io::ErrorKind::AddrInUse => format!("another process listens there; {}", elsewhere(section)),
        io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need a privilege; {}", elsewhere(section))
        }
        _ => elsewhere(section),
    };
    Failure::new(Exit::Address, format!("{error}: {}", reason(cause)), remedy).into()
}

/// The sandbox's state file cannot be used.
pub(super) fn of_state(error: impl Error + Send + Sync + 'static) -> anyhow::Error {
    let causes: Vec<String> = chain(&error).skip(1).map(ToString::to_string).collect();
    let remedy = "name another one with --state, or move the file away to start afresh";
    Failure::new(Exit::Configuration, causes.join(": "), remedy).into()
}

fn elsewhere(section: &str) -> String {
    let variable = section.to_ascii_uppercase();
    format!("choose another address with --{section}-listen, INLET_{variable}__LISTEN or `{section}.listen`")
}

fn reason(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => cause.to_string(),
    }
}

fn io_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The store did not open, or failed while the gateway started.
pub(crate) fn of_store(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Open { .. } => {
            let remedy = "`store.url` names the database; `inlet config show` tells where that is set";
            Failure::new(Exit::Store, error.to_string(), remedy).into()
        }
        StoreError::Unavailable { .. } | StoreError::Closed => {
            let remedy = "free space on the disk, end other programs that use the database, and try again";
            Failure::new(Exit::Store, error.to_string(), remedy).into()
        }
        other => other.into(),
    }
}

/// The media folder did not open.
pub(super) fn of_blobs(error: BlobError) -> anyhow::Error {
    let remedy = "give `media.url` a folder that inlet may write";
    Failure::new(Exit::Store, error.to_string(), remedy).into()
}

/// The engine did not start.
pub(super) fn of_engine(error: EngineError) -> anyhow::Error {
    let causes: Vec<String> = chain(&error).map(ToString::to_string).collect();
    match error {
        EngineError::Client(_) => error.into(),
        _ => Failure::new(Exit::Configuration, causes.join(": "), "correct it in the configuration").into(),
    }
}

#[cfg(test)]
mod tests {
    use inlet_server::ServerError;

    use super::*;

    #[test]
    fn an_address_in_use_says_how_to_choose_another() {
        let address = "127.0.0.1:5000".parse().unwrap();
        let listen = ServerError::Listen { address, source: io::ErrorKind::AddrInUse.into() };
        let error = of_listener("webhooks", listen);
        assert_eq!(error.to_string(), "cannot listen on `127.0.0.1:5000`: the address is in use");
        assert_eq!(error.downcast_ref::<Failure>().unwrap().exit(), Exit::Address);
    }
}
