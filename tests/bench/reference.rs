//! What one could do at most: the same web server, which reads a body, looks
//! it through as larkhorn does, and forgets it.
//!
//! Runs as a process of its own: this program, called with [`ARGUMENT`].

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, rt, web};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use larkhorn::sources::{Hint, inspect};

pub(crate) const ARGUMENT: &str = "--reference-server";
/// The kind that does not look at bodies.
const EMPTY: &str = "empty";

/// Serves for ever; prints its address first.
pub(crate) fn serve(kind: Option<&str>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let empty = kind == Some(EMPTY);
    let app = move || {
        let route = if empty { web::post().to(ignore) } else { web::post().to(forget) };
        App::new().route("/webhook/alertmanager", route)
    };
    rt::System::new().block_on(HttpServer::new(app).workers(2).listen(listener).unwrap().run()).unwrap();
}

/// Takes the body in and does nothing with it.
async fn ignore(body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "bytes": body.len() }))
}

async fn forget(mut payload: web::Payload) -> HttpResponse {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        body.extend_from_slice(&chunk.unwrap());
    }
    let (_, alerts) = inspect(Hint::Alertmanager, &body).unwrap();
    HttpResponse::Ok().json(serde_json::json!({ "accepted": alerts }))
}

/// The server as seen by the benchmark; ends with it.
pub(crate) struct Reference {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Reference {
    pub(crate) fn start() -> Self {
        Self::start_kind("parses")
    }

    /// One that does not even look.
    pub(crate) fn start_empty() -> Self {
        Self::start_kind(EMPTY)
    }

    fn start_kind(kind: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program).args([ARGUMENT, kind]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, addr: line.trim().parse().unwrap() }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
