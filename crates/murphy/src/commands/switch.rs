//! How the kill switch is shown.

use std::process::ExitCode;

use murphy_director::view::{KillSwitchView, MeasuredView, SwitchState, TripView};

use crate::cli::Shared;
use crate::exit::{Exit, Failure};
use crate::output::{BAD, DIM, GOOD, printable, styled};

/// Prints the switch as it is after a change.
pub(super) fn print(shared: &Shared, switch: &KillSwitchView) -> Result<ExitCode, Failure> {
    shared.output().print(switch, text)?;
    Ok(Exit::Done.into())
}

/// The state in a line, and why if it is not armed.
pub(super) fn text(switch: &KillSwitchView) -> String {
    let mut lines = vec![format!("kill switch  {}", state(switch.state))];
    if let Some(trip) = &switch.trip {
        lines.extend(trip_lines(trip));
    }
    if let Some(lock) = &switch.lock {
        let reason = if lock.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", printable(&lock.reason))
        };
        lines.push(format!(
            "  locked by {} at {}{reason}",
            printable(&lock.who),
            lock.at
        ));
    }
    if let Some(at) = &switch.rearms_at {
        lines.push(format!("  re-arms by itself at {at}"));
    }
    lines.join("\n")
}

/// The state, coloured.
pub(super) fn state(state: SwitchState) -> String {
    let style = match state {
        SwitchState::Armed => GOOD,
        SwitchState::Tripped | SwitchState::Locked => BAD,
    };
    styled(style, state.name())
}

fn trip_lines(trip: &TripView) -> Vec<String> {
    let mut lines = vec![format!(
        "  tripped by {} at {} ({}): {}",
        printable(&trip.who),
        trip.at,
        trip.trigger.name(),
        printable(&trip.reason)
    )];
    if !trip.halted.is_empty() {
        lines.push(format!("  halted: {}", printable(&trip.halted.join(", "))));
    }
    if let Some(measured) = &trip.measured {
        lines.push(format!("  {}", measured_text(measured)));
    }
    lines.push(styled(DIM, "  `murphy rearm` allows injection again"));
    lines
}

fn measured_text(measured: &MeasuredView) -> String {
    let top = |pairs: &[(String, u64)]| {
        let shown: Vec<String> = pairs
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        printable(&shown.join(", "))
    };
    let mut text = format!(
        "errors: {:.0}% of {} ({} injected, {} not)",
        measured.ratio * 100.0,
        measured.samples,
        measured.injected_errors,
        measured.organic_errors
    );
    if !measured.top_routes.is_empty() {
        text.push_str(&format!("; routes: {}", top(&measured.top_routes)));
    }
    if !measured.top_rules.is_empty() {
        text.push_str(&format!("; rules: {}", top(&measured.top_rules)));
    }
    text
}
