//! What trips the switch, and what a trip does.

use std::time::Duration;

use murphy_core::outcome::Outcome;

use super::harness::*;
use crate::refusal::Refusal;
use crate::view::{ActivateRequest, Change, SwitchState, Trigger};

fn world(config: &str) -> World {
    World::new(&Given {
        config,
        scenarios: &[("slow", SLOW), ("fail", FAIL)],
    })
}

async fn refused(world: &World) -> Refusal {
    world
        .handle
        .activate("slow", ActivateRequest::default(), "a")
        .await
        .unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_trip_halts_everything_and_latches_until_somebody_rearms() {
    let world = world("");
    world.on("slow").await;
    world.on("fail").await;
    let switch = world
        .handle
        .trip(Trigger::Manual, "enough\n", "ann")
        .await
        .unwrap();
    assert_eq!(
        (switch.state, world.rules(), world.active().len()),
        (SwitchState::Tripped, 0, 0)
    );
    let trip = switch.trip.unwrap();
    assert_eq!((trip.reason.as_str(), trip.who.as_str()), ("enough", "ann"));
    assert_eq!(trip.halted, ["slow", "fail"]);
    assert_eq!(world.metric("murphy_kill_switch_tripped"), Some(1.0));
    assert_eq!(
        world.metric("murphy_kill_switch_trips_total{trigger=\"manual\"}"),
        Some(1.0)
    );

    let refusal = refused(&world).await;
    assert_eq!((refusal.status(), refusal.code()), (409, "kill-switch-tripped"));
    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
    assert_eq!(refused(&world).await.status(), 409);

    let second = world.handle.trip(Trigger::Signal, "again", "bob").await.unwrap();
    assert_eq!(second.trip.unwrap().who, "ann", "the first trip stands");
    let switch = world.handle.rearm("fixed", "bob").await.unwrap();
    assert_eq!((switch.state, switch.trip.is_none()), (SwitchState::Armed, true));
    let changes: Vec<Change> = switch.history.iter().map(|change| change.change).collect();
    assert_eq!(changes, [Change::Rearmed, Change::Tripped]);
    assert_eq!(
        world.active(),
        Vec::<String>::new(),
        "nothing comes back by itself"
    );
    world.on("slow").await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_switches_off_and_refuses_and_hides_no_trip() {
    let world = world("");
    world.on("slow").await;
    let switch = world.handle.lock("release", "ann").await.unwrap();
    assert_eq!((switch.state, world.rules()), (SwitchState::Locked, 0));
    assert!(matches!(refused(&world).await, Refusal::Locked { who } if who == "ann"));
    world.handle.trip(Trigger::Alarm, "x", "am").await.unwrap();
    assert_eq!(
        world.handle.unlock("", "ann").await.unwrap().state,
        SwitchState::Tripped
    );
    assert_eq!(
        world.handle.rearm("", "ann").await.unwrap().state,
        SwitchState::Armed
    );
}

#[tokio::test(start_paused = true)]
async fn more_errors_than_the_limit_trip_and_exactly_the_limit_does_not() {
    let world = world("");
    world.on("slow").await;
    for _ in 0..10 {
        world.finish(Outcome::Ok);
        world.finish(Outcome::ServerError);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.handle.kill_switch().state, SwitchState::Armed);
    world.finish(Outcome::ServerError);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let switch = world.handle.kill_switch();
    let trip = switch.trip.expect("it did not trip");
    assert_eq!(trip.trigger, Trigger::ErrorRate);
    let measured = trip.measured.unwrap();
    assert_eq!((measured.samples, measured.organic_errors), (21, 11));
    assert_eq!(measured.top_routes, [("sim".to_owned(), 11)]);
    assert_eq!(world.rules(), 0);

    world.handle.rearm("", "ann").await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        world.handle.kill_switch().state,
        SwitchState::Armed,
        "errors from before count no more"
    );
}

#[tokio::test(start_paused = true)]
async fn the_numbers_follow_the_settings() {
    let world = world("");
    world.write("murphy.toml", "[kill_switch]\nmin_samples = 2\n");
    world.reload().await;
    world.finish(Outcome::Dropped);
    world.finish(Outcome::Dropped);
    world
        .until(|world| world.handle.kill_switch().state == SwitchState::Tripped)
        .await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_make_no_progress_trip_unless_an_injected_wait_explains_it() {
    let world = world("");
    world.on("slow").await;
    let now = || murphy_core::clock::Offset(world.started.elapsed());
    let call = world.observer.start(1, &"sim".into(), now());
    let wait = world.observer.injected_wait();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(world.handle.kill_switch().state, SwitchState::Armed);
    drop(wait);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(world.handle.kill_switch().state, SwitchState::Armed);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        world.handle.kill_switch().trip.unwrap().trigger,
        Trigger::Unresponsive
    );
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_upstream_is_no_trip_while_nothing_is_on() {
    let world = world("");
    let call = world.observer.start(
        1,
        &"sim".into(),
        murphy_core::clock::Offset(world.started.elapsed()),
    );
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(world.handle.kill_switch().state, SwitchState::Armed);
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn a_health_url_that_fails_in_a_row_trips() {
    let world =
        world("[kill_switch]\nhealth = { url = \"http://h.test/\", every = \"10s\", failures = 3 }\n");
    tokio::time::sleep(Duration::from_secs(25)).await;
    *world.post.answer.lock().unwrap() = Some(500);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.handle.kill_switch().state, SwitchState::Armed);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.handle.kill_switch().trip.unwrap().trigger, Trigger::Health);
    let sent = world.post.sent.lock().unwrap();
    assert!(
        sent.iter()
            .all(|request| request.method == http::Method::GET && request.body.is_empty())
    );
}

#[tokio::test(start_paused = true)]
async fn rearm_after_rearms_by_itself() {
    let world = world("[kill_switch]\nrearm_after = \"15m\"\n");
    let switch = world.handle.trip(Trigger::Manual, "", "ann").await.unwrap();
    assert_eq!(switch.rearms_at.as_deref(), Some("2026-01-01T12:15:00.000Z"));
    tokio::time::sleep(Duration::from_secs(899)).await;
    assert_eq!(world.handle.kill_switch().state, SwitchState::Tripped);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let switch = world.handle.kill_switch();
    assert_eq!(
        (switch.state, switch.history[0].who.as_str()),
        (SwitchState::Armed, "director")
    );
}

#[tokio::test(start_paused = true)]
async fn draining_stops_injection_and_refuses_more() {
    let world = world("");
    world.on("slow").await;
    assert!(world.handle.drain().await.unwrap().draining);
    assert_eq!(world.rules(), 0);
    assert_eq!(refused(&world).await, Refusal::Stopping);
    assert_eq!(
        world.handle.kill_switch().state,
        SwitchState::Armed,
        "a restart starts armed"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_trip_does_not_wait_for_a_reload_that_hangs() {
    let world = world("");
    world.on("slow").await;
    // Opening a pipe waits for its other end: a disk that does not answer.
    let config = world.file("murphy.toml");
    std::fs::remove_file(&config).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&config)
        .status()
        .unwrap();
    assert!(made.success());
    let handle = world.handle.clone();
    let reload = tokio::spawn(async move { handle.reload().await });
    let switch = loop {
        // Until the loop has taken up the reload, a trip could come before it: so trip more than once.
        tokio::task::yield_now().await;
        let switch = world.handle.trip(Trigger::Manual, "x", "ann").await.unwrap();
        if world.handle.events.capacity() == world.handle.events.max_capacity() {
            break switch;
        }
    };
    assert_eq!(
        (switch.state, world.rules(), reload.is_finished()),
        (SwitchState::Tripped, 0, false)
    );
    let writer = tokio::task::spawn_blocking(move || std::fs::write(&config, "[proxy]\nmark = false\n"));
    writer.await.unwrap().unwrap();
    reload.await.unwrap().unwrap();
    assert_eq!(
        (world.rules(), world.active().len()),
        (0, 0),
        "the reload brings nothing back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_trip_without_waiting_trips_too() {
    let world = world("");
    world.on("slow").await;
    for _ in 0..100 {
        world.handle.trip_soon(Trigger::Internal, "a panic", "proxy");
    }
    world
        .until(|world| world.handle.kill_switch().state == SwitchState::Tripped)
        .await;
    assert_eq!(world.rules(), 0);
}
