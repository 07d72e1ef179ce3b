//! Puts the world behind a web server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer};

use tokio::task::JoinHandle;

use super::Sandbox;
use super::answering::{self, Answer, Request};
use super::{control, long_connection, page};

/// Bodies larger than this are refused by the web server: 1 MiB.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How often a served sandbox looks for events that are due.
const ROUND: Duration = Duration::from_millis(500);

/// A sandbox that is being served.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    handle: ServerHandle,
    postman: JoinHandle<()>,
    sandbox: Sandbox,
}

impl Running {
    /// The base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops serving at once; open connections are cut.
    pub async fn stop(&self) {
        self.postman.abort();
        self.sandbox.drop_connections();
        self.handle.stop(false).await;
    }
}

impl Sandbox {
    /// Adds the API, the page and the controls to an application.
    pub fn configure(&self, cfg: &mut web::ServiceConfig) {
        cfg.app_data(Data::new(self.clone()))
            .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
            .service(web::resource("/open-apis/{rest:.*}").to(call))
            .service(web::resource("/callback/ws/endpoint").to(call))
            .service(web::resource("/ws/v2").route(web::get().to(long_connection::dial)))
            .configure(page::configure)
            .configure(control::configure);
    }

    /// Serves on a listener of the caller's, with one worker and no signal handling.
    pub fn serve(&self, listener: std::net::TcpListener) -> std::io::Result<Running> {
        let addr = listener.local_addr()?;
        let sandbox = self.clone();
        let server = HttpServer::new(move || {
            let sandbox = sandbox.clone();
            App::new().configure(move |cfg| sandbox.configure(cfg))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        let postman = tokio::spawn(self.clone().deliver_forever());
        Ok(Running { addr, handle, postman, sandbox: self.clone() })
    }
}

impl Sandbox {
    async fn deliver_forever(self) {
        let mut rounds = tokio::time::interval(ROUND);
        loop {
            rounds.tick().await;
            self.deliver_due(self.clock.now()).await;
        }
    }
}

async fn call(sandbox: Data<Sandbox>, http: HttpRequest, body: Bytes) -> HttpResponse {
    let query = web::Query::<BTreeMap<String, String>>::from_query(http.query_string())
        .map(web::Query::into_inner)
        .unwrap_or_default();
    let authorization = http.headers().get("Authorization").and_then(|h| h.to_str().ok());
    let host = http.connection_info().host().to_owned();
    let request = Request {
        method: http.method().as_str(),
        path: http.path(),
        query,
        authorization,
        host: &host,
        body: &body,
    };
    let answer = sandbox.change(|world, now| answering::answer(world, &request, now));
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    respond(answer)
}

/// Header names go out as Feishu spells them (`X-Tt-Logid`): its Python SDK
/// looks them up case-sensitively.
fn respond(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder: HttpResponseBuilder = HttpResponse::build(status);
    builder.insert_header(("X-Tt-Logid", answer.log_id.as_str()));
    builder.insert_header(("X-Request-Id", answer.log_id.as_str()));
    if let Some(reset_s) = answer.reset_s {
        builder.insert_header(("x-ogw-ratelimit-limit", "50"));
        builder.insert_header(("x-ogw-ratelimit-reset", reset_s.to_string()));
    }
    let mut response = match answer.body {
        _ if answer.lost => {
            let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            builder.streaming(futures_util::stream::once(std::future::ready(Err::<Bytes, _>(cut))))
        }
        Some(body) => builder.content_type("application/json; charset=utf-8").body(body.to_string()),
        None => builder.content_type("text/html").body("<html><body>Service trouble</body></html>"),
    };
    response.head_mut().set_camel_case_headers(true);
    response
}
