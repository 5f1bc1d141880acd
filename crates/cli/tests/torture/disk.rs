//! A disk that remembers every write and every flush, so that each moment at which the power may fail can be seen again.
//!
//! A file system in user space holds one file; a loop device makes it a disk; ext4 is on that. Needs root, `/dev/fuse` and
//! loop devices.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use chantal_testkit::needs::{is_root, programs};
use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::numbers::Draw;

/// Size of the disk in bytes.
const SIZE: usize = 48 << 20;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
const NAME: &str = "disk";
const FILE: INodeNo = INodeNo(2);
const FOREVER: Duration = Duration::from_secs(3600);

/// Whether such disks can be had here. Said loudly where not, and never demanded: containers seldom have them.
pub(crate) fn can_have_disks() -> bool {
    let devices = ["/dev/fuse", "/dev/loop-control"];
    let made = if is_root()
        && devices.iter().all(|path| Path::new(path).exists())
        && programs(&["losetup", "mkfs.ext4", "mount", "umount"])
    {
        Disk::make().map(drop)
    } else {
        Err("it needs root, /dev/fuse, loop devices and mkfs.ext4".to_owned())
    };
    if let Err(reason) = &made {
        eprintln!("SKIPPED: POWER CUTS ARE NOT TESTED HERE: {reason}");
    }
    made.is_ok()
}

/// What happened to a disk.
pub(crate) enum Event {
    Write { offset: usize, bytes: Vec<u8> },
    Flush,
}

#[derive(Default)]
struct State {
    image: Vec<u8>,
    events: Vec<Event>,
    /// Whether events are remembered.
    records: bool,
}

/// The file system with one file.
struct OneFile(Arc<Mutex<State>>);

impl OneFile {
    fn attributes(inode: INodeNo) -> FileAttr {
        let is_file = inode == FILE;
        FileAttr {
            ino: inode,
            size: if is_file { SIZE as u64 } else { 0 },
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file {
                FileType::RegularFile
            } else {
                FileType::Directory
            },
            perm: if is_file { 0o600 } else { 0o700 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for OneFile {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&FOREVER, &Self::attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOREVER, &Self::attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Or the kernel would keep writes to itself.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let state = self.0.lock().unwrap();
        let start = (offset as usize).min(state.image.len());
        let end = (start + size as usize).min(state.image.len());
        reply.data(&state.image[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.0.lock().unwrap();
        let offset = offset as usize;
        let Some(there) = state.image.get_mut(offset..offset + data.len()) else {
            return reply.error(Errno::ENOSPC);
        };
        there.copy_from_slice(data);
        if state.records {
            let bytes = data.to_vec();
            state.events.push(Event::Write { offset, bytes });
        }
        reply.written(data.len() as u32);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut state = self.0.lock().unwrap();
        if state.records {
            state.events.push(Event::Flush);
        }
        reply.ok();
    }
}

fn run(program: &str, arguments: &[&OsStr]) -> Result<Output, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!(
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// An image with an empty ext4, which has nothing left to initialise in the background.
fn formatted() -> Result<Vec<u8>, String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    file.as_file().set_len(SIZE as u64).map_err(|error| error.to_string())?;
    let options = ["-q", "-F", "-m", "0", "-N", "4096", "-J", "size=4"];
    let more = ["-E", "lazy_itable_init=0,lazy_journal_init=0"];
    let mut arguments: Vec<&OsStr> = options.iter().chain(&more).map(OsStr::new).collect();
    arguments.push(file.path().as_os_str());
    run("mkfs.ext4", &arguments)?;
    std::fs::read(file.path()).map_err(|error| error.to_string())
}

/// A disk with an ext4. It is to be mounted, and dropped after its mount.
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    device: PathBuf,
    served: Option<fuser::BackgroundSession>,
    _directory: tempfile::TempDir,
}

impl Disk {
    pub(crate) fn make() -> Result<Self, String> {
        let state = Arc::new(Mutex::new(State {
            image: formatted()?,
            ..State::default()
        }));
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let served = fuser::spawn_mount(OneFile(state.clone()), directory.path(), &Config::default())
            .map_err(|error| format!("mount a file system in user space: {error}"))?;
        let file = directory.path().join(NAME);
        let output = run("losetup", &["--find".as_ref(), "--show".as_ref(), file.as_os_str()])?;
        Ok(Self {
            state,
            device: String::from_utf8_lossy(&output.stdout).trim().into(),
            served: Some(served),
            _directory: directory,
        })
    }

    pub(crate) fn mount(&self, on: &Path) -> Result<Mount, String> {
        let arguments = ["-t", "ext4", "-o", "noatime"].map(OsStr::new);
        let places = [self.device.as_os_str(), on.as_os_str()];
        run("mount", &[&arguments[..], &places].concat())?;
        Ok(Mount(on.to_owned()))
    }

    /// Begins to remember; gives the image as it is.
    pub(crate) fn record(&self) -> Vec<u8> {
        let mut state = self.state.lock().unwrap();
        state.records = true;
        state.image.clone()
    }

    /// How much has happened so far.
    pub(crate) fn events(&self) -> usize {
        self.state.lock().unwrap().events.len()
    }

    /// Ends remembering; gives all that happened.
    pub(crate) fn stop(&self) -> Vec<Event> {
        let mut state = self.state.lock().unwrap();
        state.records = false;
        std::mem::take(&mut state.events)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("losetup", &["--detach".as_ref(), self.device.as_os_str()]);
        drop(self.served.take());
    }
}

/// A mounted file system, unmounted at the end.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts the file of an image; ext4 replays its journal. A superblock of two sectors that was torn has a wrong
    /// checksum, and then a person would call `e2fsck`.
    pub(crate) fn image(file: &Path, on: &Path) -> Result<Self, String> {
        let arguments = ["-t", "ext4", "-o", "loop,noatime"].map(OsStr::new);
        let mount = || run("mount", &[&arguments[..], &[file.as_os_str(), on.as_os_str()]].concat());
        if mount().is_err() {
            // Its exit code says what it mended; whether that was enough, the mount tells.
            let checked = Command::new("e2fsck").args(["-f", "-y"]).arg(file).output();
            println!("mended by e2fsck: {:?}", checked.map(|output| output.status));
            mount()?;
        }
        Ok(Self(on.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if run("umount", &[self.0.as_os_str()]).is_err() {
            let _ = run("umount", &["-l".as_ref(), self.0.as_os_str()]);
        }
    }
}

/// Whether a write that was not flushed is on the disk after all.
fn is_lucky(draw: &mut Draw) -> bool {
    draw.fraction() < 0.5
}

/// The image after the power failed at `cut`: what was flushed before is there; of what was written since, any part may
/// be; of the write at the cut, any of its first sectors.
pub(crate) fn after_cut(base: &[u8], events: &[Event], cut: usize, draw: &mut Draw) -> Vec<u8> {
    let mut image = base.to_vec();
    let flushed = events[..cut].iter().rposition(|event| matches!(event, Event::Flush));
    for (at, event) in events[..cut].iter().enumerate() {
        if let Event::Write { offset, bytes } = event
            && (flushed.is_some_and(|flushed| at < flushed) || is_lucky(draw))
        {
            image[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    }
    if let Some(Event::Write { offset, bytes }) = events.get(cut) {
        let length = SECTOR * draw.below(bytes.len() / SECTOR + 1);
        image[*offset..offset + length].copy_from_slice(&bytes[..length]);
    }
    image
}
