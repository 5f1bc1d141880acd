//! Places where tests make things fail. A normal build has none of them: without the feature `failpoints` the macros are
//! what they wrap, and no name is left.
//!
//! `FAILPOINTS` says what happens where, in the language of the crate `fail`: `panic`; `return(abort)` ends the process at
//! once, as `kill -9` would; `return(5)` gives the error of that number; `return(skip)` leaves a barrier out. Every place
//! that is reached adds its name to the file that `CHANTAL_FAULT_TRACE` names.

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs::File;
    use std::io::{self, Write};
    use std::sync::OnceLock;

    static TRACE: OnceLock<File> = OnceLock::new();

    /// Reads the environment. The program calls it once, at its start.
    ///
    /// # Panics
    /// If `FAILPOINTS` cannot be read: the test is wrong.
    pub fn arm() {
        std::mem::forget(fail::FailScenario::setup());
        if let Some(path) = std::env::var_os("CHANTAL_FAULT_TRACE") {
            let file = File::options().append(true).create(true).open(path);
            TRACE.get_or_init(|| file.expect("a test names a file that can be written"));
        }
    }

    fn asked(name: &str) -> Option<String> {
        if let Some(mut trace) = TRACE.get() {
            // One call of `write`, so that lines of several threads do not mix.
            trace
                .write_all(format!("{name}\n").as_bytes())
                .expect("the trace of a test can be written");
        }
        fail::fail_point!(name, |argument| Some(argument.unwrap_or_default()));
        None
    }

    /// Gives the error that a test asked for here, or ends the process.
    pub fn reach(name: &str) -> io::Result<()> {
        match asked(name).as_deref() {
            None | Some("skip") => Ok(()),
            Some("abort") => std::process::abort(),
            Some(number) => Err(number
                .parse()
                .map_or_else(|_| io::Error::other(name.to_owned()), io::Error::from_raw_os_error)),
        }
    }

    /// Whether a test asked to leave out what comes here.
    pub fn skipped(name: &str) -> bool {
        asked(name).as_deref() == Some("skip")
    }
}

#[cfg(feature = "failpoints")]
pub use armed::{arm, reach, skipped};

/// Does nothing: this build has no such places.
#[cfg(not(feature = "failpoints"))]
pub fn arm() {}

/// A place: `Ok`, or the error that a test asked for.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! fault {
    ($name:literal) => {
        $crate::fault::reach($name)
    };
}

/// A place: `Ok`.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! fault {
    ($name:literal) => {
        ::std::io::Result::Ok(())
    };
}

/// What is called, with a place before it, `…::before`, and one after it, `…::after`. Its error has to come from an
/// `io::Error`.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! faulty {
    ($name:literal, $call:expr) => {
        match $crate::fault::reach(concat!($name, "::before")) {
            Err(error) => Err(error.into()),
            Ok(()) => match $call {
                Ok(value) => match $crate::fault::reach(concat!($name, "::after")) {
                    Ok(()) => Ok(value),
                    Err(error) => Err(error.into()),
                },
                Err(error) => Err(error),
            },
        }
    };
}

/// What is called.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! faulty {
    ($name:literal, $call:expr) => {
        $call
    };
}

/// Whether a test asked to leave out what comes here.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! skipped {
    ($name:literal) => {
        $crate::fault::skipped($name)
    };
}

/// Whether a test asked to leave out what comes here: no.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! skipped {
    ($name:literal) => {
        false
    };
}
