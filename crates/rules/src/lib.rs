//! When and how often a fault happens: scenarios, matchers, cadence, limits, decide.
