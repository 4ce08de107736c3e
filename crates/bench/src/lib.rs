//! The yardstick: a bare hyper reverse proxy and a command that compares Murphy with it.
