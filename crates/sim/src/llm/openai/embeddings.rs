//! Embeddings (<https://platform.openai.com/docs/api-reference/embeddings>): unit vectors that depend on nothing
//! but the words, and are the nearer the more words two texts share.

use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use murphy_core::draw::identity;
use serde_json::{Value, json};

use super::{identified, invalid, missing, mistral, unreadable};
use crate::llm::brain::tokens;
use crate::llm::json::{at, either, list, parse, set};
use crate::llm::send::{self, receive};
use crate::plain::Refusal;

/// Length of a vector, if the request does not say.
const DIMENSIONS: u64 = 1_536;

/// The longest vector.
const DIMENSIONS_MAX: u64 = 4_096;

/// The most inputs of one request: the API's own bound.
const INPUTS_MAX: usize = 2_048;

/// How many coordinates a word moves.
const COORDINATES_PER_WORD: u64 = 8;

/// `POST /v1/embeddings`.
pub(crate) async fn embeddings(request: Request) -> Result<Response, Refusal> {
    let (parts, body, _) = receive(request).await?;
    let request = match parse(&body) {
        Ok(request) => request,
        Err(why) => return Ok(unreadable(&why)),
    };
    let Some(model) = at(&request, "/model").as_str() else {
        return Ok(missing("model"));
    };
    let inputs = inputs(at(&request, "/input"));
    if inputs.is_empty() {
        return Ok(missing("input"));
    }
    if inputs.len() > INPUTS_MAX {
        let why = format!("Invalid 'input': expected an array with maximum length {INPUTS_MAX}.");
        return Ok(invalid(&why, Some("input")));
    }
    let dimensions = either(&request, &["dimensions", "output_dimension"])
        .as_u64()
        .unwrap_or(DIMENSIONS);
    if dimensions == 0 || dimensions > DIMENSIONS_MAX {
        let why = format!("Invalid 'dimensions': expected 1 to {DIMENSIONS_MAX}.");
        return Ok(invalid(&why, Some("dimensions")));
    }
    let packed = at(&request, "/encoding_format").as_str() == Some("base64");
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let vector = vector(&input.text, dimensions);
        let embedding = if packed { pack(&vector) } else { json!(vector) };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    });
    let cost: u64 = inputs.iter().map(|input| input.tokens).sum();
    let mut answer = json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": model,
        "usage": { "prompt_tokens": cost, "total_tokens": cost },
    });
    let id = identity(&[&body]);
    if mistral::asks(&parts.headers) {
        set(&mut answer, "id", json!(format!("{id:032x}"))); // its clients insist on one
    }
    Ok(identified(send::json(StatusCode::OK, &answer), id))
}

struct Input {
    text: String,
    tokens: u64,
}

/// A text, a list of token numbers, or a list of either.
fn inputs(input: &Value) -> Vec<Input> {
    let of_text = |text: &str| Input {
        text: text.to_owned(),
        tokens: tokens(text),
    };
    let of_numbers = |numbers: &[Value]| {
        let words: Vec<String> = numbers.iter().map(Value::to_string).collect();
        Input {
            tokens: words.len() as u64,
            text: words.join(" "),
        }
    };
    match input {
        Value::String(text) => vec![of_text(text)],
        Value::Array(numbers) if numbers.first().is_some_and(Value::is_number) => vec![of_numbers(numbers)],
        Value::Array(inputs) => {
            let each = inputs.iter().map(|input| match input.as_str() {
                Some(text) => of_text(text),
                None => of_numbers(list(input)),
            });
            each.collect()
        }
        _ => Vec::new(),
    }
}

/// The vector of a text: its words hashed to coordinates, then brought to length 1.
fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions as usize];
    for word in text.split_whitespace() {
        let word = word.to_lowercase();
        for n in 0..COORDINATES_PER_WORD {
            let draw = identity(&[b"embedding", word.as_bytes(), &n.to_le_bytes()]);
            let sign = if draw >> 63 == 0 { 1.0 } else { -1.0 };
            if let Some(coordinate) = vector.get_mut((draw % dimensions) as usize) {
                *coordinate += sign;
            }
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length == 0.0 {
        // No words, or words that cancel out: a direction of its own, since no embedding is the zero vector.
        vector.iter_mut().take(1).for_each(|x| *x = 1.0);
        return vector;
    }
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

/// The clients' default format: little-endian floats of four bytes.
fn pack(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    json!(BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(a: &str, b: &str) -> f32 {
        let (a, b) = (vector(a, 1_536), vector(b, 1_536));
        a.iter().zip(&b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_that_share_words_are_near() {
        assert!((likeness("a red apple", "Apple a RED") - 1.0).abs() < 1e-5);
        assert!(likeness("a red apple", "a red car") > 0.4);
        assert!(likeness("a red apple", "quarterly earnings call").abs() < 0.2);
        assert!((likeness("", "") - 1.0).abs() < 1e-5);
    }
}
