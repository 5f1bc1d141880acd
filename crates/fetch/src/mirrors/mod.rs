//! Several places of one content: in which order they are asked, and which are left.
//!
//! Each file is asked for at one mirror after another until one gives it as promised. A mirror that fails is left for
//! that file; one that fails [`PATIENCE`] times in a row, or whose files all come too slowly, is left for the rest of the
//! run, as long as another one remains. Connections, server errors and slowness count at once; a file that is absent or altered counts when another
//! mirror had it, for otherwise the fault is not the mirror's.

mod guard;
mod list;
mod metalink;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chantal_model::{Landing, Promise, masked};
use url::Url;

pub(crate) use guard::{Elsewhere, LeadsHere, is_guarded, is_link_local, is_near};
pub use list::{ListError, Listed, MAX_LIST_BYTES, MAX_MIRRORS, read};
pub use metalink::{Metalink, metalink};

use crate::client::{Client, Outcome, Request, Validators, pause};
use crate::error::{FetchError, Problem};
use crate::options::ClientOptions;
use crate::pace::Pace;
use crate::resolve::{ResolveError, resolve};

/// So many failures in a row, and a mirror is left for the rest of the run.
const PATIENCE: u32 = 3;
/// The most mirrors of a list that are asked for one file.
const MAX_ASKED: usize = 16;

/// A file as metadata names it, relative to whichever mirror has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// A base that metadata names in place of the feed's.
    pub base: Option<Box<str>>,
    /// Where it is below its base.
    pub href: Box<str>,
}

/// A file to fetch from whichever mirror has it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which.
    pub reference: Reference,
    /// What it must be.
    pub promise: Option<Promise>,
    /// The most bytes that may come where no size is promised.
    pub limit_bytes: u64,
    /// Ask only for something newer than this; validators hold for one URL.
    pub validators: Option<(Url, Validators)>,
    /// Whether the first mirror that says that it does not have the file is believed: nothing promises that anybody
    /// has it, and a mirror that was left need not be asked.
    pub is_optional: bool,
    /// Whether people are told of mirrors that were asked before the one that gave it.
    pub tells: bool,
}

/// The mirrors of one content. Clones share what is known about them.
#[derive(Clone)]
pub struct Mirrors {
    inner: Arc<Inner>,
}

struct Inner {
    bases: Vec<Mirror>,
    /// What the entry point must be, where a list says it.
    promise: Option<Promise>,
    /// The mirror that is asked first: that of the entry point, which surely has what it names.
    first: AtomicUsize,
    asked: usize,
    /// Lines about mirrors that were left, until they are taken.
    news: Mutex<Vec<String>>,
}

struct Mirror {
    base: Url,
    failures: AtomicU32,
    /// How fast its files came.
    pace: Mutex<Option<Pace>>,
    is_left: AtomicBool,
}

/// A mirror and where a file is on it.
struct Candidate {
    mirror: usize,
    url: Url,
}

impl Mirrors {
    /// Feeds that the configuration names, best first. There must be one.
    pub fn configured(feeds: Vec<Url>) -> Self {
        let asked = feeds.len();
        Self::new(feeds, None, asked)
    }

    /// What a list names.
    pub fn listed(listed: Listed) -> Self {
        Self::new(listed.bases, listed.promise, MAX_ASKED)
    }

    fn new(bases: Vec<Url>, promise: Option<Promise>, asked: usize) -> Self {
        assert!(
            !bases.is_empty(),
            "the configuration and the reader of lists give at least one"
        );
        let mirror = |base| Mirror {
            base,
            failures: AtomicU32::new(0),
            pace: Mutex::new(None),
            is_left: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(Inner {
                bases: bases.into_iter().map(mirror).collect(),
                promise,
                first: AtomicUsize::new(0),
                asked,
                news: Mutex::new(Vec::new()),
            }),
        }
    }

    /// What the entry point must be, where a list says it.
    pub fn promise(&self) -> Option<&Promise> {
        self.inner.promise.as_ref()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.inner.bases.len()
    }

