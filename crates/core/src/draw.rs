//! Random draws that depend on nothing but what they are for.
//!
//! A draw is SipHash-2-4 in counter mode: keyed by the seed, over (rule, call, occurrence, lane). No stream is
//! shared between tasks, so the seed fixes which call is hit whatever the order of arrival, the number of
//! workers or the platform. Logarithms come from `libm`, whose results are the same everywhere.

use std::hash::Hasher as _;
use std::time::Duration;

use siphasher::sip::SipHasher24;

/// What one draw is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DrawKey {
    /// The seed of the activation.
    pub seed: u64,
    /// The identity of the rule: scenario and rule name, see [`identity`].
    pub rule: u64,
    /// The identity of the call.
    pub call: u64,
    /// How often that identity came before, from 0.
    pub occurrence: u64,
}

/// The lane of the draw that decides whether a rule fires. Effects use the lanes after it.
pub const LANE_FIRE: u32 = 0;

impl DrawKey {
    /// 64 uniform bits for this purpose and lane.
    #[must_use]
    pub fn word(&self, lane: u32) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.seed, 0x6d75_7270_6879);
        for part in [self.rule, self.call, self.occurrence, u64::from(lane)] {
            hasher.write(&part.to_le_bytes()); // bytes, not integers: the same on every platform
        }
        hasher.finish()
    }

    /// A uniform number in [0, 1).
    #[must_use]
    pub fn unit(&self, lane: u32) -> f64 {
        unit(self.word(lane))
    }
}

/// Maps 64 bits to [0, 1) by the 53 upper ones.
#[must_use]
pub fn unit(word: u64) -> f64 {
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

/// A stable 64-bit identity of a list of texts (length-delimited, so that ("a","bc") is not ("ab","c")).
#[must_use]
pub fn identity(texts: &[&[u8]]) -> u64 {
    // In one piece if it is short, which it mostly is: the hash is the same, and a write costs more than its bytes.
    let mut piece = [0_u8; 256];
    let mut used = 0;
    let mut hasher = SipHasher24::new();
    for part in texts {
        for bytes in [&(part.len() as u64).to_le_bytes()[..], part] {
            if let Some(free) = piece.get_mut(used..used + bytes.len()) {
                free.copy_from_slice(bytes);
                used += bytes.len();
            } else {
                hasher.write(piece.get(..used).unwrap_or_default());
                hasher.write(bytes);
                used = 0;
            }
        }
    }
    hasher.write(piece.get(..used).unwrap_or_default());
    hasher.finish()
}

/// A law of latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// Always the same.
    Fixed(Duration),
    /// Uniform between two bounds.
    Uniform {
        /// Lower bound.
        min: Duration,
        /// Upper bound.
        max: Duration,
    },
    /// Normal, cut at zero.
    Normal {
        /// Mean.
        mean: Duration,
        /// Standard deviation.
        deviation: Duration,
    },
    /// Lognormal by its median and the deviation of its logarithm.
    LogNormal {
        /// Median.
        median: Duration,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// Pareto: a heavy tail above a minimum.
    Pareto {
        /// The minimum (scale).
        min: Duration,
        /// The shape; smaller is heavier.
        shape: f64,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Duration,
    },
}

impl Law {
    /// Draws from the law; uses `lane` and `lane + 1`. The result is never above `cap`.
    #[must_use]
    pub fn sample(&self, key: &DrawKey, lane: u32, cap: Duration) -> Duration {
        let unit = || key.unit(lane);
        let seconds = match *self {
            Self::Fixed(wait) => return wait.min(cap),
            Self::Uniform { min, max } => {
                min.as_secs_f64() + unit() * (max.saturating_sub(min)).as_secs_f64()
            }
            Self::Normal { mean, deviation } => {
                mean.as_secs_f64() + deviation.as_secs_f64() * normal(key, lane)
            }
            Self::LogNormal { median, sigma } => median.as_secs_f64() * libm::exp(sigma * normal(key, lane)),
            Self::Pareto { min, shape } => min.as_secs_f64() / libm::pow(1.0 - unit(), 1.0 / shape),
            Self::Exponential { mean } => -mean.as_secs_f64() * libm::log(1.0 - unit()),
        };
        Duration::try_from_secs_f64(seconds.max(0.0)).map_or(cap, |wait| wait.min(cap))
    }
}

/// A standard normal by Box and Muller.
fn normal(key: &DrawKey, lane: u32) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - key.unit(lane)));
    radius * libm::cos(std::f64::consts::TAU * key.unit(lane.wrapping_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(call: u64) -> DrawKey {
        DrawKey {
            seed: 7,
            rule: 11,
            call,
            occurrence: 0,
        }
    }

    #[test]
    fn draws_are_the_same_on_every_platform() {
        // Pinned: a change of these numbers changes what every seed in the world reproduces.
        assert_eq!(key(1).word(0), 17509872805283900718);
        assert_ne!(identity(&[b"a", b"bc"]), identity(&[b"ab", b"c"]));
    }

    #[test]
    fn a_million_units_are_uniform() {
        let mean = (0..100_000).map(|call| key(call).unit(0)).sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 0.005, "mean {mean}");
    }

    #[test]
    fn laws_have_the_moments_they_name() {
        let second = Duration::from_secs(1);
        let cap = Duration::from_secs(3_600);
        let laws = [
            (Law::Fixed(second), 1.0),
            (
                Law::Uniform {
                    min: Duration::ZERO,
                    max: 2 * second,
                },
                1.0,
            ),
            (
                Law::Normal {
                    mean: second,
                    deviation: second / 10,
                },
                1.0,
            ),
            (
                Law::LogNormal {
                    median: second,
                    sigma: 0.5,
                },
                libm::exp(0.125),
            ),
            (
                Law::Pareto {
                    min: second,
                    shape: 3.0,
                },
                1.5,
            ),
            (Law::Exponential { mean: second }, 1.0),
        ];
        for (law, wanted) in laws {
            let mean = (0..50_000)
                .map(|call| law.sample(&key(call), 1, cap).as_secs_f64())
                .sum::<f64>()
                / 50_000.0;
            assert!(
                (mean - wanted).abs() < 0.03 * wanted,
                "{law:?}: mean {mean}, wanted {wanted}"
            );
        }
    }

    #[test]
    fn the_cap_holds_and_nothing_is_negative() {
        let law = Law::Normal {
            mean: Duration::from_millis(1),
            deviation: Duration::from_secs(9),
        };
        for call in 0..1_000 {
            assert!(law.sample(&key(call), 1, Duration::from_secs(1)) <= Duration::from_secs(1));
        }
    }
}
