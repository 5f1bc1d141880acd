//! Which exit code belongs to which error.

use chantal_formats::FormatError;

/// Which stable exit code an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitClass {
    /// A bug or something unforeseen.
    Internal = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Upstream cannot be reached, or refuses; a later try may help.
    Unreachable = 3,
    /// Digest, size or signature is wrong.
    Refused = 4,
    /// Upstream's data are malformed.
    Malformed = 5,
    /// A limit was hit: disk, inodes, descriptors, a bomb.
    Limit = 6,
    /// Somebody else holds it.
    Busy = 7,
    /// The local store is damaged or only read, or the server of its database is away.
    Damaged = 8,
    /// Finished, but something was left out.
    Partial = 9,
    /// Ended because somebody asked for it, as by SIGTERM.
    Cancelled = 143,
}

pub(super) fn of_backup(error: &crate::backup::BackupError) -> ExitClass {
    if error.is_damage() {
        ExitClass::Damaged
    } else {
        ExitClass::Usage
    }
}

pub(crate) fn of_fetch(error: &chantal_fetch::FetchError) -> ExitClass {
    use chantal_fetch::Kind;
    match error.kind() {
        Kind::Unreachable | Kind::Credentials | Kind::NotFound => ExitClass::Unreachable,
        Kind::Refused => ExitClass::Refused,
        Kind::Malformed => ExitClass::Malformed,
        Kind::Limit => ExitClass::Limit,
        Kind::Local => error.local().map_or(ExitClass::Usage, of_io),
    }
}

pub(super) fn of_format(error: &FormatError) -> ExitClass {
    match error {
        FormatError::Malformed { .. } | FormatError::Missing { .. } => ExitClass::Malformed,
        FormatError::Refused { .. } | FormatError::Weak { .. } => ExitClass::Refused,
        FormatError::Limit { .. } => ExitClass::Limit,
        FormatError::Io { source, .. } => of_io(source),
        FormatError::Stopped => ExitClass::Internal,
    }
}

/// Whether a disk has no room, or no more for this user.
pub(super) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

pub(crate) fn of_io(error: &std::io::Error) -> ExitClass {
    use std::io::ErrorKind;
    match error.kind() {
        _ if is_full(error) => ExitClass::Limit,
        ErrorKind::FileTooLarge => ExitClass::Limit,
        ErrorKind::ReadOnlyFilesystem => ExitClass::Damaged,
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::AlreadyExists => ExitClass::Usage,
        _ => match error.raw_os_error() {
            Some(5) => ExitClass::Damaged,
            Some(23 | 24) => ExitClass::Limit,
            _ => ExitClass::Internal,
        },
    }
}

pub(super) fn of_code(code: u8) -> ExitClass {
    match code {
        2 => ExitClass::Usage,
        3 => ExitClass::Unreachable,
        4 => ExitClass::Refused,
        5 => ExitClass::Malformed,
        6 => ExitClass::Limit,
        7 => ExitClass::Busy,
        8 => ExitClass::Damaged,
        9 => ExitClass::Partial,
        _ => ExitClass::Internal,
    }
}
