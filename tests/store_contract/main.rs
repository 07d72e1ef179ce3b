//! The contract of the store: stories that every backend must live through.
//!
//! A backend joins by a [`Database`] that can be opened again after a crash,
//! and one line of `contract!` at the end of this file. What only one backend
//! does (refusing a strange file, a full disk) is tested beside that backend.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use larkhorn::store::postgres::{Options, PostgresStore, Wake};
use larkhorn::store::sqlite::{Retention, SqliteStore};
use larkhorn::store::{Store, StoreError};
use tempfile::TempDir;

use self::cluster::Cluster;

#[path = "../support/cluster.rs"]
mod cluster;

mod heartbeats;
mod inbox;
mod incidents;
mod model;
mod outbox;
mod pins;
mod replicas;
mod reports;
mod spending;
mod storms;
mod support;

/// A database that outlives its stores.
pub(crate) trait Database {
    /// Opens it. A store that was dropped without a word is a process that died.
    fn open(&self) -> Box<dyn Store>;
}

/// A file in a folder of its own.
struct SqliteFile(TempDir);

impl SqliteFile {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Database for SqliteFile {
    fn open(&self) -> Box<dyn Store> {
        let path = self.0.path().join("larkhorn.db");
        let began = Instant::now();
        loop {
            match SqliteStore::open(&path, Retention::default()) {
                Ok(store) => return Box::new(store),
                // A program that another test starts shares our locks until it is itself.
                Err(error) => assert!(
                    error.to_string().contains("in use") && began.elapsed() < Duration::from_secs(20),
                    "{error}"
                ),
            }
            std::thread::yield_now();
        }
    }
}

/// A schema of its own in a server that all tests share.
struct PostgresSchema(String);

/// The server, and how many schemas it has so far. It ends with the process.
static CLUSTER: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::start_in(tempfile::tempdir().unwrap().keep(), Vec::new()));
static SCHEMAS: AtomicUsize = AtomicUsize::new(0);

impl PostgresSchema {
    fn new() -> Self {
        let name = format!("story_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        CLUSTER.psql(&format!("CREATE SCHEMA {name}"));
        Self(name)
    }

    /// A process more on it.
    fn connect(&self, wake: Option<Wake>) -> PostgresStore {
        self.try_connect(wake).unwrap()
    }

    fn try_connect(&self, wake: Option<Wake>) -> Result<PostgresStore, StoreError> {
        let options = Options {
            url: CLUSTER.url(&self.0).into(),
            password: None,
            name: "story".to_owned(),
            connections: Options::CONNECTIONS_MIN,
            retention: Retention::default(),
        };
        // It blocks, which async threads must not.
        std::thread::spawn(move || PostgresStore::open(&options, wake)).join().unwrap()
    }

    /// What the server prints for a statement.
    fn run(&self, sql: &str) -> String {
        CLUSTER.psql(&format!("SET search_path TO {}; {sql}", self.0))
    }
}

impl Database for PostgresSchema {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.connect(None))
    }
}

/// Makes each story a test of every backend.
macro_rules! contract {
    ([$($backend:ident: $fresh:expr),+ $(,)?], $stories:tt) => {
        $(contract!(@ $backend, $fresh, $stories);)+
    };
    (@ $backend:ident, $fresh:expr, [$($room:ident :: $story:ident),+ $(,)?]) => {
        mod $backend {
            $(
                #[tokio::test]
                async fn $story() {
                    super::$room::$story(&$fresh).await;
                }
            )+

            #[test]
            fn random_histories_keep_the_promises() {
                super::model::random_histories_keep_the_promises(|| $fresh);
            }
        }
    };
}

