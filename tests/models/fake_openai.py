"""A strict stand-in for OpenAI-compatible servers: its own process, real HTTP, on 127.0.0.1.

Written from the published schemas: of OpenAI's chat completions, with pictures as content parts,
and models, and of vLLM's completions and chat with prompt_logprobs, /tokenize and /detokenize. It
refuses what they do not allow. Its language model is a few functions of the words of a prompt, and
it sees words in the bright quarters of a picture, so that tests know every value.

    python fake_openai.py KIND [--fail N [--way WAY]] [--key KEY] [--limit S] [--delay S]
                          [--jitter S]

KIND is "openai" (top_logprobs), "vllm" or "text" (no log-probabilities). With --fail, every N-th
request fails, in one of the ways of WAYS or in each of them in turn, and each 7th connection is
closed after its reply, without a word. With --limit, a request that comes less than so many seconds
after the one before is refused with status 429. --delay is how long every reply takes, and --jitter
the most that a random time adds to it. It prints its address; GET /log tells what came in.
"""

import argparse
import base64
import gzip
import io
import json
import math
import random
import socket
import struct
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import PIL.Image

UNUSABLE = ("no JSON", "other JSON", "HTML")
WAYS = ("429", "500", "slow", "cut", "half", "reset", "error", *UNUSABLE)
SLOW_SECONDS = 5.0
HUGE = 3 << 20
MODEL = "words"
MAX_WORDS = 60
PICTURE_TOKENS = 85
SEEN = ("never", "fails", "acting", "slow")  # in the quarters of a picture, row by row
PARTS = {"text": "text", "image_url": "image_url"}
QUOTE = "quote my key"  # a prompt that is refused with the key in the message


# --- the language model --------------------------------------------------------------------------


def log_odds(text):
    words = text.split()
    return 2.0 * (("never" in words) == ("fails" in words)) - 1.0 + 0.25 * ("acting" in words)


def label_log_probs(text):
    """Of the first token of a reply, in nats."""
    odds = log_odds(text)
    share = {"positive": 1 / (1 + math.exp(-odds)), "negative": 1 / (1 + math.exp(odds))}
    top = {label: math.log(0.9 * p) for label, p in share.items()}
    return top | {"The": math.log(0.06), " positive": math.log(0.02)}


def reply(text):
    return "The review is good." if log_odds(text) > 0 else "The weather was cold and wet in May."


def token_ids(text):
    """One token per character, so that every text has a few."""
    return [ord(character) for character in text]


def picture(url):
    """The pixels of a data URL as rows of grey values."""
    return PIL.Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("L")


def seen(url):
    """The words in a picture: those of its quarters that are white."""
    quarters = picture(url).resize((2, 2), PIL.Image.Resampling.BOX).tobytes()
    return [word for word, grey in zip(SEEN, quarters, strict=True) if grey > 200]


