//! The stable exit codes. `docs/reference/exit-codes.md` explains them; scripts rely on them.

use crate::failure::Failure;

/// Everything was done.
pub(crate) const OK: u8 = 0;
/// A bug or something unforeseen.
pub(crate) const INTERNAL: u8 = 1;
/// Usage or configuration.
pub(crate) const USAGE: u8 = 2;
/// The local store is damaged or only read, or the server of its database is away.
pub(crate) const DAMAGED: u8 = 8;
/// Finished, but something was left out.
pub(crate) const PARTIAL: u8 = 9;
/// Differences were found and `--exit-code` was given.
pub(crate) const DIFFERENT: u8 = 10;

/// What a command comes to: an exit code after output, or a failure that is still to be told.
pub(crate) type Outcome = Result<u8, Failure>;

/// One code for several repositories: theirs if they agree, 9 if not.
pub(crate) fn combine(codes: impl IntoIterator<Item = u8>) -> u8 {
    let mut codes = codes.into_iter();
    let Some(first) = codes.next() else {
        return OK;
    };
    if codes.all(|code| code == first) {
        first
    } else {
        PARTIAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_that_agree_give_their_code_and_others_nine() {
        assert_eq!(combine([]), 0);
        assert_eq!(combine([0, 0]), 0);
        assert_eq!(combine([3, 3]), 3);
        assert_eq!(combine([0, 3]), 9);
        assert_eq!(combine([4, 3]), 9);
    }
}
