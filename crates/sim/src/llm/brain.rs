//! What is answered, whatever the API: see the module documentation of `llm`.

use murphy_core::draw::identity;
use serde_json::Value;

use super::{grammar, schema};

/// How much of a text is repeated, in bytes: each word of a stream is an event of its own.
const ECHO_BYTES_MAX: usize = 64 * 1024;

/// How many bytes of JSON stand for a token.
const JSON_BYTES_PER_TOKEN: usize = 4;

/// A request, before the question of its shape.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// The identity of the request, of which all ids are made.
    pub(super) id: u64,
    pub(super) turns: Vec<Turn>,
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Choice,
    /// The schema of a structured answer.
    pub(super) schema: Option<Value>,
    pub(super) max_tokens: Option<u64>,
    pub(super) stops: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    System,
    #[default]
    User,
    Assistant,
}

/// One message of the history, also a message of results.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) text: String,
    pub(super) calls: Vec<Past>,
    pub(super) results: Vec<Past>,
}

/// A call of the history, or its result.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) id: String,
    /// Empty if only the id tells.
    pub(super) name: String,
    /// The arguments, or the result.
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) schema: Value,
    /// What its definition has cost.
    pub(super) tokens: u64,
}

impl Tool {
    /// A tool whose definition, whole, costs tokens.
    pub(super) fn new(name: &str, schema: &Value, definition: &Value) -> Self {
        Self {
            name: name.to_owned(),
            schema: schema.clone(),
            tokens: json_tokens(definition.to_string().len()),
        }
    }
}

/// What the request says about calling tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Choice {
    #[default]
    Auto,
    None,
    Any,
    Named(String),
}

/// Why an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    End,
    Calls,
    Length,
    Sequence(String),
}

/// A call that the answer makes.
#[derive(Debug)]
pub(super) struct Call {
    /// Unique within the request.
    pub(super) id: u64,
    pub(super) name: String,
    /// A JSON object, as text.
    pub(super) arguments: String,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    pub(super) stop: Stop,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

impl Prompt {
    /// What the request costs.
    pub(super) fn tokens(&self) -> u64 {
        let turns: u64 = self.turns.iter().map(Turn::tokens).sum();
        turns + self.tools.iter().map(|tool| tool.tokens).sum::<u64>()
    }

    pub(super) fn answer(&self) -> Answer {
        let results = self.results();
        let requested = if results.is_empty() {
            self.requested()
        } else {
            grammar::Requested::default()
        };
        let calls = requested.calls.into_iter().enumerate().map(|(n, call)| Call {
            id: identity(&[&self.id.to_le_bytes(), b"call", &(n as u64).to_le_bytes()]),
            name: call.name,
            arguments: call.arguments.to_string(),
        });
        let calls: Vec<Call> = calls.collect();
        let mut text = if !results.is_empty() {
            results.join("\n")
        } else if !calls.is_empty() {
            requested.preamble
        } else if let Some(schema) = &self.schema {
            schema::sample(schema).to_string()
        } else {
            format!("You said: {}", self.last_said())
        };
        text.truncate(text.floor_char_boundary(ECHO_BYTES_MAX));
        self.fitted(text, calls)
    }

    /// Cuts what is too long.
    fn fitted(&self, mut text: String, mut calls: Vec<Call>) -> Answer {
        let mut stop = if calls.is_empty() { Stop::End } else { Stop::Calls };
        let sequences = self.stops.iter().filter(|stop| !stop.is_empty());
        let found = sequences.filter_map(|stop| Some((text.find(stop.as_str())?, stop)));
        if let Some((place, sequence)) = found.min_by_key(|(place, _)| *place) {
            stop = Stop::Sequence(sequence.clone());
            text.truncate(place);
            calls.clear();
        }
        let max = self.max_tokens.unwrap_or(u64::MAX);
        if tokens(&text) > max {
            text.truncate(end_of_word(&text, max));
            calls.clear();
            stop = Stop::Length;
        }
        if tokens(&text) + call_tokens(&calls) > max {
            calls.clear();
            stop = Stop::Length;
        }
        Answer {
            id: self.id,
            input_tokens: self.tokens(),
            output_tokens: tokens(&text) + call_tokens(&calls),
            text,
            calls,
            stop,
        }
    }

