//! Parts of large files that outlive the run that began them.
//!
//! A part is `<pool>/tmp/<key>.part`, its key made of the promise; beside it, `<key>.note` says which URL and which
//! validator it belongs to, once the part is worth keeping. Whoever writes a part holds its lock; others take the file
//! anew under a name of their own. Bytes that were kept are hashed again, so nothing rests on what a crash left.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chantal_model::{Digester, Note, Promise, Sha256};

/// Smaller parts are not kept.
pub const KEPT_PART_BYTES: u64 = 1 << 20;
const BUFFER: usize = 1 << 20;
const MAX_NOTE_BYTES: u64 = 8 << 10;

/// What belongs to a part beside its bytes.
pub(crate) struct Part {
    note_path: PathBuf,
    note: Option<Note>,
    /// Whether the note is on disk, so that the part is kept.
    is_kept: bool,
}

/// A part that was opened.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) part: Part,
}

/// The key of a file that is worth a part: large, or of unknown size, and told by a digest that is not weak.
pub(crate) fn key(promise: &Promise) -> Option<Sha256> {
    if promise.size.is_some_and(|size| size <= KEPT_PART_BYTES) {
        return None;
    }
    let strong = promise.digests.iter().filter(|digest| !digest.algorithm().is_weak());
    let lines: Vec<String> = strong
        .map(|digest| format!("{} {}", digest.algorithm().name(), digest.hex()))
        .collect();
    (!lines.is_empty()).then(|| Sha256::of(format!("{}\n{:?}", lines.join("\n"), promise.size).as_bytes()))
}

/// Whether a name is one of parts and their notes.
pub(crate) fn is_part(name: &Path) -> bool {
    name.extension().is_some_and(|end| end == "part" || end == "note")
}

/// Opens the part of this key; `None` if somebody else writes it. What it holds goes through `digester`.
pub(crate) fn open(directory: &Path, key: &Sha256, digester: &mut Digester) -> io::Result<Option<Opened>> {
    let path = directory.join(format!("{key}.part"));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)?;
    if file.try_lock().is_err() || !is_still(&path, &file)? {
        return Ok(None);
    }
    let mut part = Part {
        note_path: directory.join(format!("{key}.note")),
        note: None,
        is_kept: false,
    };
    part.note = read_note(&part.note_path);
    part.is_kept = part.note.is_some();
    if part.is_kept {
        let mut buffer = vec![0; BUFFER];
        while let n @ 1.. = file.read(&mut buffer)? {
            digester.update(&buffer[..n]);
        }
    } else {
        file.set_len(0)?;
    }
    file.seek(SeekFrom::End(0))?;
    Ok(Some(Opened { path, file, part }))
}

/// Whether a path still names the file that was opened: its writer may have made it a blob before the lock was free.
fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    let opened = file.metadata()?;
    Ok(match std::fs::symlink_metadata(path) {
        Ok(named) => (named.dev(), named.ino()) == (opened.dev(), opened.ino()) && opened.mode() & 0o200 != 0,
        Err(_) => false,
    })
}

fn read_note(path: &Path) -> Option<Note> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(MAX_NOTE_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    let mut lines = text.lines();
    let place = lines.next()?.parse().ok()?;
    let validator = lines.next()?.to_owned();
    // A note that was cut off has no last line.
    (lines.next() == Some("end")).then_some(Note { place, validator })
}

impl Part {
    pub(crate) fn note(&self) -> Option<&Note> {
        self.note.as_ref()
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Notes what the part belongs to from now on; `len_bytes` is what it has on disk.
    pub(crate) fn set_note(&mut self, note: Option<Note>, len_bytes: u64) {
        self.forget();
        self.note = note;
        self.keep(len_bytes);
    }

    /// Writes the note once the part is worth it. Failing that, the part is not kept, which is no failure.
    pub(crate) fn keep(&mut self, len_bytes: u64) {
        let Some(note) = self
            .note
            .as_ref()
            .filter(|_| !self.is_kept && len_bytes >= KEPT_PART_BYTES)
        else {
            return;
        };
        let text = format!("{}\n{}\nend\n", note.place, note.validator);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.note_path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        self.is_kept = written.is_ok();
    }

    /// Takes the note away: the part is not kept.
    pub(crate) fn forget(&mut self) {
        self.note = None;
        if std::mem::take(&mut self.is_kept) {
            let _ = std::fs::remove_file(&self.note_path);
        }
    }
}
