//! What is on, and until when. Pure: time comes in.

use std::time::Duration;

use murphy_core::clock::Offset;
use murphy_core::plan::ActivationId;

use crate::settings::Lifetime;
use crate::view::ActivationView;

/// A scenario that is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Activation {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// The activation's number.
    pub(crate) id: ActivationId,
    /// The seed.
    pub(crate) seed: u64,
    /// Since when.
    pub(crate) since: Offset,
    /// When it ends by itself.
    pub(crate) until: Option<Offset>,
    /// Who switched it on.
    pub(crate) who: String,
    /// Since when and until when, on the wall clock.
    pub(crate) shown: (String, Option<String>),
}

impl Activation {
    pub(crate) fn view(&self) -> ActivationView {
        ActivationView {
            scenario: self.scenario.clone(),
            activation: self.id.0,
            seed: self.seed,
            since: self.shown.0.clone(),
            until: self.shown.1.clone(),
            who: self.who.clone(),
        }
    }
}

/// All that is on, in order of activation.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    list: Vec<Activation>,
    last: u64,
}

impl Activations {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Activation> {
        self.list.iter()
    }

    pub(crate) fn of(&self, scenario: &str) -> Option<&Activation> {
        self.list
            .iter()
            .find(|activation| activation.scenario == scenario)
    }

    /// The number of the next activation.
    pub(crate) fn next_id(&mut self) -> ActivationId {
        self.last += 1;
        ActivationId(self.last)
    }

    /// Switches a scenario on. If it was on, that activation ends and this one begins, after all others.
    pub(crate) fn add(&mut self, activation: Activation) {
        self.remove(&activation.scenario);
        self.list.push(activation);
    }

    /// Switches a scenario off. Whether it was on.
    pub(crate) fn remove(&mut self, scenario: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|activation| activation.scenario != scenario);
        self.list.len() < before
    }

    /// Switches off what `keep` does not keep; the names of what was on.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Activation) -> bool) -> Vec<String> {
        let (kept, ended) = std::mem::take(&mut self.list).into_iter().partition(keep);
        self.list = kept;
        let ended: Vec<Activation> = ended;
        ended.into_iter().map(|activation| activation.scenario).collect()
    }

    /// Switches all off; the names of what was on.
    pub(crate) fn clear(&mut self) -> Vec<String> {
        self.retain(|_| false)
    }

    /// Switches off what ends by `now`; the names of what was on.
    pub(crate) fn expire(&mut self, now: Offset) -> Vec<String> {
        self.retain(|activation| activation.until.is_none_or(|until| until > now))
    }

    /// When the next one ends by itself.
    pub(crate) fn next_end(&self) -> Option<Offset> {
        self.list.iter().filter_map(|activation| activation.until).min()
    }
}

/// How long an activation lasts: what was asked for, else the setting; `None` is for ever, which must be asked
/// for.
pub(crate) fn length(asked: Option<Lifetime>, max_active: Duration) -> Option<Duration> {
    match asked {
        Some(Lifetime::Forever) => None,
        Some(Lifetime::For(length)) => Some(length),
        None => Some(max_active),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Offset {
        Offset(Duration::from_secs(seconds))
    }

    fn add(all: &mut Activations, scenario: &str, until: Option<u64>) {
        let id = all.next_id();
        all.add(Activation {
            scenario: scenario.to_owned(),
            id,
            seed: 1,
            since: at(0),
            until: until.map(at),
            who: String::new(),
            shown: (String::new(), None),
        });
    }

    #[test]
    fn each_ends_at_its_time_and_what_is_for_ever_stays() {
        let mut all = Activations::default();
        add(&mut all, "a", Some(20));
        add(&mut all, "b", Some(10));
        add(&mut all, "c", None);
        assert_eq!(all.next_end(), Some(at(10)));
        assert_eq!(all.expire(at(9)), Vec::<String>::new());
        assert_eq!(all.expire(at(10)), ["b"]);
        assert_eq!(all.expire(at(1_000_000)), ["a"]);
        assert_eq!(all.next_end(), None);
        assert_eq!(all.clear(), ["c"]);
    }

    #[test]
    fn switching_on_again_is_a_new_activation_at_the_end() {
        let mut all = Activations::default();
        add(&mut all, "a", Some(20));
        add(&mut all, "b", Some(20));
        let first = all.of("a").unwrap().id;
        add(&mut all, "a", None);
        let order: Vec<_> = all.iter().map(|one| one.scenario.as_str()).collect();
        assert_eq!(order, ["b", "a"]);
        assert_ne!(all.of("a").unwrap().id, first);
    }

    #[test]
    fn every_activation_ends_unless_for_ever_is_said() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(length(None, hour), Some(hour));
        assert_eq!(length(Some(Lifetime::For(2 * hour)), hour), Some(2 * hour));
        assert_eq!(length(Some(Lifetime::Forever), hour), None);
    }
}
