//! Runs of tasks on a real log: one suite of behaviours for the simulated engine and for a real Docker.
//!
//! What a step does is a shell script for Docker, and the same in acts for the simulated engine. Docker needs the image
//! `demo/tool:1`, which `ops/setup` builds. Everything that is made carries an installation of the test's own and is
//! removed in the end, also after a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it does not see what it should"
)]

#[path = "suite/acts.rs"]
mod acts;
#[path = "suite/behaviours.rs"]
mod behaviours;
#[path = "suite/fullness.rs"]
mod fullness;
#[path = "suite/lab.rs"]
mod lab;
#[path = "suite/limits.rs"]
mod limits;
#[path = "suite/looks.rs"]
mod looks;
#[path = "suite/real.rs"]
mod real;
#[path = "suite/sandbox.rs"]
mod sandbox;
#[path = "suite/schedules.rs"]
mod schedules;
#[path = "suite/work_dead.rs"]
mod work_dead;

macro_rules! suite {
    ($($module:ident::$behaviour:ident),* $(,)?) => {
        mod simulated {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    crate::lab::run(crate::lab::Lab::simulated().await, crate::$module::$behaviour).await;
                }
            )*
        }
        mod docker {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    crate::lab::run(crate::lab::Lab::docker().await, crate::$module::$behaviour).await;
                }
            )*
        }
    };
}

suite! {
    behaviours::steps_run_in_order_and_their_outputs_are_one,
    behaviours::the_first_failure_ends_the_run,
    behaviours::what_is_wrong_with_outputs_is_said,
    behaviours::an_image_that_cannot_be_had_is_named,
    behaviours::one_trigger_is_one_run,
    behaviours::halves_that_were_killed_take_up_their_runs,
    limits::a_step_that_takes_too_long_is_stopped,
    limits::a_run_that_takes_too_long_is_stopped,
    limits::a_cancelled_step_is_asked_to_end,
    limits::a_cancelled_step_that_does_not_listen_is_killed_after_its_grace,
    sandbox::a_wall_that_a_step_runs_into_names_its_key,
    sandbox::each_key_loosens_its_wall,
}