    /// Where a file is on the mirror that is asked first.
    pub fn url(&self, reference: &Reference) -> Result<Url, ResolveError> {
        let first = if self.count() == 1 {
            0
        } else {
            self.order().first().copied().unwrap_or(0)
        };
        self.at(first, reference)
    }

    fn at(&self, mirror: usize, reference: &Reference) -> Result<Url, ResolveError> {
        resolve(
            &self.inner.bases[mirror].base,
            reference.base.as_deref(),
            &reference.href,
        )
    }

    /// Takes the lines about mirrors that were left since the last call.
    pub fn take_news(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks this mirror first from now on; `url` is one of the file that `reference` names.
    pub fn prefer(&self, url: &Url, reference: &Reference) {
        if let Some(mirror) = self.find(url, reference) {
            self.inner.first.store(mirror, Ordering::Relaxed);
        }
    }

    /// Leaves a mirror for the rest of the run, because of what came from there; says whether another one remains.
    pub fn leave(&self, url: &Url, reference: &Reference, why: &str) -> bool {
        let Some(mirror) = self.find(url, reference) else {
            return false;
        };
        self.leave_one(mirror, why)
    }

    /// Where a file is on each mirror, those that were left included.
    pub fn urls<'a>(&'a self, reference: &'a Reference) -> impl Iterator<Item = Url> + 'a {
        (0..self.count()).filter_map(|mirror| self.at(mirror, reference).ok())
    }

    fn find(&self, url: &Url, reference: &Reference) -> Option<usize> {
        (0..self.count()).find(|mirror| self.at(*mirror, reference).is_ok_and(|at| at == *url))
    }

    /// The mirrors that are not left, in the order in which they are asked.
    fn order(&self) -> Vec<usize> {
        let first = self.inner.first.load(Ordering::Relaxed);
        let is_open = |mirror: &usize| !self.inner.bases[*mirror].is_left.load(Ordering::Relaxed);
        let others = (0..self.count()).filter(|mirror| *mirror != first);
        std::iter::once(first).chain(others).filter(is_open).collect()
    }

    /// Fetches a file from the first mirror that gives it as promised.
    ///
    /// # Errors
    /// See [`FetchError::kind`]: that of the last mirror, if one failed otherwise than by not having the file.
    pub async fn fetch(
        &self,
        client: &Client,
        wish: &Wish,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Found, FetchError> {
        if self.count() == 1 {
            let url = self
                .at(0, &wish.reference)
                .map_err(|error| self.unresolved(0, &error))?;
            let outcome = client.fetch(&wish.at(&url), landing, on_bytes).await?;
            return Ok(Found { url, outcome });
        }
        let options = client.options();
        let mut round = 0;
        loop {
            let mut tour = self.tour(wish, landing)?;
            let ended = tour.run(client, wish, landing, on_bytes).await;
            round += 1;
            match ended {
                Err(error) if error.is_transient() && round <= options.retry_attempts => {
                    tokio::time::sleep(pause(options.retry_base, round, None)).await;
                }
                Err(mut error) => {
                    error.attempts = round;
                    error.mirrors = tour.candidates.len();
                    return Err(error);
                }
                Ok(found) => return Ok(found),
            }
        }
    }

    /// Where a file may be, in the order in which it is asked for.
    fn tour(&self, wish: &Wish, landing: &dyn Landing) -> Result<Tour<'_>, FetchError> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut unresolved = None;
        for mirror in self.order() {
            match self.at(mirror, &wish.reference) {
                Ok(url) if candidates.iter().any(|one| one.url == url) => {}
                Ok(url) => candidates.push(Candidate { mirror, url }),
                Err(error) => unresolved = Some(self.unresolved(mirror, &error)),
            }
            if candidates.len() == self.inner.asked {
                break;
            }
        }
        // The mirror that gave the part that is kept can go on with it.
        if let Some(note) = landing.note()
            && let Some(at) = candidates.iter().position(|one| note.is_of(one.url.as_str()))
        {
            candidates[..=at].rotate_right(1);
        }
        match (candidates.is_empty(), unresolved) {
            (true, Some(error)) => Err(error),
            _ => Ok(Tour {
                mirrors: self,
                candidates,
                suspects: Vec::new(),
            }),
        }
    }

    fn unresolved(&self, mirror: usize, error: &ResolveError) -> FetchError {
        FetchError::new(&self.inner.bases[mirror].base, Problem::Url(error.to_string()))
    }

    fn blame(&self, mirror: usize, why: &str) {
        let failures = self.inner.bases[mirror].failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= PATIENCE {
            self.leave_one(mirror, why);
        }
    }

    /// A mirror gave a file: it has not failed, but may be too slow.
    fn praise(&self, mirror: usize, outcome: &Outcome, options: &ClientOptions) {
        let one = &self.inner.bases[mirror];
        one.failures.store(0, Ordering::Relaxed);
        let Outcome::Landed(landed) = outcome else { return };
        let why = {
            let mut pace = one.pace.lock().unwrap_or_else(PoisonError::into_inner);
            let pace = pace.get_or_insert_with(|| Pace::new(options.idle_timeout * 2, options.min_speed));
            (!pace.is_kept(landed.waited, landed.bytes_fetched)).then(|| pace.too_slow().to_string())
        };
        if let Some(why) = why {
            self.leave_one(mirror, &format!("too slow: {why}"));
        }
    }

    /// Tells of those that were asked before another one gave a file.
    fn tell_passed(&self, wish: &Wish, passed: &[(usize, String)]) {
        let mut news = self.inner.news.lock().unwrap_or_else(PoisonError::into_inner);
        news.extend(passed.iter().map(|(mirror, why)| {
            let base = masked(self.inner.bases[*mirror].base.as_str());
            format!("{base} did not give {}, another one did: {why}", wish.reference.href)
        }));
    }

    /// Leaves a mirror unless it is the last one; says whether it did.
    fn leave_one(&self, mirror: usize, why: &str) -> bool {
        // One at a time, or two tasks could leave the last two.
        let mut news = self.inner.news.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.order();
        if open.iter().all(|one| *one == mirror) {
            return false;
        }
        if !self.inner.bases[mirror].is_left.swap(true, Ordering::Relaxed) {
            let base = masked(self.inner.bases[mirror].base.as_str());
            tracing::warn!(mirror = base, why, "mirror left for the rest of the run");
            news.push(format!("mirror {base} is left for the rest of the run: {why}"));
        }
        true
    }
}

/// What came of a wish, and where it was asked for.
#[derive(Debug)]
pub struct Found {
    /// The URL on the mirror that answered, before redirects.
    pub url: Url,
    /// What came of it.
    pub outcome: Outcome,
}

/// One file asked for at one mirror after another.
struct Tour<'a> {
    mirrors: &'a Mirrors,
    candidates: Vec<Candidate>,
    /// Mirrors whose fault is proved when another one has the file.
    suspects: Vec<(usize, String)>,
}

