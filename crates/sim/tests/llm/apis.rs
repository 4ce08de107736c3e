//! The simulated LLM APIs as a strict client sees them: how each is asked, and how each plain and streamed answer
//! is read. Readers check order, ids and indices as they go, and fail at what the API does not say.

use murphy_sim::Sim;
use serde_json::{Value, json};

use crate::anthropic::{messages_body, messages_stream, messages_whole};
use crate::bedrock::{converse_body, converse_stream, converse_whole, invoke_stream};
use crate::frames;
use crate::gemini::{gemini_body, gemini_stream, gemini_whole};
use crate::openai::{chat_body, chat_stream, chat_whole, responses_body, responses_stream, responses_whole};

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Mistral,
    Responses,
    Messages,
    Gemini,
    GeminiArray,
    Converse,
    Invoke,
}

pub(crate) const ALL: [Api; 8] = [
    Api::Chat,
    Api::Mistral,
    Api::Responses,
    Api::Messages,
    Api::Gemini,
    Api::GeminiArray,
    Api::Converse,
    Api::Invoke,
];

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct Talk<'a> {
    pub(crate) said: &'a str,
    pub(crate) tool: bool,
    pub(crate) max: Option<u64>,
    /// The answer whose calls have these results.
    pub(crate) then: Option<(&'a Seen, &'a [&'a str])>,
}

/// What is answered, in the same words for all.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) calls: Vec<Called>,
    pub(crate) stop: String,
    /// Input and output.
    pub(crate) tokens: (u64, u64),
}

#[derive(Debug, Default, PartialEq, Clone)]
pub(crate) struct Called {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

pub(crate) fn schema() -> Value {
    json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] })
}

pub(crate) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub(crate) fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Api {
    pub(crate) async fn plain(self, sim: &Sim, talk: &Talk<'_>) -> Seen {
        let body = self.send(sim, talk, false).await;
        self.whole(&serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn streamed(self, sim: &Sim, talk: &Talk<'_>) -> Seen {
        let body = self.send(sim, talk, true).await;
        match self {
            Self::Chat => chat_stream(&body, false),
            Self::Mistral => chat_stream(&body, true),
            Self::Responses => responses_stream(&body),
            Self::Messages => messages_stream(&named(&body)),
            Self::Gemini => gemini_stream(&events(&body, "\r\n\r\n")),
            Self::GeminiArray => gemini_stream(
                serde_json::from_slice::<Value>(&body)
                    .unwrap()
                    .as_array()
                    .unwrap(),
            ),
            Self::Converse => converse_stream(&frames::events(&body)),
            Self::Invoke => invoke_stream(&body),
        }
    }

    pub(crate) async fn send(self, sim: &Sim, talk: &Talk<'_>, stream: bool) -> Vec<u8> {
        let target = format!("http://{}{}", sim.addr(), self.target(stream));
        let mut request = reqwest::Client::new().post(target).json(&self.body(talk, stream));
        if self == Self::Mistral {
            request = request.header("user-agent", "speakeasy-sdk/python 3.7.0 2.935.1 1.0.0 mistralai");
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{self:?}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let expected = match (stream, self) {
            (false, _) => "application/json",
            (true, Self::GeminiArray) => "application/json; charset=UTF-8",
            (true, Self::Converse | Self::Invoke) => "application/vnd.amazon.eventstream",
            (true, Self::Gemini) => "text/event-stream",
            (true, _) => "text/event-stream; charset=utf-8",
        };
        assert_eq!(kind, expected, "{self:?}");
        response.bytes().await.unwrap().to_vec()
    }

    fn target(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Self::Chat | Self::Mistral, _) => "/v1/chat/completions",
            (Self::Responses, _) => "/v1/responses",
            (Self::Messages, _) => "/v1/messages",
            (Self::Gemini | Self::GeminiArray, false) => "/v1beta/models/m:generateContent",
            (Self::Gemini, true) => "/v1beta/models/m:streamGenerateContent?alt=sse",
            (Self::GeminiArray, true) => "/v1/models/m:streamGenerateContent",
            (Self::Converse, false) => "/model/m%3A0/converse",
            (Self::Converse, true) => "/model/m%3A0/converse-stream",
            (Self::Invoke, false) => "/model/anthropic.m%3A0/invoke",
            (Self::Invoke, true) => "/model/anthropic.m%3A0/invoke-with-response-stream",
        }
    }

    fn body(self, talk: &Talk<'_>, stream: bool) -> Value {
        let mut body = match self {
            Self::Chat | Self::Mistral => chat_body(talk),
            Self::Responses => responses_body(talk),
            Self::Messages | Self::Invoke => messages_body(talk),
            Self::Gemini | Self::GeminiArray => gemini_body(talk),
            Self::Converse => converse_body(talk),
        };
        match self {
            Self::Chat => body["stream_options"] = json!({ "include_usage": stream }),
            Self::Invoke => body["anthropic_version"] = json!("bedrock-2023-05-31"),
            _ => {}
        }
        if matches!(
            self,
            Self::Chat | Self::Mistral | Self::Responses | Self::Messages
        ) {
            body["model"] = json!("m");
            body["stream"] = json!(stream);
        }
        body
    }

    fn whole(self, answer: &Value) -> Seen {
        match self {
            Self::Chat | Self::Mistral => chat_whole(answer),
            Self::Responses => responses_whole(answer),
            Self::Messages | Self::Invoke => messages_whole(answer),
            Self::Gemini | Self::GeminiArray => gemini_whole(answer),
            Self::Converse => converse_whole(answer),
        }
    }
}

pub(crate) fn results<'a>(talk: &'a Talk<'_>) -> impl Iterator<Item = (&'a Called, &'a str)> {
    let then = talk.then.iter();
    then.flat_map(|(seen, results)| seen.calls.iter().zip(results.iter().copied()))
}

pub(crate) fn events(body: &[u8], separator: &str) -> Vec<Value> {
    let body = std::str::from_utf8(body).unwrap();
    let body = body.strip_suffix(separator).unwrap();
    let events = body
        .split(separator)
        .map(|event| parsed(event.strip_prefix("data: ").unwrap()));
    events.collect()
}

/// Events whose name is the type of their data.
pub(crate) fn named(body: &[u8]) -> Vec<Value> {
    let body = std::str::from_utf8(body).unwrap().strip_suffix("\n\n").unwrap();
    let events = body.split("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data = parsed(data.strip_prefix("data: ").unwrap());
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    events.collect()
}
