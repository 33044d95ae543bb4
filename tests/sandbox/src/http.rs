//! The thin HTTP layer: sockets, latency, cut connections.
//!
//! What lives here: hyper and tokio, and the waiting between the steps of a request. What may not:
//! anything that decides what a site answers.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::exchange::Delivery;
use crate::postman::deliver;
use crate::request::{Request, Response};
use crate::site::Site;

/// How a server behaves on the wire.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Added to every request, half before and half after the work.
    pub latency: Duration,
    /// Send webhooks to their addresses. Otherwise they wait in the site until somebody takes
    /// them ([`Site::due_webhooks`]).
    pub webhooks: bool,
}

/// A site behind a socket. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    site: Arc<Mutex<Site>>,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Serves a site at an address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound or the runtime cannot start.
    pub fn start(site: Arc<Mutex<Site>>, address: &str, options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::clone(&site);
        let thread =
            std::thread::Builder::new().name("frappe-sandbox".into()).spawn(move || {
                runtime.block_on(accept(listener, shared, options, stopped));
                runtime.shutdown_background();
            })?;
        Ok(Self { address, site, stop, thread: Some(thread) })
    }

    /// Serves a site on a free port of the loopback.
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn local(site: Site) -> std::io::Result<Self> {
        Self::start(Arc::new(Mutex::new(site)), "127.0.0.1:0", Options::default())
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The site, to look at or to edit between requests.
    pub fn site(&self) -> MutexGuard<'_, Site> {
        lock(&self.site)
    }

    /// A handle on the site.
    pub fn handle(&self) -> Arc<Mutex<Site>> {
        Arc::clone(&self.site)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send(true).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

pub(crate) fn lock(site: &Mutex<Site>) -> MutexGuard<'_, Site> {
    site.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    site: Arc<Mutex<Site>>,
    options: Options,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    if options.webhooks {
        tokio::spawn(deliver(Arc::clone(&site), stopped.clone()));
    }
    loop {
        let stream = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        stream.set_nodelay(true).ok();
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&site), options, request));
            // An error here is a connection that was cut, by the caller or on order.
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("connection cut on order")
    }
}

impl std::error::Error for Cut {}

async fn serve(
    site: Arc<Mutex<Site>>,
    options: Options,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Cut> {
    let request = read(request).await?;
    // The work goes on when the caller hangs up, as on a real server.
    let work = tokio::spawn(work(site, options, request));
    match work.await {
        Ok(Ok(Delivery::Answer(response))) => Ok(write(response)),
        _ => Err(Cut),
    }
}

async fn work(
    site: Arc<Mutex<Site>>,
    options: Options,
    request: Request,
) -> Result<Delivery, Infallible> {
    let mut pending = lock(&site).arrive(request, Timestamp::now());
    tokio::time::sleep(options.latency / 2 + pending.delay()).await;
    if let Some((time, _)) = pending.stall() {
        tokio::time::sleep(time).await;
    }
    let save_time = pending.save_time();
    {
        let mut site = lock(&site);
        site.begin(&mut pending, Timestamp::now());
        if save_time.is_zero() {
            site.commit(&mut pending, Timestamp::now());
        }
    }
    if !save_time.is_zero() {
        tokio::time::sleep(save_time).await;
        lock(&site).commit(&mut pending, Timestamp::now());
    }
    tokio::time::sleep(options.latency / 2).await;
    Ok(lock(&site).finish(pending, Timestamp::now()))
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Cut> {
    let (parts, body) = request.into_parts();
    let path =
        parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes().to_vec();
    Ok(Request { method: parts.method.as_str().to_owned(), path, headers, body })
}

fn write(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name, value);
    }
    let empty = || hyper::Response::new(Full::new(Bytes::new()));
    builder.body(Full::new(Bytes::from(response.body))).unwrap_or_else(|_| empty())
}