    /// What the tools returned, if that is what the history ends with.
    fn results(&self) -> Vec<String> {
        let last = self
            .turns
            .iter()
            .rev()
            .take_while(|turn| !turn.results.is_empty());
        let mut results: Vec<&Past> = last.flat_map(|turn| turn.results.iter().rev()).collect();
        results.reverse();
        results
            .iter()
            .map(|result| match self.name_of(result) {
                "" => format!("The tool returned: {}", result.text),
                name => format!("The tool {name} returned: {}", result.text),
            })
            .collect()
    }

    fn name_of<'a>(&'a self, result: &'a Past) -> &'a str {
        if !result.name.is_empty() {
            return &result.name;
        }
        let mut calls = self.turns.iter().rev().flat_map(|turn| &turn.calls);
        let call = calls.find(|call| call.id == result.id);
        call.map(|call| call.name.as_str()).unwrap_or_default()
    }

    fn requested(&self) -> grammar::Requested {
        let mut requested = grammar::read(&self.last_said(), &self.tools);
        let forced = match &self.choice {
            Choice::None => {
                requested.calls.clear();
                None
            }
            Choice::Auto => None,
            Choice::Any => self.tools.first(),
            Choice::Named(name) => {
                requested.calls.retain(|call| call.name == *name);
                self.tools.iter().find(|tool| tool.name == *name)
            }
        };
        if let (true, Some(tool)) = (requested.calls.is_empty(), forced) {
            requested.calls.push(grammar::Request {
                name: tool.name.clone(),
                arguments: schema::sample(&tool.schema),
            });
        }
        requested
    }

    fn last_said(&self) -> String {
        let mut turns = self.turns.iter().rev();
        let last = turns.find(|turn| turn.role == Role::User && turn.results.is_empty());
        last.map(|turn| turn.text.clone()).unwrap_or_default()
    }
}

impl Turn {
    pub(super) fn said(role: Role, text: String) -> Self {
        Self {
            role,
            text,
            ..Self::default()
        }
    }

    fn tokens(&self) -> u64 {
        let calls = self
            .calls
            .iter()
            .map(|call| json_tokens(call.name.len() + call.text.len()));
        let results = self.results.iter().map(|result| tokens(&result.text));
        tokens(&self.text) + calls.sum::<u64>() + results.sum::<u64>()
    }
}

/// A word is a token.
pub(super) fn tokens(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

fn json_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(JSON_BYTES_PER_TOKEN) as u64
}

fn call_tokens(calls: &[Call]) -> u64 {
    let bytes = calls.iter().map(|call| call.name.len() + call.arguments.len());
    bytes.map(json_tokens).sum()
}

/// Where the word of this number, from 1, ends.
fn end_of_word(text: &str, number: u64) -> usize {
    let mut words = 0;
    let mut inside = false;
    for (place, character) in text.char_indices() {
        let starts = !inside && !character.is_whitespace();
        let ends = inside && character.is_whitespace();
        if (ends || starts) && words == number {
            return if ends { place } else { 0 }; // a start is met here only if no word may be said
        }
        words += u64::from(starts);
        inside = !character.is_whitespace();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str, max_tokens: Option<u64>) -> Answer {
        let prompt = Prompt {
            turns: vec![Turn::said(Role::User, text.to_owned())],
            max_tokens,
            stops: vec!["STOP".to_owned(), String::new()],
            ..Prompt::default()
        };
        prompt.answer()
    }

    #[test]
    fn a_limit_cuts_after_a_whole_word() {
        for (max, said) in [(0, ""), (1, "You"), (3, "You said: a"), (4, "You said: a  b")] {
            let answer = asked("a  b c", Some(max));
            assert_eq!((answer.text.as_str(), answer.stop), (said, Stop::Length));
            assert_eq!(answer.output_tokens, max);
        }
        assert_eq!(asked("a  b c", Some(5)).stop, Stop::End);
    }

    #[test]
    fn a_stop_sequence_ends_the_text_before_it() {
        let answer = asked("one STOP two STOP", None);
        assert_eq!(
            (answer.text.as_str(), answer.stop),
            ("You said: one ", Stop::Sequence("STOP".to_owned()))
        );
    }
}
