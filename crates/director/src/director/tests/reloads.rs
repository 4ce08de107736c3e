//! Files that change while everything runs. The watch is real and may be first: so it is the state that is
//! looked at, and each step on the way is one that may be loaded.

use std::path::Path;
use std::time::Duration;

use super::harness::*;
use crate::view::ReloadResult;

fn world() -> World {
    World::new(&Given {
        scenarios: &[("slow", SLOW)],
        ..Given::default()
    })
}

/// The fault of the rule that is in force.
fn fault(world: &World) -> Option<&'static str> {
    let snapshot = world.handle.live().load();
    snapshot.routes[0].rules.first().map(|rule| rule.rule.fault)
}

#[tokio::test]
async fn an_editors_rename_over_the_file_is_noticed() {
    let world = world();
    world.on("slow").await;
    for (n, (text, kind)) in [(FAIL, "status"), (SLOW, "delay"), (FAIL, "status")]
        .into_iter()
        .enumerate()
    {
        let backup = format!("scenarios/slow.yaml.{n}~");
        world.write(&backup, text);
        std::fs::rename(world.file(&backup), world.file("scenarios/slow.yaml")).unwrap();
        world.until(|world| fault(world) == Some(kind)).await;
    }
    world.write("scenarios/slow.yaml", SLOW);
    world.until(|world| fault(world) == Some("delay")).await;
}

#[cfg(unix)]
#[tokio::test]
async fn each_swap_of_a_config_map_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("scenarios");
    version_in(&dir, 0, SLOW);
    std::os::unix::fs::symlink("..data/slow.yaml", dir.join("slow.yaml")).unwrap();
    std::fs::write(folder.path().join("murphy.toml"), "").unwrap();
    let world = World::in_folder(folder).unwrap();
    world.on("slow").await;
    for (n, (text, kind)) in [(FAIL, "status"), (SLOW, "delay"), (FAIL, "status")]
        .into_iter()
        .enumerate()
    {
        version_in(&world.file("scenarios"), n + 1, text);
        world.until(|world| fault(world) == Some(kind)).await;
    }
}

#[cfg(unix)]
fn version_in(dir: &Path, n: usize, text: &str) {
    let data = dir.join(format!("..v{n}"));
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("slow.yaml"), text).unwrap();
    std::os::unix::fs::symlink(format!("..v{n}"), dir.join("..data_tmp")).unwrap();
    std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    if let Some(before) = n.checked_sub(1) {
        std::fs::remove_dir_all(dir.join(format!("..v{before}"))).unwrap();
    }
}