def pictures(message):
    content = message["content"]
    return (
        []
        if isinstance(content, str)
        else [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    )


def written(message):
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def understood(message):
    """The words that the language model makes of a message: those seen, and those read."""
    words = [word for url in pictures(message) for word in seen(url)]
    return " ".join([*words, written(message)])


def n_tokens(messages):
    words = sum(len(written(message).split()) for message in messages)
    return words + PICTURE_TOKENS * sum(len(pictures(message)) for message in messages)


def chat_ids(messages):
    return token_ids("".join(f"<{m['role']}>{understood(m)}" for m in messages) + "<assistant>")


def token_log_prob(before, token):
    """log P(token | the tokens before it): any function will do that depends on all of them."""
    return -(zlib.crc32(json.dumps([*before, token]).encode()) % 4000 + 1) / 1000


# --- the server ----------------------------------------------------------------------------------


class Refused(Exception):
    def __init__(self, status, message, code=None, headers=()):
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, dict(headers)


def check(condition, message, code=None, status=400):
    if not condition:
        raise Refused(status, message, code)


def check_fields(body, required, optional):
    for field in required:
        check(field in body, f"Missing required parameter: '{field}'.")
    for field in body:
        check(
            field in required or field in optional,
            f"Unrecognized request argument supplied: {field}",
        )
    check(body.get("model") == MODEL, "The model does not exist", "model_not_found", 404)


def check_messages(messages):
    check(isinstance(messages, list) and messages, "messages: a list is expected")
    for message in messages:
        check(set(message) == {"role", "content"}, "messages: role and content are expected")
        check(message["role"] in ("system", "user", "assistant"), "messages: unknown role")
        if not isinstance(message["content"], str):
            check_parts(message["role"], message["content"])
    n_words = sum(len(written(m).split()) for m in messages)
    check(
        n_words <= MAX_WORDS,
        f"This model's maximum context length is {MAX_WORDS} tokens.",
        "context_length_exceeded",
    )


def check_parts(role, parts):
    """The parts of a content: texts, and of the user also pictures."""
    check(isinstance(parts, list) and parts, "messages: content must be a string or a list")
    for part in parts:
        check(isinstance(part, dict), "messages: a part must be an object")
        kind = part.get("type")
        check(kind in PARTS, f"messages: unknown type of part: {kind}")
        check(set(part) == {"type", PARTS[kind]}, "messages: a part has unknown fields")
        if kind == "text":
            check(isinstance(part["text"], str) and part["text"], "messages: text is empty")
            continue
        check(role == "user", "messages: only a user sends pictures")
        check(isinstance(part["image_url"], dict), "image_url must be an object")
        check(set(part["image_url"]) <= {"url", "detail"}, "image_url has unknown fields")
        url = part["image_url"].get("url")
        check(isinstance(url, str), "image_url: url is expected")
        head, comma, data = url.partition(",")
        check(comma and head == "data:image/png;base64", "image_url: a PNG data URL is expected")
        try:
            base64.b64decode(data, validate=True)
            shown = picture(url)
        except ValueError as error:  # PIL's errors of a broken picture are OSErrors
            raise Refused(400, f"image_url: no base64: {error}") from None
        except OSError as error:
            raise Refused(400, f"image_url: no picture: {error}") from None
        check(min(shown.size) > 1, "image_url: the picture is too small")


def chat(kind, body):
    optional = {"max_tokens", "temperature", "logprobs", "top_logprobs"}
    if kind == "vllm":
        optional |= {"prompt_logprobs", "add_generation_prompt", "continue_final_message"}
    check_fields(body, {"messages"} | {"model"}, optional)
    check_messages(body["messages"])
    check(body.get("temperature") == 0, "this test expects greedy decoding")
    limit = body.get("max_tokens")
    check(isinstance(limit, int) and limit >= 1, "max_tokens: at least 1 is expected")
    if "top_logprobs" in body:
        check(body.get("logprobs") is True, "'top_logprobs' is only allowed with 'logprobs'")
        check(0 <= body["top_logprobs"] <= 20, "top_logprobs: 0 to 20 is expected")
    messages = body["messages"]
    text = next(understood(m) for m in reversed(messages) if m["role"] == "user")
    words = reply(text).split()
    prompt_logprobs = None
    if body.get("continue_final_message"):
        check(body.get("add_generation_prompt") is False, "a message cannot be begun and continued")
        check(messages[-1]["role"] == "assistant", "there is no message to continue")
        check(body.get("prompt_logprobs") == 0, "this test expects prompt_logprobs of 0")
        # As many templates do.
        tokens = chat_ids(messages[:-1]) + token_ids(messages[-1]["content"].strip())
        prompt_logprobs = entries_of(tokens)
    logprobs = None
    if body.get("logprobs") and kind != "text":
        top = [
            {"token": token, "logprob": value, "bytes": list(token.encode())}
            for token, value in label_log_probs(text).items()
        ]
        logprobs = {"content": [{**top[0], "top_logprobs": top}], "refusal": None}
        if kind == "openai":
            words = [top[0]["token"]]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": " ".join(words[:limit]),
                    "refusal": None,
                },
                "logprobs": logprobs,
                "finish_reason": "length" if len(words) > limit else "stop",
            }
        ],
        **({"prompt_logprobs": prompt_logprobs} if kind == "vllm" else {}),
        "usage": {
            "prompt_tokens": n_tokens(messages),
            "completion_tokens": min(limit, len(words)),
            "total_tokens": n_tokens(messages) + min(limit, len(words)),
        },
    }


def entries_of(tokens):
    """vLLM's prompt_logprobs of tokens."""
    entries = [None]
    for position in range(1, len(tokens)):
        token = tokens[position]
        value = token_log_prob(tokens[:position], token)
        entries.append({str(token): {"logprob": value, "rank": 1, "decoded_token": chr(token)}})
    return entries


def completions(kind, body):
    check(kind == "vllm", "Not Found", status=404)
    check_fields(
        body, {"model", "prompt"}, {"max_tokens", "temperature", "prompt_logprobs", "echo"}
    )
    prompts = body["prompt"]
    check(
        isinstance(prompts, list) and all(isinstance(p, list) for p in prompts),
        "this test expects lists of tokens",
    )
    check(body.get("prompt_logprobs") == 0, "this test expects prompt_logprobs of 0")
    check(body.get("max_tokens", 0) >= 1, "max_tokens must be at least 1")
    choices = []
    for index, tokens in enumerate(prompts):
        choices.append(
            {
                "index": index,
                "text": "x",
                "logprobs": None,
                "finish_reason": "length",
                "stop_reason": None,
                "prompt_logprobs": entries_of(tokens),
            }
        )
    n_read = sum(map(len, prompts))
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 0,
        "model": MODEL,
        "choices": choices[::-1],  # the schema promises no order
        "usage": {
            "prompt_tokens": n_read,
            "completion_tokens": len(prompts),
            "total_tokens": n_read + len(prompts),
        },
    }


def tokenize(kind, body):
    check(kind == "vllm", "Not Found", status=404)
    if "messages" in body:
        check_fields(body, {"model", "messages"}, {"add_generation_prompt"})
        check_messages(body["messages"])
        # vLLM would count a picture as one token, however many it takes.
        check(not any(map(pictures, body["messages"])), "this test expects no pictures here")
        check(body.get("add_generation_prompt") is True, "this test expects a generation prompt")
        tokens = chat_ids(body["messages"])
    else:
        check_fields(body, {"model", "prompt"}, {"add_special_tokens"})
        check(body.get("add_special_tokens") is False, "this test expects no special tokens")
        tokens = token_ids(body["prompt"])
    return {"count": len(tokens), "max_model_len": 4096, "tokens": tokens, "token_strs": None}


