//! One connection: reads requests, answers them, misbehaves on demand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::Digest;

use super::{Fault, Hit, Shared};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(20);
/// How long a stalled answer stands still.
const STALL: Duration = Duration::from_secs(30);

pub(super) fn serve(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(IDLE));
    let _ = stream.set_nodelay(true);
    match &shared.tls {
        None => {
            let Ok(reader) = stream.try_clone() else { return };
            let mut writer = stream;
            let mut reader = BufReader::new(reader);
            while exchange(&mut reader, &mut writer, shared, None).is_some() {}
        }
        Some(tls) => {
            let Some((mut stream, subject)) = tls.accept(stream) else {
                return;
            };
            loop {
                // A TLS stream cannot be split: one request at a time goes through a buffer of its own.
                let mut reader = BufReader::with_capacity(1, ReadOnly(&mut stream));
                let Some(request) = Request::read(&mut reader) else {
                    return;
                };
                if answer(&request, &mut stream, shared, subject.clone()).is_none() {
                    return;
                }
            }
        }
    }
}

struct ReadOnly<'a, S>(&'a mut S);

impl<S: Read> Read for ReadOnly<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => return Some(Self { method, path, headers }),
            }
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

fn exchange(
    reader: &mut impl BufRead,
    writer: &mut impl Write,
    shared: &Shared,
    subject: Option<String>,
) -> Option<()> {
    let request = Request::read(reader)?;
    answer(&request, writer, shared, subject)
}

/// Answers one request; `None` ends the connection.
fn answer(request: &Request, writer: &mut impl Write, shared: &Shared, subject: Option<String>) -> Option<()> {
    if shared.stop.load(Ordering::Relaxed) {
        return None;
    }
    shared.open.fetch_add(1, Ordering::SeqCst);
    let owned = |name: &str| request.header(name).map(str::to_owned);
    let mut hit = Hit {
        method: request.method.clone(),
        path: request.path.clone(),
        host: owned("host").unwrap_or_default(),
        range: owned("range"),
        if_range: owned("if-range"),
        if_none_match: owned("if-none-match"),
        authorization: owned("authorization"),
        headers: request.headers.clone(),
        client_subject: subject,
        ..Hit::default()
    };
    let (fault, body, allowed, no_validators, delay) = {
        let mut site = shared.site.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = site.take_fault(&request.path);
        let allowed = site.is_allowed(request.header("authorization"));
        (
            fault,
            site.find(&request.path),
            allowed,
            site.no_validators,
            site.delay_millis,
        )
    };
    if delay > 0 {
        let waiting = shared.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_waiting.fetch_max(waiting, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(delay));
        shared.waiting.fetch_sub(1, Ordering::SeqCst);
    }
    let kept = if allowed {
        reply(
            request,
            writer,
            fault.as_ref(),
            body.and_then(|body| body.bytes()),
            no_validators,
            &mut hit,
        )
    } else {
        hit.status = 401;
        send(writer, 401, &[("WWW-Authenticate", "Basic realm=\"upstream\"")], b"")
    };
    shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(hit);
    shared.open.fetch_sub(1, Ordering::SeqCst);
    kept
}

/// What became of an answer: it is complete and this is how the connection goes on, or there is a body to send.
enum Early {
    Answered(Option<()>),
    GoOn,
}

/// Faults that need no body.
fn misbehave(writer: &mut impl Write, fault: Option<&Fault>, hit: &mut Hit) -> Early {
    match fault {
        Some(Fault::DropConnection) => Early::Answered(None),
        Some(Fault::DelayMillis(millis)) => {
            std::thread::sleep(Duration::from_millis(*millis));
            Early::GoOn
        }
        Some(Fault::Status(status, headers)) => {
            hit.status = *status;
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            Early::Answered(send(writer, *status, &headers, b"fault"))
        }
        Some(Fault::RedirectTo(to)) => {
            hit.status = 302;
            Early::Answered(send(writer, 302, &[("Location", to)], b""))
        }
        Some(Fault::HtmlPage) => {
            hit.status = 200;
            let page = b"<!DOCTYPE html><html><body>Log in</body></html>";
            Early::Answered(send(writer, 200, &[("Content-Type", "text/html")], page))
        }
        Some(Fault::EndlessChunked) => {
            hit.status = 200;
            let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = [b"400\r\n".as_slice(), &[b'x'; 1024], b"\r\n"].concat();
            while writer.write_all(&chunk).is_ok() {
                hit.bytes_sent += 1024;
            }
            Early::Answered(None)
        }
        _ => Early::GoOn,
    }
}

