//! Who is on call, over HTTP.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::dashboard::Pager;

const TOKEN: (&str, &str) = ("Authorization", "Bearer api");

async fn ask(path: &str) -> (u16, Value) {
    let answer = Pager::new().ask(Method::GET, path, TOKEN).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn who_is_on_call_at_a_time_is_told() {
    let (status, said) = ask("/api/v1/oncall?at=2026-11-24T12:00:00Z").await;
    assert_eq!(status, 200, "{said}");
    let schedules = json!([
        {"name": "db", "timezone": "Asia/Shanghai", "people": ["mara"], "until": "2026-11-30T02:00:00Z",
         "source": "layer 1"},
        {"name": "office", "timezone": "Asia/Shanghai", "people": [], "until": "2026-11-25T01:00:00Z",
         "source": null},
    ]);
    assert_eq!(said, json!({"at": "2026-11-24T12:00:00Z", "schedules": schedules}));
    let (status, now) = ask("/api/v1/oncall").await;
    assert_eq!((status, &now["at"]), (200, &json!("1970-01-01T00:00:00Z")));
}

#[tokio::test]
async fn a_time_that_is_none_and_a_stranger_are_refused() {
    let (status, said) = ask("/api/v1/oncall?at=tomorrow").await;
    assert!(status == 400 && said["detail"].as_str().unwrap().contains("2026-12-01T09:00:00Z"), "{said}");
    let stranger = Pager::new().ask(Method::GET, "/api/v1/oncall", ("X-Forwarded-For", "203.0.113.9")).await;
    assert_eq!(stranger.status, 401);
    assert_eq!(Pager::new().ask(Method::POST, "/api/v1/oncall", TOKEN).await.status, 405);
}

#[tokio::test]
async fn gaps_to_come_are_counted() {
    let metrics = Pager::new().ask(Method::GET, "/metrics", TOKEN).await.body;
    let seconds = 14 * 15 * 3600;
    for line in [
        "larkhorn_oncall_gap_seconds{schedule=\"db\"} 0.0".to_owned(),
        format!("larkhorn_oncall_gap_seconds{{schedule=\"office\"}} {seconds}.0"),
    ] {
        assert!(metrics.contains(&line), "{line:?} is not in {metrics}");
    }
}
