//! The only writer of policy: settings, strict loading, file watch, activation, kill switch, alerts.
