//! Serves the routes on a socket, and bounds what connections may cost.

use std::convert::Infallible;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use tokio::net::TcpStream;

use super::patience::{self, Patient};
use super::{State, configure};

/// How long a sender may take for the head of the first request on a connection.
const HEAD: Duration = Duration::from_secs(7);
/// How long a closing connection is listened to, so that the answer is not lost by a reset.
const LINGER: Duration = Duration::from_secs(1);
/// How long a stop waits for requests that are being answered, in seconds.
const SHUTDOWN_SECONDS: u64 = 8;
/// Connections that a worker holds at most; more wait to be accepted.
const CONNECTIONS_MAX: usize = 16 * 1024;

/// A server on the listener, to be awaited. It does not listen to signals:
/// whoever started it stops it through its handle.
pub fn serve(listener: TcpListener, state: State, workers: usize) -> std::io::Result<Server> {
    let address = listener.local_addr()?;
    let builder = ServerBuilder::new()
        .workers(workers)
        .max_concurrent_connections(CONNECTIONS_MAX)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let service = move || {
        let (state, stopping) = (state.clone(), stopping.clone());
        let app = App::new().configure(configure(state)).wrap_fn(patience::answer);
        let app = app.into_factory().map_err(|error: actix_web::Error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let signal = stopping.clone();
                async move { signal.notified().await }
            })
            // `patience` ends idle connections.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(HEAD)
            .client_disconnect_timeout(LINGER)
            .local_addr(address)
            .on_connect_ext(|io: &Patient<TcpStream>, more| {
                more.insert(io.turn());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let connected = fn_service(async |io: TcpStream| {
            let peer = io.peer_addr().ok();
            Ok::<_, Infallible>((Patient::new(io), peer))
        });
        connected.map_err(|never| match never {}).and_then(http)
    };
    Ok(builder.listen("larkhorn", listener, service)?.run())
}
