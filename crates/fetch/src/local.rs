//! Feeds in the file system, checked like any other.

use std::os::unix::fs::MetadataExt;

use chantal_model::Landing;
use tokio::io::AsyncReadExt;
use url::Url;

use crate::client::{Landed, Outcome, Request, Validators, finish, take};
use crate::error::{FetchError, Problem};

const BUFFER: usize = 256 * 1024;

pub(crate) async fn fetch(
    request: &Request,
    landing: &mut dyn Landing,
    on_bytes: &(dyn Fn(u64) + Send + Sync),
) -> Result<Outcome, FetchError> {
    let url = &request.url;
    let fail = |problem| FetchError::new(url, problem);
    let path = url
        .to_file_path()
        .map_err(|()| fail(Problem::Url("no local path".into())))?;
    let local = |source| {
        fail(Problem::Local {
            what: "read the file",
            source,
        })
    };
    // Asked before it is opened: opening a pipe waits for somebody who writes.
    let meta = match tokio::fs::metadata(&path).await {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Outcome::Absent { status: 404 }),
        Err(error) => return Err(local(error)),
    };
    if !meta.is_file() {
        return Ok(Outcome::Absent { status: 404 });
    }
    let mut file = tokio::fs::File::open(&path).await.map_err(local)?;
    let meta = file.metadata().await.map_err(local)?;
    let etag = format!(
        "\"{}.{}-{}-{}\"",
        meta.mtime(),
        meta.mtime_nsec(),
        meta.len(),
        meta.ino()
    );
    if request
        .validators
        .as_ref()
        .and_then(|validators| validators.etag.as_ref())
        == Some(&etag)
    {
        return Ok(Outcome::Unchanged);
    }
    restart(url, landing)?;
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0;
    while let n @ 1.. = file.read(&mut buffer).await.map_err(local)? {
        take(request, landing, &buffer[..n])?;
        on_bytes(n as u64);
        bytes += n as u64;
    }
    finish(request, landing)?;
    Ok(Outcome::Landed(Landed {
        final_url: url.clone(),
        validators: Validators {
            etag: Some(etag),
            last_modified: None,
        },
        content_type: None,
        bytes_fetched: bytes,
        waited: std::time::Duration::ZERO,
        attempts: 1,
    }))
}

/// Forgets what has landed.
pub(crate) fn restart(url: &Url, landing: &mut dyn Landing) -> Result<(), FetchError> {
    if landing.len_bytes() == 0 {
        return Ok(());
    }
    landing.restart().map_err(|source| {
        FetchError::new(
            url,
            Problem::Local {
                what: "write the file anew",
                source,
            },
        )
    })
}
