//! Where the scheduler answers for its numbers: `/metrics` and `/healthz`, to whoever reaches the address.
//!
//! One small request at a time on each connection, few connections, little time: nobody can hold the scheduler up.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chantal_engine::Engine;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::failure::Failure;

/// Connections at the same time; further ones are closed at once.
const CONNECTIONS: usize = 32;
/// Bytes and number of a request's headers.
const HEADER_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;
/// How long a request's headers may take, and a connection altogether.
const HEADER_TIME: Duration = Duration::from_secs(5);
const WHOLE_TIME: Duration = Duration::from_secs(30);
/// Numbers that are younger are not gathered again.
const FRESH: Duration = Duration::from_secs(2);
/// A scheduler looks at its schedules four times a minute; one that has not for so long hangs.
const SILENCE: Duration = Duration::from_secs(90);
/// How long the catalog may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long connections may go on when the scheduler has ended.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the endpoint knows of the scheduler.
pub(super) struct Vital {
    engine: Mutex<Engine>,
    beat: Mutex<Instant>,
    numbers: tokio::sync::Mutex<Option<(Instant, Bytes)>>,
}

fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vital {
    pub(super) fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self {
            engine: Mutex::new(engine),
            beat: Mutex::new(Instant::now()),
            numbers: tokio::sync::Mutex::new(None),
        })
    }

    /// The scheduler has looked at its schedules.
    pub(super) fn beat(&self) {
        *hold(&self.beat) = Instant::now();
    }

    /// The scheduler works on another configuration.
    pub(super) fn replace(&self, engine: Engine) {
        *hold(&self.engine) = engine;
    }

    fn engine(&self) -> Engine {
        hold(&self.engine).clone()
    }

    /// Gathered once, however many ask at the same time.
    async fn numbers(&self) -> Result<Bytes, chantal_engine::EngineError> {
        let mut numbers = self.numbers.lock().await;
        if let Some((at, bytes)) = numbers.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(bytes.clone());
        }
        let bytes = Bytes::from(self.engine().metrics().await?);
        *numbers = Some((Instant::now(), bytes.clone()));
        Ok(bytes)
    }

    async fn health(&self) -> Result<(), String> {
        let silence = hold(&self.beat).elapsed();
        if silence > SILENCE {
            let seconds = silence.as_secs();
            return Err(format!("the scheduler has not looked at its schedules for {seconds} s"));
        }
        let engine = self.engine();
        match tokio::time::timeout(ANSWER, engine.schedulers()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the catalog does not answer within {} s", ANSWER.as_secs())),
        }
    }
}

/// The address on which the scheduler answers.
pub(super) struct Endpoint {
    wanted: SocketAddr,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Endpoint {
    /// Listens.
    ///
    /// # Errors
    /// The address cannot be had (exit 2).
    pub(super) async fn open(address: SocketAddr, vital: Arc<Vital>) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::usage(format!("cannot listen on {address}"))
                .because(&error)
                .hint("`scheduler.listen` says where; another scheduler or program may have it")
        })?;
        let (stop, stopped) = watch::channel(false);
        Ok(Self {
            wanted: address,
            address: listener.local_addr().unwrap_or(address),
            serving: tokio::spawn(serve(listener, vital, stopped)),
            stop,
        })
    }

    /// The address that was asked for.
    pub(super) fn wanted(&self) -> SocketAddr {
        self.wanted
    }

    /// Where it listens: with the port that it was given, if it asked for any.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no further connection; those that are there get a moment.
    pub(super) async fn close(self) {
        // It may have ended by itself.
        let _ = self.stop.send(true);
        let _ = self.serving.await;
    }
}

async fn serve(listener: TcpListener, vital: Arc<Vital>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                if let Ok(place) = places.clone().try_acquire_owned() {
                    let vital = vital.clone();
                    connections.spawn(async move {
                        talk(stream, &vital).await;
                        drop(place);
                    });
                }
            }
            // No file descriptor is free, for example.
            Err(error) => {
                tracing::debug!(%error, "no connection could be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GOODBYE, all).await.is_err() {
        connections.shutdown().await;
    }
}

async fn talk(stream: TcpStream, vital: &Vital) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| async move { Ok::<_, Infallible>(answer(&request, vital).await) }),
        );
    match tokio::time::timeout(WHOLE_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for metrics broke"),
        Err(_) => tracing::debug!("a request for metrics took too long"),
    }
}

async fn answer(request: &Request<Incoming>, vital: &Vital) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
    }
    match request.uri().path() {
        "/metrics" => match vital.numbers().await {
            Ok(bytes) => reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", bytes),
            Err(error) => {
                tracing::warn!("metrics could not be gathered: {}", chantal_engine::told(&error));
                reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n"))
            }
        },
        "/healthz" => match vital.health().await {
            Ok(()) => reply(StatusCode::OK, TEXT, "ok\n"),
            Err(reason) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, reason + "\n"),
        },
        "/" => reply(StatusCode::OK, TEXT, "/metrics\n/healthz\n"),
        _ => reply(StatusCode::NOT_FOUND, TEXT, "only /metrics and /healthz\n"),
    }
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}