def detokenize(kind, body):
    check(kind == "vllm", "Not Found", status=404)
    check_fields(body, {"model", "tokens"}, set())
    return {"prompt": "".join(map(chr, body["tokens"]))}


ROUTES = {
    "/v1/chat/completions": chat,
    "/v1/completions": completions,
    "/tokenize": tokenize,
    "/detokenize": detokenize,
}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, options):
        super().__init__(("127.0.0.1", 0), Handler)
        self.options = options
        self.lock = threading.Lock()
        self.log = []
        self.failed = 0
        self.last = -math.inf
        self.at_once = self.most_at_once = 0

    def way(self):
        """How the request that has just come in is to fail, if it is."""
        with self.lock:
            if not self.options.fail or len(self.log) % self.options.fail:
                return None
            self.failed += 1
            if self.options.way:
                return self.options.way
            return WAYS[(self.failed - 1) % len(WAYS)]

    def early(self):
        """Whether the request is one too soon."""
        with self.lock:
            now = time.monotonic()
            early = now - self.last < self.options.limit
            self.last = self.last if early else now
            return early


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together: the second packet would wait for 40 ms

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path == "/log":
            log = {"requests": self.server.log, "at_once": self.server.most_at_once}
            self.answer(200, log)
            return
        self.serve(None)

    def do_POST(self):
        self.serve(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def serve(self, content):
        entry = {"path": self.path, "body": content, "time": time.monotonic(), "outcome": "lost"}
        with self.server.lock:
            self.server.log.append(entry)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.at_once, self.server.most_at_once)
        try:
            way = self.server.way()
            time.sleep(self.server.options.delay + random.random() * self.server.options.jitter)
            entry["outcome"] = way or "served"
            if way is None or not self.fail(way, content):
                status, reply, headers = self.reply(content)
                if status != 200:
                    entry["outcome"] = str(status)
                self.answer(status, reply, headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def reply(self, content):
        options = self.server.options
        try:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if options.key and given != options.key:
                raise Refused(401, f"Incorrect API key provided: {given}.", "invalid_api_key")
            if options.limit and self.server.early():
                seconds = math.ceil(options.limit)
                raise Refused(429, "Rate limit reached", None, {"Retry-After": seconds})
            check(not content or QUOTE not in content, f"I was sent {given}")
            if content is None:
                check(self.path == "/v1/models", "Not Found", status=404)
                model = {"id": MODEL, "object": "model", "created": 0, "owned_by": options.kind}
                return 200, {"object": "list", "data": [model]}, {}
            check(self.path in ROUTES, "Not Found", status=404)
            check(self.headers["Content-Type"] == "application/json", "JSON is expected")
            return 200, ROUTES[self.path](options.kind, json.loads(content)), {}
        except Refused as refused:
            error = {
                "message": refused.message,
                "type": "invalid_request_error",
                "param": None,
                "code": refused.code,
            }
            return refused.status, {"error": error}, refused.headers

    def fail(self, way, content):
        """Fail in a way; False where the request is to be answered after all, though too late."""
        if way == "429":
            self.answer(429, {"error": {"message": "Rate limit"}}, {"Retry-After": "0"})
        elif way == "500":
            self.answer(500, {"error": {"message": "The server had an error"}})
        elif way == "slow":
            time.sleep(SLOW_SECONDS)
            return False
        elif way == "cut":
            self.close_connection = True
        elif way == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif way == "null":
            status, reply, headers = self.reply(content)
            reply["choices"][0]["message"]["content"] = None
            reply["choices"][0]["finish_reason"] = "content_filter"
            self.answer(status, reply, headers)
        elif way == "redirect":
            self.answer(307, {}, {"Location": self.path})
        elif way == "huge":
            self.answer(200, b" " * HUGE)
        elif way == "gzip":
            self.answer(200, gzip.compress(b" " * HUGE, 1), {"Content-Encoding": "gzip"})
        elif way == "half":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
        elif way == "no JSON":
            self.answer(200, b'{"choices": [')
        elif way == "other JSON":
            self.answer(200, {"object": "list", "choices": [], "usage": {"prompt_tokens": 9}})
        elif way == "error":
            self.answer(200, {"error": {"message": "The server is broken"}})
        else:
            self.answer(200, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
        return True

    def answer(self, status, content, headers=()):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", **dict(headers)}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        if self.server.options.fail and len(self.server.log) % 7 == 0:
            self.close_connection = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["openai", "vllm", "text"])
    parser.add_argument("--fail", type=int, default=0)
    parser.add_argument("--way", choices=[*WAYS, "null", "redirect", "huge", "gzip"])
    parser.add_argument("--key")
    parser.add_argument("--limit", type=float, default=0)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--jitter", type=float, default=0)
    server = Server(parser.parse_args())
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
