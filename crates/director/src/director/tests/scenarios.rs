//! Switching on and off, making and removing.

use super::harness::*;
use crate::refusal::Refusal;
use crate::settings::Lifetime;
use crate::view::{ActivateRequest, Stored};
use std::time::Duration;

fn world() -> World {
    World::new(&Given {
        scenarios: &[("slow", SLOW), ("fail", FAIL)],
        ..Given::default()
    })
}

fn lasting(lifetime: Lifetime) -> ActivateRequest {
    ActivateRequest {
        for_: Some(lifetime),
        seed: None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_activation_governs_at_once_and_ends_at_its_time() {
    let world = world();
    let request = lasting(Lifetime::For(Duration::from_secs(60)));
    let on = world.handle.activate("slow", request, "ann").await.unwrap();
    assert_eq!(
        (world.rules(), on.generation),
        (1, world.handle.live().load().generation)
    );
    assert_eq!(on.activation.who, "ann");
    assert_eq!(on.activation.since, "2026-01-01T12:00:00.000Z");
    assert_eq!(on.activation.until.as_deref(), Some("2026-01-01T12:01:00.000Z"));
    tokio::time::sleep(Duration::from_millis(59_999)).await;
    assert_eq!(world.rules(), 1);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!((world.rules(), world.active().len()), (0, 0));
    assert_eq!(
        world.metric("murphy_scenario_active{scenario=\"slow\"}"),
        Some(0.0)
    );
}

#[tokio::test(start_paused = true)]
async fn every_activation_ends_unless_for_ever_is_said() {
    let world = World::new(&Given {
        config: "[scenarios]\nmax_active = \"10m\"\n",
        scenarios: &[("slow", SLOW), ("fail", FAIL)],
    });
    world.on("slow").await;
    let forever = world
        .handle
        .activate("fail", lasting(Lifetime::Forever), "ann")
        .await
        .unwrap();
    assert_eq!(forever.activation.until, None);
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(world.active(), ["fail"]);
    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
    assert_eq!(world.active(), ["fail"]);
}

#[tokio::test(start_paused = true)]
async fn seeds_come_from_the_request_the_scenario_the_settings_or_chance() {
    let seeded = format!("seed: 5\n{SLOW}");
    let scenarios: &[(&str, &str)] = &[("slow", SLOW), ("seeded", &seeded)];
    let config = "seed = 9\n";
    let world = World::new(&Given { config, scenarios });
    let request = ActivateRequest {
        seed: Some(7),
        ..ActivateRequest::default()
    };
    assert_eq!(
        world
            .handle
            .activate("seeded", request, "a")
            .await
            .unwrap()
            .activation
            .seed,
        7
    );
    assert_eq!(world.on("seeded").await.activation.seed, 5);
    assert_eq!(world.on("slow").await.activation.seed, 9);
    let chance = World::new(&Given {
        config: "",
        scenarios,
    });
    let drawn = [
        chance.on("slow").await.activation.seed,
        chance.on("slow").await.activation.seed,
    ];
    assert_ne!(drawn[0], drawn[1]);
    assert!(drawn.iter().all(|seed| *seed < 1 << 53));
}

#[tokio::test(start_paused = true)]
async fn switching_on_again_begins_anew_and_off_is_off() {
    let world = world();
    let first = world.on("slow").await.activation.activation;
    world.on("fail").await;
    assert_ne!(world.on("slow").await.activation.activation, first);
    assert_eq!(world.active(), ["fail", "slow"]);
    let off = world.handle.deactivate("fail", "a").await.unwrap();
    assert_eq!(off.scenarios, ["fail"]);
    let again = world.handle.deactivate("fail", "a").await.unwrap();
    assert_eq!(
        (again.scenarios.len(), again.generation),
        (0, off.generation),
        "nothing changed, nothing published"
    );
    assert_eq!(
        world.handle.deactivate_all("a").await.unwrap().scenarios,
        ["slow"]
    );
    assert_eq!(world.rules(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_refused_with_a_suggestion() {
    let world = world();
    let refusal = world
        .handle
        .activate("slwo", ActivateRequest::default(), "a")
        .await
        .unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (404, "no-such-scenario"));
    assert!(
        refusal.to_string().contains("did you mean \"slow\"?"),
        "{refusal}"
    );
    for name in ["../slow", "", "SLOW", "slow\0", "nul"] {
        let put = world.handle.put_scenario(name, SLOW, "a").await;
        assert!(matches!(put, Err(Refusal::BadName { .. })), "{name:?}: {put:?}");
        assert_eq!(
            world.handle.deactivate(name, "a").await.unwrap_err().status(),
            404
        );
        assert_eq!(
            world
                .handle
                .delete_scenario(name, "a")
                .await
                .unwrap_err()
                .status(),
            404
        );
        assert_eq!(world.handle.scenario(name).unwrap_err().status(), 404);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_bound_to_trip_the_switch_is_told() {
    let world = world();
    let warned = world.on("fail").await.warnings;
    assert!(
        warned.len() == 1 && warned[0].contains("expect the kill switch to trip"),
        "{warned:?}"
    );
    assert_eq!(world.on("slow").await.warnings, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn settings_switch_on_at_the_start_for_as_long_as_they_say() {
    let world = World::new(&Given {
        config: "[scenarios]\nactive = [\"slow\", { name = \"fail\", for = \"10s\", seed = 3 }]\n",
        scenarios: &[("slow", SLOW), ("fail", FAIL)],
    });
    assert_eq!(world.active(), ["slow", "fail"]);
    assert_eq!(world.handle.status().active[1].seed, 3);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(world.active(), ["slow"]);
    world.write("murphy.toml", "[scenarios]\nactive = [\"fail\"]\n");
    world.reload().await;
    assert_eq!(
        world.active(),
        ["fail"],
        "what is no longer named is off, what is new is on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_scenario_is_put_into_its_file_and_removed_with_it() {
    let world = World::new(&Given::default());
    let put = world.handle.put_scenario("new", SLOW, "ann").await.unwrap();
    assert!(put.created && put.warnings.is_empty());
    assert_eq!(put.scenario.stored, Stored::File);
    let file = world.file("scenarios/new.yaml");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SLOW);
    assert_eq!(
        std::fs::read_dir(world.file("scenarios")).unwrap().count(),
        1,
        "a temporary file is left"
    );

    world.on("new").await;
    let put = world.handle.put_scenario("new", FAIL, "ann").await.unwrap();
    assert!(!put.created);
    assert_eq!(put.scenario.rules[0].fault, "status");
    assert_eq!(world.active(), ["new"], "it stays on, with its new rules");
    assert_eq!(world.handle.live().load().routes[0].rules[0].rule.fault, "status");
    assert_eq!(&*world.handle.scenario("new").unwrap().text, FAIL);
    let generation = world.handle.status().generation;
    assert_eq!(
        world.reload().await.generation,
        generation,
        "what was put is what is on disk"
    );

    let gone = world.handle.delete_scenario("new", "ann").await.unwrap();
    assert_eq!(gone.scenarios, ["new"]);
    assert!(!file.exists() && world.rules() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_bad_scenario_is_not_put() {
    let world = world();
    let before = world.handle.status().generation;
    let refusal = world
        .handle
        .put_scenario("slow", "rules: [{name: r, fault: {dealy: 2s}}]", "a")
        .await
        .unwrap_err();
    assert_eq!(refusal.status(), 422);
    let told = refusal.problems()[0].to_string();
    assert!(
        told.starts_with("scenario slow:1:27: ") && told.contains("did you mean \"delay\"?"),
        "{told}"
    );
    let refusal = world
        .handle
        .put_scenario("slow", &"#".repeat(2 << 20), "a")
        .await
        .unwrap_err();
    assert_eq!(refusal.status(), 413);
    assert_eq!(world.handle.status().generation, before);
    assert_eq!(
        std::fs::read_to_string(world.file("scenarios/slow.yaml")).unwrap(),
        SLOW
    );
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn where_the_file_cannot_be_written_a_scenario_is_kept_in_memory() {
    let world = World::new(&Given::default());
    // Its file would be a link, as in a ConfigMap: that is somebody else's.
    let dir = world.file("scenarios");
    std::fs::create_dir(dir.join("..data")).unwrap();
    std::fs::write(dir.join("..data/mapped.yaml"), SLOW).unwrap();
    std::os::unix::fs::symlink("..data/mapped.yaml", dir.join("mapped.yaml")).unwrap();
    world.reload().await;
    let put = world.handle.put_scenario("mapped", FAIL, "a").await.unwrap();
    assert_eq!(put.scenario.stored, Stored::Memory);
    assert!(put.warnings[0].contains("in memory only"), "{:?}", put.warnings);
    assert_eq!(std::fs::read_to_string(dir.join("mapped.yaml")).unwrap(), SLOW);
    world.reload().await;
    let scenario = world.handle.scenario("mapped").unwrap();
    assert_eq!(
        (&*scenario.text, scenario.scenario.file),
        (FAIL, None),
        "a reload keeps it"
    );
}
