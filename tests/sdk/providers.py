"""Calls LLM APIs with their official Python SDKs and prints what the application sees.

Reads a JSON list of calls from stdin: {"sdk", "url", "agent", "case", "retries", "stream"}. "agent" and "case" become
the headers x-murphy-agent and x-case; "retries" switches retries on where an SDK has none by default; "stream" asks
for a stream and reads it. All calls are made at once. Prints a JSON list in the same order: {"text"} if the call succeeded,
else {"raises", "bases", "status", "code", "request_id", "message"}, as the SDK itself exposes them.
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import anthropic
import boto3
import openai
from google import genai
from google.genai import types
from mistralai.client import Mistral
from mistralai.client.utils import BackoffStrategy, RetryConfig

PROMPT = "Say hello."
KEY = "sk-test-0123456789abcdef"
ASK = [{"role": "user", "content": PROMPT}]


def headers(call):
    return {"x-murphy-agent": call["agent"], "x-case": call["case"]}


CACHED = {}
LOCK = threading.Lock()


def cached(call, make):
    """A client that calls of one kind share: they are made for threads, and making one is slow."""
    key = (call["sdk"], call["url"], call["retries"])
    with LOCK:
        if key not in CACHED:
            CACHED[key] = make()
        return CACHED[key]


def chat(client, call):
    ask = {"model": "gpt-5-mini", "messages": ASK, "extra_headers": headers(call)}
    if not call["stream"]:
        return client.chat.completions.create(**ask).choices[0].message.content
    chunks = client.chat.completions.create(**ask, stream=True)
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def with_openai(call):
    return chat(cached(call, lambda: openai.OpenAI(api_key=KEY, base_url=call["url"] + "/v1")), call)


def with_azure(call):
    def make():
        return openai.AzureOpenAI(api_key=KEY, azure_endpoint=call["url"], api_version="2024-10-21")

    return chat(cached(call, make), call)


def with_anthropic(call):
    client = cached(call, lambda: anthropic.Anthropic(api_key=KEY, base_url=call["url"]))
    ask = {"model": "claude-sonnet-5", "max_tokens": 64, "messages": ASK, "extra_headers": headers(call)}
    if not call["stream"]:
        return client.messages.create(**ask).content[0].text
    with client.messages.stream(**ask) as stream:
        return "".join(stream.text_stream)


def with_genai(call):
    def make():
        retry = types.HttpRetryOptions(attempts=3, initial_delay=0.5, jitter=0.1) if call["retries"] else None
        return genai.Client(
            api_key=KEY, http_options=types.HttpOptions(base_url=call["url"], retry_options=retry)
        )

    client = cached(call, make)
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers=headers(call)))
    ask = {"model": "gemini-2.5-flash", "contents": PROMPT, "config": config}
    if not call["stream"]:
        return client.models.generate_content(**ask).text
    return "".join(chunk.text or "" for chunk in client.models.generate_content_stream(**ask))


def with_mistral(call):
    def make():
        # It stops by elapsed time, not by count: waits of 2.5 s and of 3 s make three calls in more than 4.5 s.
        backoff = BackoffStrategy(2500, 2500, 1.0, 4500, jitter_ms=0)
        retry = {"retry_config": RetryConfig("backoff", backoff, False)} if call["retries"] else {}
        return Mistral(api_key=KEY, server_url=call["url"], **retry)

    client = cached(call, make)
    ask = {"model": "mistral-small-latest", "messages": ASK, "http_headers": headers(call)}
    if not call["stream"]:
        return client.chat.complete(**ask).choices[0].message.content
    with client.chat.stream(**ask) as events:
        return "".join(choice.delta.content or "" for event in events for choice in event.data.choices)


SESSION = boto3.session.Session("AKIATEST", "secret", region_name="us-east-1")


def with_bedrock(call):
    # A client of its own for each call: its calls share a budget of retries.
    with LOCK:
        client = SESSION.client("bedrock-runtime", endpoint_url=call["url"])

    def add(request, **_):
        for name, value in headers(call).items():
            request.headers[name] = value

    client.meta.events.register("before-sign", add)
    ask = {
        "modelId": "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
    }
    if not call["stream"]:
        return client.converse(**ask)["output"]["message"]["content"][0]["text"]
    deltas = (event.get("contentBlockDelta", {}) for event in client.converse_stream(**ask)["stream"])
    return "".join(delta.get("delta", {}).get("text", "") for delta in deltas)


CLIENTS = {
    "openai": with_openai,
    "azure": with_azure,
    "anthropic": with_anthropic,
    "genai": with_genai,
    "mistral": with_mistral,
    "bedrock": with_bedrock,
}


def exposed(sdk, error):
    """Status, code and request id, each where this SDK has it; None where it has none."""
    if sdk in ("openai", "azure"):
        return error.status_code, error.code, error.request_id
    if sdk == "anthropic":
        return error.status_code, error.type, error.request_id
    if sdk == "genai":
        return error.code, error.status, None
    if sdk == "mistral":
        return error.status_code, None, None
    meta = error.response["ResponseMetadata"]
    return meta["HTTPStatusCode"], error.response["Error"]["Code"], meta.get("RequestId")


def made(call):
    sdk = call["sdk"]
    try:
        return {"text": CLIENTS[sdk](call)}
    except Exception as error:  # whatever a user of the SDK would have to catch
        bases = [cls.__name__ for cls in type(error).__mro__ if cls not in (object, BaseException)]
        seen = {"raises": type(error).__name__, "bases": bases, "message": str(error)}
        try:
            status, code, request_id = exposed(sdk, error)
        except AttributeError:  # it is no error of the SDK's own
            return {**seen, "status": None, "code": None, "request_id": None}
        code = None if code is None else str(code)  # some servers send a number
        return {**seen, "status": status, "code": code, "request_id": request_id}


calls = json.load(sys.stdin)
with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
    json.dump(list(pool.map(made, calls)), sys.stdout)
