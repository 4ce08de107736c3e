//! Who is told, and what survives.

use std::time::Duration;

use super::harness::*;
use crate::view::{SwitchState, Trigger};

const HOOKS: &str = "[kill_switch]\nalerts = [{ kind = \"webhook\", url = \"http://hook.test/\" }, { kind = \"alertmanager\", url = \"http://am.test\" }]\n";

fn world() -> World {
    World::new(&Given {
        config: HOOKS,
        scenarios: &[("slow", SLOW)],
    })
}

fn sent(world: &World) -> Vec<String> {
    let sent = world.post.sent.lock().unwrap();
    sent.iter()
        .map(|request| format!("{} {}", request.url, String::from_utf8_lossy(&request.body)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn receivers_are_told_of_a_trip_and_of_its_end() {
    let world = world();
    world.on("slow").await;
    world.handle.trip(Trigger::Manual, "enough", "ann").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = sent(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter()
            .all(|text| text.contains("enough") && text.contains("slow")),
        "{told:?}"
    );
    world.handle.rearm("fixed", "bob").await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let told = sent(&world);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[2..].iter().any(|text| text.contains("endsAt")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_trip_and_a_lock_survive_a_restart() {
    let world = world();
    world.handle.trip(Trigger::Manual, "enough", "ann").await.unwrap();
    let world = world.restart().unwrap();
    let switch = world.handle.kill_switch();
    assert_eq!(
        (switch.state, switch.trip.unwrap().reason.as_str()),
        (SwitchState::Tripped, "enough")
    );
    assert_eq!(world.metric("murphy_kill_switch_tripped"), Some(1.0));
    tokio::time::sleep(Duration::from_secs(90)).await;
    let told = sent(&world);
    assert_eq!(told.len(), 2, "only Alertmanager is reminded: {told:?}");

    world.handle.lock("release", "bob").await.unwrap();
    world.handle.rearm("", "bob").await.unwrap();
    let world = world.restart().unwrap();
    assert_eq!(world.handle.kill_switch().state, SwitchState::Locked);
    world.handle.unlock("", "bob").await.unwrap();
    let world = world.restart().unwrap();
    let switch = world.handle.kill_switch();
    assert_eq!(
        (switch.state, switch.history.len()),
        (SwitchState::Armed, 4),
        "{:?}",
        switch.history
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_settings_switch_on_stays_off_while_tripped() {
    let world = World::new(&Given {
        config: "[scenarios]\nactive = [\"slow\"]\n",
        scenarios: &[("slow", SLOW)],
    });
    assert_eq!(world.active(), ["slow"]);
    world.handle.trip(Trigger::Manual, "", "ann").await.unwrap();
    let world = world.restart().unwrap();
    assert_eq!((world.active().len(), world.rules()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_latch_that_cannot_be_kept_is_told_and_the_trip_holds() {
    let world = world();
    world.on("slow").await;
    std::fs::create_dir(world.file("state.json")).unwrap();
    let switch = world.handle.trip(Trigger::Manual, "enough", "ann").await.unwrap();
    assert_eq!((switch.state, world.rules()), (SwitchState::Tripped, 0));
    let warnings = world.handle.status().warnings.clone();
    assert!(
        warnings.iter().any(|text| text.contains("cannot be written")),
        "{warnings:?}"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(sent(&world).iter().any(|text| text.contains("cannot be written")));
    std::fs::remove_dir(world.file("state.json")).unwrap();
    world.handle.rearm("", "ann").await.unwrap();
    assert!(
        world
            .handle
            .status()
            .warnings
            .iter()
            .all(|text| !text.contains("cannot be written"))
    );
}
