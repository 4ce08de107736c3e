//! A plan in words, and as the entries of the event log.

use murphy_core::exchange::HeldRule;
use murphy_core::plan::{Considered, Plan, Why};

/// One line for each rule that matched: what became of it, and why.
///
/// ```text
/// brownout/slow (delay): fired: call 4, draw 0.1203 below 0.2
/// brownout/cut (truncate): not fired: an earlier rule ended the list
/// ```
#[must_use]
pub fn explain(plan: &Plan) -> String {
    if plan.considered.is_empty() {
        return "no rule matched\n".to_owned();
    }
    plan.considered
        .iter()
        .map(|considered| {
            let rule = &considered.rule;
            let (scenario, name, fault) = (&rule.scenario, &rule.rule, rule.fault);
            format!("{scenario}/{name} ({fault}): {}\n", reason(considered))
        })
        .collect()
}

fn reason(considered: &Considered) -> String {
    let &Considered {
        why,
        draw,
        probability,
        ordinal,
        ..
    } = considered;
    match (why, draw) {
        (Why::Fired, Some(draw)) => format!("fired: call {ordinal}, draw {draw:.4} below {probability}"),
        (Why::Fired, None) => format!("fired: call {ordinal}"),
        (Why::Probability, Some(draw)) => format!("not fired: draw {draw:.4} not below {probability}"),
        (Why::Probability, None) => "not fired: the probability is 0".to_owned(),
        (Why::Cadence, _) => format!("not fired: call {ordinal} is not one of those that `often` chooses"),
        (Why::Times, _) => "not fired: it has fired `times` times".to_owned(),
        (Why::Schedule, _) => "not fired: outside the schedule".to_owned(),
        (Why::Limit, _) => "held back by a limit".to_owned(),
        (Why::Ended, _) => "not fired: an earlier rule ended the list".to_owned(),
    }
}

/// The rules that matched and did not fire, for the event log.
#[must_use]
pub fn held_rules(plan: &Plan) -> Vec<HeldRule> {
    plan.considered
        .iter()
        .filter(|considered| considered.why != Why::Fired)
        .map(|considered| HeldRule {
            scenario: considered.rule.scenario.to_string(),
            rule: considered.rule.rule.to_string(),
            why: considered.why,
            draw: considered.draw,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use murphy_core::plan::{ActivationId, RuleRef};

    fn considered(why: Why, draw: Option<f64>) -> Considered {
        Considered {
            rule: Arc::new(RuleRef {
                scenario: "brownout".into(),
                rule: "slow".into(),
                fault: "delay",
                activation: ActivationId(1),
            }),
            why,
            draw,
            probability: 0.2,
            ordinal: 4,
        }
    }

    #[test]
    fn each_rule_that_matched_is_told_with_its_reason() {
        let mut plan = Plan::default();
        assert_eq!(explain(&plan), "no rule matched\n");
        plan.considered = vec![
            considered(Why::Fired, Some(0.12034)),
            considered(Why::Probability, Some(0.9)),
            considered(Why::Ended, None),
        ];
        assert_eq!(
            explain(&plan),
            "brownout/slow (delay): fired: call 4, draw 0.1203 below 0.2\n\
             brownout/slow (delay): not fired: draw 0.9000 not below 0.2\n\
             brownout/slow (delay): not fired: an earlier rule ended the list\n"
        );
        let held = held_rules(&plan);
        assert_eq!(held.len(), 2);
        assert_eq!((held[0].why, held[0].draw), (Why::Probability, Some(0.9)));
    }
}