fn reply(
    request: &Request,
    writer: &mut impl Write,
    fault: Option<&Fault>,
    body: Option<Vec<u8>>,
    no_validators: bool,
    hit: &mut Hit,
) -> Option<()> {
    if let Early::Answered(kept) = misbehave(writer, fault, hit) {
        return kept;
    }
    let Some(mut body) = body else {
        hit.status = 404;
        return send(writer, 404, &[], b"not found");
    };
    let digest = sha2::Sha256::digest(&body);
    let etag = format!(
        "\"{:016x}\"",
        digest.iter().take(8).fold(0_u64, |n, b| n << 8 | u64::from(*b))
    );
    if !no_validators && request.header("if-none-match") == Some(&etag) {
        hit.status = 304;
        return send(writer, 304, &[("ETag", &etag)], b"");
    }
    if let Some(Fault::CorruptByte(at)) = fault
        && let Some(byte) = body.get_mut(*at)
    {
        *byte ^= 0xff;
    }
    let from = range_start(request, fault, &etag, body.len());
    hit.status = if from.is_some() { 206 } else { 200 };
    let head = head(hit.status, (!no_validators).then_some(&*etag), from, body.len(), fault);
    writer.write_all(head.as_bytes()).ok()?;
    if request.method == "HEAD" {
        return Some(());
    }
    let body = &body[from.unwrap_or(0)..];
    if let Some(Fault::SlowBytes(millis)) = fault {
        return trickle(writer, body, *millis, hit);
    }
    let end = match fault {
        Some(Fault::TruncateAfter(n) | Fault::StallAfter(n)) => (*n).min(body.len()),
        _ => body.len(),
    };
    writer.write_all(&body[..end]).ok()?;
    writer.flush().ok()?;
    hit.bytes_sent = end as u64;
    match fault {
        Some(Fault::StallAfter(_)) => {
            std::thread::sleep(STALL);
            None
        }
        Some(Fault::TruncateAfter(_) | Fault::WrongLength(_)) => None,
        _ => Some(()),
    }
}

/// Sends byte by byte, until the client has enough of it.
fn trickle(writer: &mut impl Write, body: &[u8], millis: u64, hit: &mut Hit) -> Option<()> {
    for byte in body {
        writer.write_all(&[*byte]).ok()?;
        writer.flush().ok()?;
        hit.bytes_sent += 1;
        std::thread::sleep(Duration::from_millis(millis));
    }
    Some(())
}

fn head(status: u16, etag: Option<&str>, from: Option<usize>, total: usize, fault: Option<&Fault>) -> String {
    let mut lines = vec![format!("HTTP/1.1 {status} OK"), "Accept-Ranges: bytes".to_owned()];
    if let Some(etag) = etag {
        lines.push(format!("ETag: {etag}"));
    }
    if let Some(from) = from {
        let shown = if matches!(fault, Some(Fault::WrongContentRange)) {
            0
        } else {
            from
        };
        lines.push(format!("Content-Range: bytes {shown}-{}/{total}", total - 1));
    }
    if matches!(fault, Some(Fault::ContentEncodingGzip)) {
        lines.push("Content-Encoding: gzip".to_owned());
    }
    let extra = if let Some(Fault::WrongLength(extra)) = fault {
        *extra
    } else {
        0
    };
    lines.push(format!("Content-Length: {}", total - from.unwrap_or(0) + extra));
    lines.join("\r\n") + "\r\n\r\n"
}

/// Where a part begins that the client may have.
fn range_start(request: &Request, fault: Option<&Fault>, etag: &str, total: usize) -> Option<usize> {
    if matches!(fault, Some(Fault::IgnoreRange)) || request.header("if-range").is_some_and(|value| value != etag) {
        return None;
    }
    let from = request
        .header("range")?
        .strip_prefix("bytes=")?
        .strip_suffix('-')?
        .parse()
        .ok()?;
    (from < total).then_some(from)
}

fn send(writer: &mut impl Write, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Option<()> {
    let mut lines = vec![
        format!("HTTP/1.1 {status} Answer"),
        format!("Content-Length: {}", body.len()),
    ];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    writer.write_all((lines.join("\r\n") + "\r\n\r\n").as_bytes()).ok()?;
    if status != 304 {
        writer.write_all(body).ok()?;
    }
    writer.flush().ok()
}
