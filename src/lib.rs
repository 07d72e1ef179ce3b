//! Larkhorn turns Feishu/Lark into a self-hosted pager.

pub mod domain;

pub mod escalation;
pub mod rules;
pub mod sources;

pub mod settings;
pub mod telemetry;

pub mod feishu;
pub mod store;

pub mod http;
pub mod worker;

pub mod app;
pub mod sandbox;

pub mod cli;
