//! One suite of behaviours, run for the simulated engine and for a real Docker: where they differ, one of them is wrong.
//!
//! The real one needs an engine that answers and `/bin/busybox` of the package `busybox-static`. Everything that is
//! made carries a label of the test and is removed in the end, also after a panic; what a killed test left is removed
//! by the next.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it does not see what it should"
)]

#[path = "suite/behaviours.rs"]
mod behaviours;
#[path = "suite/exec.rs"]
mod exec;
#[path = "suite/files.rs"]
mod files;
#[path = "suite/lab.rs"]
mod lab;
#[path = "suite/proxy.rs"]
mod proxy;
#[path = "suite/real.rs"]
mod real;
#[path = "suite/real_only.rs"]
mod real_only;
#[path = "suite/records.rs"]
mod records;
#[path = "suite/registry.rs"]
mod registry;
#[path = "suite/stats.rs"]
mod stats;

macro_rules! suite {
    ($($behaviour:ident),* $(,)?) => {
        mod simulated {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    crate::lab::run(crate::lab::Lab::simulated(), crate::behaviours::$behaviour).await;
                }
            )*
        }
        mod docker {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    crate::lab::run(crate::lab::Lab::docker().await, crate::behaviours::$behaviour).await;
                }
            )*
        }
    };
}

suite! {
    a_container_shows_what_was_asked_for,
    a_privileged_container_is_one_and_others_are_none,
    a_container_ends_with_its_exit_code,
    what_a_container_wrote_beside_its_volumes_is_listed,
    a_frozen_container_goes_on_where_it_was_and_can_be_stopped,
    a_restart_policy_brings_a_container_back,
    a_stop_sends_the_signal_of_the_spec,
    a_stop_sends_the_signal_that_it_is_given,
    a_stop_kills_after_the_grace,
    a_stopped_container_stays_stopped,
    a_taken_name_is_told_with_who_has_it,
    a_port_taken_by_a_container_is_told,
    a_port_taken_by_a_process_is_told,
    a_missing_image_is_told,
    an_image_tells_of_its_health_check,
    a_pull_tells_what_can_pass,
    a_tag_leads_to_another_image_once_it_is_fetched_again,
    an_image_goes_once_nothing_has_it,
    a_registry_that_is_out_of_order_tells_no_digest,
    a_volume_outlives_its_container,
    a_strangers_volume_is_shown_and_left,
    a_container_can_join_anothers_network_or_none,
    how_a_container_runs_is_shown,
    what_can_be_changed_while_it_runs_is,
    a_container_takes_another_name_unless_that_is_taken,
    a_volume_goes_once_nothing_has_it,
    a_volume_is_copied_as_it_is,
    files_are_put_in_place_before_the_start_and_while_it_runs,
    a_signal_reaches_the_process,
    a_network_is_made_once,
    a_network_in_use_stays,
    an_alias_leads_to_the_container,
    events_wake_for_the_life_of_a_container,
    events_wake_for_volumes_and_networks,
    health_follows_the_checks,
    a_list_shows_its_scope_only,
    what_is_not_there_is_told,
    logs_end_with_the_last_lines,
    records_come_as_they_are_written_and_again_from_any_time,
    memory_above_the_limit_kills,
    calls_run_at_the_same_time,
    an_engine_that_is_away_is_told_and_found_again,
    a_running_container_shows_what_it_uses,
    a_list_of_what_runs_shows_its_health,
    a_command_in_a_container_tells_what_it_wrote_and_how_it_ended,
    a_command_that_writes_much_is_cut_and_one_that_never_ends_is_told,
    a_command_needs_a_container_that_runs,
}