#[tokio::test]
async fn the_config_file_is_watched_and_a_new_scenario_found() {
    let world = world();
    world.write("murphy.toml", "[proxy]\nmark = false\n");
    world
        .until(|world| !world.handle.live().load().options.mark)
        .await;
    world.write("scenarios/new.yaml", FAIL);
    world.until(|world| world.handle.scenarios().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_watched_files_are_polled() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("murphy.toml"), "").unwrap();
    let world = World::in_folder(folder).unwrap();
    assert!(world.handle.status().warnings[0].contains("there are no scenarios"));
    // The folder was not there, so nothing could be watched: only a look finds this.
    std::fs::create_dir(world.file("scenarios")).unwrap();
    world.write("scenarios/slow.yaml", SLOW);
    world.until(|world| world.handle.scenarios().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn polling_by_setting_finds_changes() {
    let world = World::new(&Given {
        config: "[scenarios]\npoll = \"100ms\"\n",
        scenarios: &[("slow", SLOW)],
    });
    world.on("slow").await;
    let before = world.started.elapsed();
    world.write("scenarios/slow.yaml", FAIL);
    world.until(|world| fault(world) == Some("status")).await;
    assert!(world.started.elapsed() - before <= Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_leaves_everything_running_and_is_told() {
    let world = world();
    world.on("slow").await;
    let generation = world.handle.status().generation;
    world.write(
        "scenarios/bad.yaml",
        "rules:\n  - name: r\n    fault: { dealy: 2s }\n",
    );
    world.write("scenarios/good.yaml", FAIL);
    world.write("murphy.toml", "[proxy]\nmark = false\n");
    let report = world.reload().await;
    assert_eq!(
        (report.result, report.generation),
        (ReloadResult::Refused, generation)
    );
    let status = world.handle.status();
    let told = status.reload.last_error[0].to_string();
    assert!(
        told.contains("bad.yaml:3:14: found unknown value \"dealy\"")
            && told.contains("did you mean \"delay\"?"),
        "{told}"
    );
    assert!(!status.reload.ok);
    assert_eq!(world.metric("murphy_config_last_reload_successful"), Some(0.0));
    // All or nothing: neither the good scenario nor the good setting is in force.
    assert_eq!(
        (
            world.handle.scenarios().len(),
            world.handle.live().load().options.mark
        ),
        (1, true)
    );
    assert_eq!(fault(&world), Some("delay"));

    world.write("scenarios/bad.yaml", SLOW);
    world.reload().await;
    assert_eq!(world.handle.status().generation, generation + 1);
    assert_eq!(
        (
            world.handle.scenarios().len(),
            world.handle.live().load().options.mark
        ),
        (3, false)
    );
    assert!(world.handle.status().reload.ok && world.active() == ["slow"]);
    assert_eq!(world.metric("murphy_config_last_reload_successful"), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_bad_configuration_is_refused_and_its_repair_is_taken() {
    let world = world();
    let generation = world.handle.status().generation;
    world.write("murphy.toml", "[proxy]\nlisen = \"x\"\n");
    let report = world.reload().await;
    assert_eq!(report.result, ReloadResult::Refused);
    assert!(
        report.problems[0].to_string().contains("murphy.toml:2:1: "),
        "{}",
        report.problems[0]
    );
    world.write("murphy.toml", "");
    world.reload().await;
    let status = world.handle.status();
    assert!(
        status.reload.ok && status.generation == generation,
        "it is what ran all the time"
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_scenario_that_is_not_there_is_a_located_problem() {
    let world = world();
    world.write("murphy.toml", "[scenarios]\nactive = [\"slwo\"]\n");
    let report = world.reload().await;
    let told = report.problems[0].to_string();
    assert!(
        told.contains("murphy.toml:2:11: scenarios.active[0]: ") && told.contains("did you mean \"slow\"?"),
        "{told}"
    );
    let Err(problems) = world.restart() else {
        panic!("it started");
    };
    assert_eq!(problems.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn equal_content_is_not_published_again() {
    let world = world();
    let generation = world.handle.live().load().generation;
    world.write("scenarios/slow.yaml", SLOW);
    world.write("murphy.toml", "# a comment changes nothing\n");
    let report = world.reload().await;
    assert_eq!(
        (report.result, report.generation),
        (ReloadResult::Unchanged, generation)
    );
    assert_eq!(world.handle.live().load().generation, generation);
}

#[tokio::test(start_paused = true)]
async fn counters_survive_while_the_rule_is_the_same() {
    let rule = "rules:\n  - name: r\n    often: { every: 3 }\n    fault: { delay: 2s }\n";
    let other = "  - name: s\n    fault: { delay: 1s }\n";
    let world = World::new(&Given {
        scenarios: &[("third", rule)],
        ..Given::default()
    });
    world.on("third").await;
    assert_eq!((world.call(), world.call()), ((0, Some(1)), (0, Some(2))));
    world.write("scenarios/third.yaml", &format!("{rule}{other}"));
    world.reload().await;
    assert_eq!(
        world.call(),
        (2, Some(3)),
        "the third call of the old rule, and the new rule"
    );
    world.write("scenarios/third.yaml", &rule.replace("every: 3", "every: 2"));
    world.reload().await;
    assert_eq!(world.call().1, Some(1), "another text counts anew");
}

#[tokio::test(start_paused = true)]
async fn a_scenario_whose_file_is_gone_is_switched_off() {
    let world = World::new(&Given {
        scenarios: &[("slow", SLOW), ("fail", FAIL)],
        ..Given::default()
    });
    world.on("slow").await;
    world.on("fail").await;
    std::fs::remove_file(world.file("scenarios/slow.yaml")).unwrap();
    world.reload().await;
    assert_eq!(world.active(), ["fail"]);
    assert_eq!(
        world.metric("murphy_scenario_active{scenario=\"slow\"}"),
        Some(0.0)
    );
}

#[tokio::test(start_paused = true)]
async fn changed_listeners_need_a_restart_and_the_report_says_so() {
    let world = world();
    world.write(
        "murphy.toml",
        "[proxy]\nlisten = \"127.0.0.1:8080\"\nmark = false\n",
    );
    let report = world.reload().await;
    assert_ne!(report.result, ReloadResult::Refused);
    assert!(
        report.needs_restart[0].starts_with("proxy.listen changed from \"127.0.0.1:7070\""),
        "{report:?}"
    );
    assert_eq!(world.handle.status().needs_restart, report.needs_restart);
    assert!(!world.handle.live().load().options.mark, "the rest is in force");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_reloads_half_of_them_bad_keep_the_last_good_one() {
    let world = world();
    world.on("slow").await;
    for n in 0..1_000_u32 {
        let text = match n % 2 {
            0 => format!("rules:\n  - name: r{n}\n    fault: {{ delay: 1s }}\n"),
            _ => "rules: oops\n".to_owned(),
        };
        world.write("scenarios/slow.yaml", &text);
        let report = world.reload().await;
        assert_eq!(report.result == ReloadResult::Refused, n % 2 == 1, "reload {n}");
        let snapshot = world.handle.live().load();
        assert_eq!(*snapshot.routes[0].rules[0].rule.rule, *format!("r{}", n - n % 2));
    }
    assert_eq!(world.active(), ["slow"]);
}

#[tokio::test]
async fn a_folder_that_is_replaced_as_a_whole_is_still_watched() {
    let world = world();
    world.on("slow").await;
    for (text, kind) in [(FAIL, "status"), (SLOW, "delay"), (FAIL, "status")] {
        let next = world.file("next");
        std::fs::create_dir(&next).unwrap();
        std::fs::write(next.join("slow.yaml"), text).unwrap();
        std::fs::rename(world.file("scenarios"), world.file("old")).unwrap();
        std::fs::rename(&next, world.file("scenarios")).unwrap();
        std::fs::remove_dir_all(world.file("old")).unwrap();
        world.until(|world| fault(world) == Some(kind)).await;
    }
    world.write("scenarios/slow.yaml", SLOW);
    world.until(|world| fault(world) == Some("delay")).await;
}

#[tokio::test]
async fn another_folder_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let config = |name: &str| format!("[scenarios]\ndir = {:?}\n", folder.path().join(name));
    for (name, text) in [("one", SLOW), ("two", FAIL)] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("slow.yaml"), text).unwrap();
    }
    let (one, two) = (config("one"), config("two"));
    std::fs::write(folder.path().join("murphy.toml"), one).unwrap();
    let world = World::in_folder(folder).unwrap();
    world.on("slow").await;
    world.write("murphy.toml", &two);
    world.until(|world| fault(world) == Some("status")).await;
    assert_eq!(world.active(), ["slow"], "a scenario of that name is there too");
    world.write("two/slow.yaml", SLOW);
    world.until(|world| fault(world) == Some("delay")).await;
}
