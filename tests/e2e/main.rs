//! End to end through the front door.