impl Tour<'_> {
    async fn run(
        &mut self,
        client: &Client,
        wish: &Wish,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Found, FetchError> {
        let mut absent = None;
        let mut failure: Option<FetchError> = None;
        let mut passed = Vec::new();
        for Candidate { mirror, url } in &self.candidates {
            match client.fetch_here(&wish.at(url), landing, on_bytes).await {
                Ok(Outcome::Absent { status }) if wish.is_optional => {
                    return Ok(Found {
                        url: url.clone(),
                        outcome: Outcome::Absent { status },
                    });
                }
                Ok(Outcome::Absent { status }) => {
                    self.suspects
                        .push((*mirror, format!("HTTP {status} for files that others have")));
                    passed.push((*mirror, format!("HTTP {status}")));
                    absent.get_or_insert_with(|| (url.clone(), status));
                }
                Ok(outcome) => {
                    self.mirrors.praise(*mirror, &outcome, client.options());
                    if wish.tells {
                        self.mirrors.tell_passed(wish, &passed);
                    }
                    for (suspect, why) in self.suspects.drain(..) {
                        self.mirrors.blame(suspect, &why);
                    }
                    let url = url.clone();
                    return Ok(Found { url, outcome });
                }
                Err(error) if error.is_local() => return Err(error),
                Err(error) => {
                    tracing::debug!(url = error.url, %error, "asking the next mirror");
                    passed.push((*mirror, error.reason()));
                    if error.is_of_content() {
                        self.suspects.push((*mirror, error.to_string()));
                    } else {
                        self.mirrors.blame(*mirror, &error.to_string());
                    }
                    // A failure that may pass is worth another round.
                    if failure.as_ref().is_none_or(|known| !known.is_transient()) {
                        failure = Some(error);
                    }
                }
            }
        }
        match (failure, absent) {
            (Some(error), _) => Err(error),
            (None, Some((url, status))) => self.ask_those_left(client, wish, landing, on_bytes, url, status).await,
            (None, None) => unreachable!("a tour has at least one candidate"),
        }
    }

    /// Nobody who is asked has the file: before it counts as absent, those that were left are asked as well.
    async fn ask_those_left(
        &self,
        client: &Client,
        wish: &Wish,
        landing: &mut dyn Landing,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
        url: Url,
        status: u16,
    ) -> Result<Found, FetchError> {
        let asked: Vec<usize> = self.candidates.iter().map(|one| one.mirror).collect();
        let room = self.mirrors.inner.asked.saturating_sub(asked.len());
        let others = (0..self.mirrors.count()).filter(|mirror| !asked.contains(mirror));
        let mut failure = None;
        for mirror in others.take(room) {
            let Ok(at) = self.mirrors.at(mirror, &wish.reference) else {
                continue;
            };
            if self.candidates.iter().any(|one| one.url == at) {
                continue;
            }
            match client.fetch_here(&wish.at(&at), landing, on_bytes).await {
                Ok(Outcome::Absent { .. }) => {}
                Ok(outcome) => return Ok(Found { url: at, outcome }),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(Found {
                url,
                outcome: Outcome::Absent { status },
            }),
        }
    }
}

impl Wish {
    fn at(&self, url: &Url) -> Request {
        let validators = self.validators.as_ref().filter(|(of, _)| of == url);
        Request {
            url: url.clone(),
            promise: self.promise.clone(),
            limit_bytes: self.limit_bytes,
            validators: validators.map(|(_, validators)| validators.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Landed;

    fn landed(seconds: u64, bytes: u64) -> Outcome {
        Outcome::Landed(Landed {
            final_url: Url::parse("http://a.example/f").unwrap(),
            validators: Validators::default(),
            content_type: None,
            bytes_fetched: bytes,
            waited: Duration::from_secs(seconds),
            attempts: 1,
        })
    }

    #[test]
    fn a_mirror_whose_files_all_come_too_slowly_is_left() {
        let feeds = ["http://a.example/", "http://b.example/"].map(|url| Url::parse(url).unwrap());
        let options = ClientOptions {
            min_speed: 1000,
            ..ClientOptions::new(feeds[0].clone())
        };
        let reference = Reference {
            base: None,
            href: "f".into(),
        };
        let mirrors = Mirrors::configured(feeds.to_vec());
        let first = |mirrors: &Mirrors| mirrors.url(&reference).unwrap().host_str().unwrap().to_owned();
        // A minute of waiting is judged at a time.
        for (seconds, bytes) in [(50, 1), (10, 60_000), (59, 1)] {
            mirrors.praise(0, &landed(seconds, bytes), &options);
            assert_eq!(first(&mirrors), "a.example");
        }
        assert!(mirrors.take_news().is_empty());
        mirrors.praise(0, &landed(1, 1), &options);
        assert_eq!(first(&mirrors), "b.example");
        let told = mirrors.take_news().concat();
        assert!(
            told.contains("a.example/ is left") && told.contains("less than 1000 bytes a second"),
            "{told}"
        );
        // The last one is kept, however slow.
        mirrors.praise(1, &landed(60, 1), &options);
        assert_eq!(first(&mirrors), "b.example");
    }
}