contract!(
    [sqlite: super::SqliteFile::new(), postgres: super::PostgresSchema::new()],
    [
        inbox::deliveries_wait_in_order_until_they_are_done,
        inbox::a_read_of_the_inbox_is_bounded_by_count_and_bytes,
        inbox::a_huge_body_comes_back_byte_for_byte,
        inbox::what_was_taken_of_a_delivery_is_remembered,
        inbox::sixty_four_callers_at_once_are_all_on_disk,
        inbox::a_caller_that_gives_up_leaves_a_whole_delivery_or_none,
        inbox::a_delivery_is_decided_about_once,
        inbox::what_is_dealt_with_can_be_read_again,
        heartbeats::beats_put_the_deadline_off_and_late_ones_do_not,
        heartbeats::silence_is_found_once_what_arrived_before_it_is_dealt_with,
        heartbeats::a_deadline_that_was_moved_meanwhile_is_a_conflict,
        incidents::an_incident_comes_back_as_it_was_committed,
        incidents::a_commit_on_an_old_version_changes_nothing,
        incidents::only_one_incident_with_a_key_is_open,
        incidents::a_lookup_prefers_the_open_incident_to_the_one_resolved_last,
        incidents::holders_are_incidents_of_that_source_where_it_fires,
        incidents::what_is_listed_is_found_by_its_listing_while_it_fires,
        incidents::deadlines_come_due_in_order_and_to_the_nanosecond,
        incidents::alerts_are_replaced_one_by_one_and_read_firing_first,
        incidents::incidents_are_listed_newest_first_by_phase_and_page,
        incidents::a_timeline_reads_back_in_order_of_time,
        incidents::the_backlog_counts_what_waits,
        incidents::what_was_resolved_long_ago_is_forgotten_unless_it_owes_something,
        outbox::urgent_jobs_go_first_and_within_one_priority_the_oldest,
        outbox::what_does_not_fit_is_passed_over,
        outbox::the_louder_are_let_through_where_the_quieter_wait,
        outbox::a_job_that_was_put_back_is_as_it_was,
        outbox::a_buzz_never_overtakes_its_card,
        outbox::a_job_put_off_without_holding_its_lane_lets_the_next_one_go,
        outbox::what_goes_before_a_buzz_is_as_urgent_as_the_buzz,
        outbox::a_post_put_off_beside_its_lane_is_not_doubled,
        outbox::buzzes_of_before_a_resolve_do_not_come_back_with_it,
        outbox::lanes_of_other_places_and_incidents_do_not_wait,
        outbox::a_claimed_job_is_given_out_again_only_after_its_lease,
        outbox::a_claim_of_a_dead_process_shows_as_interrupted,
        outbox::silences_wait_for_no_lane_and_come_back_as_they_were,
        outbox::buzzes_are_dropped_once_the_incident_is_resolved,
        outbox::a_dropped_buzz_frees_the_more_urgent_one_behind_it,
        outbox::edits_fold_and_wait_for_their_card,
        outbox::a_change_refreshes_every_posted_card_once,
        outbox::an_edit_asked_for_while_one_runs_is_not_lost,
        outbox::a_fold_does_not_shorten_a_back_off,
        outbox::the_next_job_tells_when_to_come_again,
        reports::a_retry_keeps_uuid_and_place_in_the_lane,
        reports::a_held_job_keeps_its_lease_and_what_was_sent,
        reports::a_report_may_bring_the_deadline_forward_but_never_back,
        reports::an_edit_follows_a_card_that_shows_an_old_version,
        reports::a_card_of_unknown_version_is_edited,
        reports::an_edit_given_up_goes_away,
        reports::follow_ups_and_timeline_belong_to_the_same_incident,
        reports::edits_of_a_card_that_is_never_posted_go_away,
        reports::a_report_on_a_job_that_is_gone_changes_nothing,
        reports::whoever_lost_a_job_to_another_claimer_changes_nothing,
        storms::arrivals_are_counted_by_chat_and_over_a_restart,
        storms::incidents_fold_into_the_storm_of_their_chat_while_it_is_fresh,
        storms::a_storm_counts_and_lists_the_worst_first,
        storms::a_storm_has_one_job_that_follows_its_incidents,
        storms::whoever_begins_to_ring_is_found_until_that_is_forgotten,
        storms::a_ring_that_came_to_nothing_is_forgotten,
        storms::a_job_that_stands_aside_is_as_it_was_and_holds_up_nobody,
        pins::people_are_wanted_as_long_as_one_incident_wants_them,
        pins::whoever_answers_keeps_their_pins_and_others_lose_theirs,
        pins::a_change_of_pins_while_they_are_worked_on_runs_again,
        pins::reconciling_finds_every_place_that_differs,
        pins::an_unsure_pin_is_settled_after_a_crash,
        pins::the_directory_remembers_people_and_strangers,
        pins::the_last_copy_of_a_calendar_is_kept,
        spending::a_buzz_is_spent_before_it_is_made_and_settled_by_the_report,
        spending::what_was_not_reported_is_spent_for_good,
        spending::counts_are_of_the_month_the_incident_and_each_persons_hour,
        spending::many_at_once_never_pass_the_limit,
        spending::what_is_decided_to_be_free_costs_nothing,
    ]
);
