//! The data path: listeners, routing, upstream pools, pipeline, executors of effects.
