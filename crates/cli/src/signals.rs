//! SIGINT and SIGTERM: the running command is dropped, which rolls back.

use tokio::signal::unix::{SignalKind, signal};

use crate::exit;
use crate::failure::Failure;

/// Waits until the process is asked to stop; gives what to tell.
pub(crate) async fn stopped() -> Failure {
    let signals = signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = match signals {
        Ok(signals) => signals,
        Err(error) => return Failure::new(exit::INTERNAL, "cannot listen for signals").because(&error),
    };
    let (name, code) = tokio::select! {
        _ = interrupt.recv() => ("SIGINT", 130),
        _ = terminate.recv() => ("SIGTERM", 143),
    };
    Failure::new(code, format!("stopped by {name}"))
        .hint("what is recorded and served is as it was; what was fetched is kept for the next try")
}
