// Calls LLM APIs with their official Node SDKs and prints what the application sees.
//
// Reads a JSON list of calls from stdin: {"sdk", "url", "agent", "case", "retries", "stream"}. "agent" and "case" become
// the headers x-murphy-agent and x-case; "retries" switches retries on where an SDK has none by default; "stream" asks
// for a stream and reads it. All calls are made at once, each with a client of its own. Prints a JSON list in the same order: {"text"} if the call succeeded,
// else {"raises", "bases", "status", "code", "request_id", "message"}, as the SDK itself exposes them.

import Anthropic from "@anthropic-ai/sdk";
import { createOpenAI } from "@ai-sdk/openai";
import { GoogleGenAI } from "@google/genai";
import { generateText, streamText } from "ai";
import OpenAI, { AzureOpenAI } from "openai";

const prompt = "Say hello.";
const apiKey = "sk-test-0123456789abcdef";
const messages = [{ role: "user", content: prompt }];

const headers = (call) => ({ "x-murphy-agent": call.agent, "x-case": call.case });

async function joined(parts, text) {
  let all = "";
  for await (const part of parts) all += text(part) ?? "";
  return all;
}

async function chat(client, stream) {
  const answer = await client.chat.completions.create({ model: "gpt-5-mini", messages, stream });
  return stream ? joined(answer, (chunk) => chunk.choices[0]?.delta.content) : answer.choices[0].message.content;
}

const clients = {
  async openai(call) {
    const client = new OpenAI({ apiKey, baseURL: `${call.url}/v1`, defaultHeaders: headers(call) });
    return chat(client, call.stream);
  },
  async azure(call) {
    const client = new AzureOpenAI({
      apiKey,
      endpoint: call.url,
      apiVersion: "2024-10-21",
      defaultHeaders: headers(call),
    });
    return chat(client, call.stream);
  },
  async anthropic(call) {
    const client = new Anthropic({ apiKey, baseURL: call.url, defaultHeaders: headers(call) });
    const request = { model: "claude-sonnet-5", max_tokens: 64, messages, stream: call.stream };
    const answer = await client.messages.create(request);
    return call.stream ? joined(answer, (event) => event.delta?.text) : answer.content[0].text;
  },
  async genai(call) {
    const retryOptions = call.retries ? { attempts: 3, initialDelay: 0.5, jitter: 0 } : undefined;
    const httpOptions = { baseUrl: call.url, headers: headers(call), retryOptions };
    const client = new GoogleGenAI({ apiKey, httpOptions });
    const request = { model: "gemini-2.5-flash", contents: prompt };
    if (!call.stream) return (await client.models.generateContent(request)).text;
    return joined(await client.models.generateContentStream(request), (chunk) => chunk.text);
  },
  async ai(call) {
    const provider = createOpenAI({ apiKey, baseURL: `${call.url}/v1`, headers: headers(call) });
    const request = { model: provider("gpt-5-mini"), prompt };
    if (!call.stream) return (await generateText(request)).text;
    // Its streams throw nothing: an error is a part of them, and else only logged.
    return joined(streamText({ ...request, onError() {} }).fullStream, (part) => {
      if (part.type === "error") throw part.error;
      return part.type === "text-delta" ? part.text : "";
    });
  },
};

// Status, code and request id, each where this SDK has it; null where it has none.
function exposed(sdk, error) {
  if (sdk === "openai" || sdk === "azure") return [error.status, error.code, error.requestID];
  if (sdk === "anthropic") return [error.status, error.type, error.requestID];
  if (sdk === "genai") return [error.status, null, null];
  const last = error.lastError ?? error; // a RetryError has the last of its errors
  return [last.statusCode, last.data?.error?.code, last.responseHeaders?.["x-request-id"]];
}

// The names of an error's class and its bases.
function bases(error) {
  const names = [];
  for (let type = Object.getPrototypeOf(error); type && type !== Object.prototype; ) {
    names.push(type.constructor.name);
    type = Object.getPrototypeOf(type);
  }
  return names;
}

async function made(call) {
  try {
    return { text: await clients[call.sdk](call) };
  } catch (error) {
    const [status, code, id] = exposed(call.sdk, error);
    // The Vercel SDK tells its errors apart by name, the others by class.
    const raises = call.sdk === "ai" ? error.name : error.constructor.name;
    return {
      raises,
      bases: bases(error),
      message: String(error.message),
      status: status ?? null,
      code: code == null ? null : String(code), // some servers send a number
      request_id: id ?? null,
    };
  }
}

const calls = JSON.parse(await new Response(process.stdin).text());
process.stdout.write(JSON.stringify(await Promise.all(calls.map(made))));
