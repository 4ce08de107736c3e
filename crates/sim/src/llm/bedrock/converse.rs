//! Converse: one shape for the models of all makers
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>).

use bytes::Bytes;
use serde_json::{Value, json};

use super::LATENCY_MS;
use crate::llm::brain::{Answer, Call, Choice, Past, Prompt, Role, Stop, Tool, Turn};
use crate::llm::json::{at, list, object, parse, strings, text};
use crate::llm::send::{pieces, words};

/// An answer in the shapes of this API.
pub(super) struct Reply {
    answer: Answer,
}

impl Reply {
    /// Answers a request, or says what it lacks.
    pub(super) fn new(body: &Bytes, id: u64) -> Result<Self, String> {
        let request = parse(body)?;
        let answer = prompt(&request, id)?.answer();
        Ok(Self { answer })
    }

    /// The answer of Converse.
    pub(super) fn whole(&self) -> Value {
        let mut content = Vec::new();
        if !self.answer.text.is_empty() {
            content.push(json!({ "text": self.answer.text }));
        }
        content.extend(self.answer.calls.iter().map(|call| {
            let input = object(&call.arguments);
            json!({ "toolUse": { "toolUseId": id(call), "name": call.name, "input": input } })
        }));
        json!({
            "output": { "message": { "role": "assistant", "content": content } },
            "stopReason": self.stop_reason(),
            "usage": self.usage(),
            "metrics": { "latencyMs": LATENCY_MS },
        })
    }

    /// The events of ConverseStream. A block of text has no start.
    pub(super) fn events(&self) -> Vec<(&'static str, Value)> {
        let mut events = vec![("messageStart", json!({ "role": "assistant" }))];
        let mut index = 0;
        let delta = |index: usize, delta: Value| {
            let delta = json!({ "contentBlockIndex": index, "delta": delta });
            ("contentBlockDelta", delta)
        };
        let stop = |index: usize| ("contentBlockStop", json!({ "contentBlockIndex": index }));
        if !self.answer.text.is_empty() {
            events.extend(words(&self.answer.text).map(|word| delta(index, json!({ "text": word }))));
            events.push(stop(index));
            index += 1;
        }
        for call in &self.answer.calls {
            let start = json!({ "toolUse": { "toolUseId": id(call), "name": call.name } });
            events.push((
                "contentBlockStart",
                json!({ "contentBlockIndex": index, "start": start }),
            ));
            let pieces = pieces(&call.arguments).into_iter();
            events.extend(pieces.map(|piece| delta(index, json!({ "toolUse": { "input": piece } }))));
            events.push(stop(index));
            index += 1;
        }
        events.push(("messageStop", json!({ "stopReason": self.stop_reason() })));
        let metadata = json!({ "usage": self.usage(), "metrics": { "latencyMs": LATENCY_MS } });
        events.push(("metadata", metadata));
        events
    }

    fn stop_reason(&self) -> &'static str {
        match self.answer.stop {
            Stop::End => "end_turn",
            Stop::Calls => "tool_use",
            Stop::Length => "max_tokens",
            Stop::Sequence(_) => "stop_sequence",
        }
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.answer.input_tokens, self.answer.output_tokens);
        json!({ "inputTokens": input, "outputTokens": output, "totalTokens": input + output })
    }
}

fn id(call: &Call) -> String {
    format!("tooluse_{:022x}", call.id)
}

fn prompt(request: &Value, id: u64) -> Result<Prompt, &'static str> {
    let mut turns: Vec<Turn> = list(at(request, "/messages")).iter().map(turn).collect();
    if turns.is_empty() {
        return Err(
            "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
        );
    }
    let system = texts(at(request, "/system"));
    if !system.is_empty() {
        turns.insert(0, Turn::said(Role::System, system));
    }
    let tools = list(at(request, "/toolConfig/tools")).iter().filter_map(|tool| {
        let definition = at(tool, "/toolSpec");
        let name = at(definition, "/name").as_str()?;
        Some(Tool::new(name, at(definition, "/inputSchema/json"), definition))
    });
    let choice = at(request, "/toolConfig/toolChoice");
    let choice = match at(choice, "/tool/name").as_str() {
        Some(name) => Choice::Named(name.to_owned()),
        None if choice.get("any").is_some() => Choice::Any,
        None => Choice::Auto,
    };
    Ok(Prompt {
        id,
        turns,
        tools: tools.collect(),
        choice,
        schema: None,
        max_tokens: at(request, "/inferenceConfig/maxTokens").as_u64(),
        stops: strings(at(request, "/inferenceConfig/stopSequences")),
    })
}

fn turn(message: &Value) -> Turn {
    let role = match text(message, "/role") {
        "assistant" => Role::Assistant,
        _ => Role::User,
    };
    let content = at(message, "/content");
    let all = |key: &str| {
        let blocks = list(content).iter().filter_map(|block| block.get(key));
        blocks.collect::<Vec<_>>()
    };
    let calls = all("toolUse").into_iter().map(|block| Past {
        id: text(block, "/toolUseId").to_owned(),
        name: text(block, "/name").to_owned(),
        text: at(block, "/input").to_string(),
    });
    let results = all("toolResult").into_iter().map(|block| Past {
        id: text(block, "/toolUseId").to_owned(),
        name: String::new(),
        text: texts(at(block, "/content")),
    });
    Turn {
        role,
        text: texts(content),
        calls: calls.collect(),
        results: results.collect(),
    }
}

/// The texts of a list of blocks, and the JSON of those that hold that.
fn texts(blocks: &Value) -> String {
    let texts = list(blocks)
        .iter()
        .filter_map(|block| match (block.get("text"), block.get("json")) {
            (Some(text), _) => text.as_str().map(str::to_owned),
            (None, json) => json.map(Value::to_string),
        });
    texts.collect::<Vec<_>>().join(" ")
}
