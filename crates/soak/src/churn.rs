//! What an operator, an editor and an upstream do meanwhile: reloads, toggles, trips, kills of the upstream.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::Trouble;
use crate::client::ALONE;
use crate::content::Random;
use crate::control::{call, post};
use crate::ground::{Ground, write};
use crate::traffic::Shared;

/// The scenario whose rules hit five calls in a hundred of the route with rules.
pub const FIVE: &str = "five";
/// The scenario that is switched on and off.
pub const EXTRA: &str = "extra";

/// The scenarios of the mixed traffic.
#[must_use]
pub fn scenarios(seed: u64) -> Vec<(&'static str, String)> {
    let when = |name: &str, more: &str, fault: &str| {
        format!(
            "  - name: {name}\n    when: {{ route: faulty{more} }}\n    often: {{ probability: 1% }}\n    \
             fault: {fault}\n"
        )
    };
    let rule = |name: &str, fault: &str| when(name, "", fault);
    let alone = format!(", header: {{ {ALONE}: \"*\" }}");
    let five = [
        rule("slow", "{ delay: 20ms }"),
        rule("internal", "{ error: internal }"),
        rule("cut", "{ truncate: { after: 50%, framing: abrupt } }"),
        rule("gone", "{ abort: fin }"),
        when(
            "reset",
            &alone,
            "{ abort: { at: mid_body, after: 30%, how: rst } }",
        ),
    ];
    let extra = "rules:\n  - name: late\n    when: { route: faulty }\n    often: { every: 50 }\n    \
                 fault: { delay: { fixed: 5ms, at: headers } }\n";
    vec![
        (FIVE, format!("seed: {seed}\nrules:\n{}", five.concat())),
        (EXTRA, extra.to_owned()),
        ("churn", churned(0)),
    ]
}

fn churned(number: u64) -> String {
    format!(
        "description: Number {number}\nrules:\n  - name: never\n    when: {{ route: faulty }}\n    \
         often: {{ probability: 0 }}\n    fault: {{ status: {} }}\n",
        400 + number % 100
    )
}

fn bad(number: u64) -> &'static str {
    match number % 4 {
        0 => "rules:\n  - name: never\n    fault: { dealy: 2s }\n",
        1 => "rules: [",
        2 => "rules:\n  - name: never\n    when: { route: nowhere }\n    fault: { status: 503 }\n",
        _ => "rules:\n  - name: never\n    often: { probability: 2 }\n    fault: { status: 503 }\n",
    }
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// Reloads, the refused ones included.
    pub reloads: u64,
    /// Of these, of files with a mistake, which were refused.
    pub refused: u64,
    /// Scenarios switched on or off.
    pub toggles: u64,
    /// From the answer to a trip until the re-arm was sent.
    pub tripped: Vec<(Timestamp, Timestamp)>,
    /// Kills of the upstream.
    pub kills: u64,
    /// Answers of the control API that were not what they had to be.
    pub failed: Vec<String>,
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long after one thing the next is done.
    pub every: Duration,
    /// How often the upstream is killed, if it is.
    pub kill_every: Option<Duration>,
    /// Only reloads, and the end after so many.
    pub reloads_only: Option<u64>,
}

/// Does it until the deadline, or until all reloads are made.
///
/// # Errors
/// If the upstream does not come back, or a file cannot be written.
pub async fn churn(
    ground: &mut Ground,
    shared: &Shared,
    pace: Pace,
    deadline: Instant,
) -> Result<Done, Trouble> {
    let mut random = Random::of(shared.seed, u64::MAX);
    let mut done = Done::default();
    let mut next_kill = pace.kill_every.map(|every| Instant::now() + every);
    let mut number = 0;
    while Instant::now() < deadline && pace.reloads_only.is_none_or(|max| done.reloads < max) {
        number += 1;
        if next_kill.is_some_and(|next| Instant::now() >= next) {
            kill_upstream(ground, shared, &mut random).await?;
            done.kills += 1;
            next_kill = pace.kill_every.map(|every| Instant::now() + every);
        }
        let what = if pace.reloads_only.is_some() {
            0
        } else {
            random.below(10)
        };
        let result = match what {
            0..=4 => reload(ground, number, &mut done).await,
            5..=7 => toggle(ground, &mut done).await,
            _ => trip_and_rearm(ground, &mut random, &mut done).await,
        };
        if let Err(trouble) = result {
            done.failed.push(format!("{number}: {trouble}"));
        }
        sleep(pace.every).await;
    }
    Ok(done)
}

async fn kill_upstream(ground: &mut Ground, shared: &Shared, random: &mut Random) -> Result<(), Trouble> {
    shared.kill_or_return();
    ground.origin.kill().await?;
    sleep(Duration::from_millis(random.within(50, 500))).await;
    ground.origin.restart().await?;
    shared.kill_or_return();
    Ok(())
}

/// Every second one has a mistake; every third changes the configuration, the others a scenario.
async fn reload(ground: &Ground, number: u64, done: &mut Done) -> Result<(), Trouble> {
    let folder = ground.path();
    let good = number.is_multiple_of(2);
    if number.is_multiple_of(3) {
        let more = if good {
            "name = \"more\"\npath = \"/more"
        } else {
            "nmae = \"more\"\npath = \"/more"
        };
        let text = format!(
            "{}\n[[routes]]\n{more}{number}\"\nupstream = \"sim\"\n",
            ground.config
        );
        write(folder, "murphy.toml", &text)?;
    } else {
        let text = if good {
            churned(number)
        } else {
            bad(number / 2).to_owned()
        };
        write(folder, "scenarios/churn.yaml", &text)?;
    }
    let wanted = if good { 200 } else { 422 };
    let answer = ground.post("/api/v1/reload", wanted).await;
    done.reloads += 1;
    done.refused += u64::from(!good);
    if !good {
        // What is on disk must be in order before the next change is judged.
        write(folder, "scenarios/churn.yaml", &churned(number))?;
        write(folder, "murphy.toml", &ground.config)?;
    }
    answer.map(drop)
}

async fn toggle(ground: &Ground, done: &mut Done) -> Result<(), Trouble> {
    done.toggles += 1;
    let verb = if done.toggles % 2 == 1 {
        "activate"
    } else {
        "deactivate"
    };
    ground
        .post(&format!("/api/v1/scenarios/{EXTRA}/{verb}"), 200)
        .await
        .map(drop)
}

async fn trip_and_rearm(ground: &Ground, random: &mut Random, done: &mut Done) -> Result<(), Trouble> {
    let control = ground.murphy.control;
    post(
        control,
        "/api/v1/kill-switch/trip",
        json!({ "reason": "soak" }),
        200,
    )
    .await?;
    let from = Timestamp::now();
    let (status, _) = call(
        control,
        http::Method::POST,
        &format!("/api/v1/scenarios/{FIVE}/activate"),
        Some(json!({})),
    )
    .await?;
    sleep(Duration::from_millis(random.within(20, 300))).await;
    done.tripped.push((from, Timestamp::now()));
    ground.post("/api/v1/kill-switch/rearm", 200).await?;
    ground
        .post(&format!("/api/v1/scenarios/{FIVE}/activate"), 200)
        .await?;
    if status != 409 {
        return Err(format!("a tripped switch answered {status} to an activation").into());
    }
    Ok(())
}
