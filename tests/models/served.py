"""Stand-ins for SGLang, vLLM, Ollama and text-generation-inference, backed by a real model.

Real HTTP on 127.0.0.1, in threads of this process. Each refuses what the published schema of its
server does not allow. Values come from a plain pass of the transformers network over the whole
sequence, with no cache and no batch, and nothing of spex but the fields of a prompt.

`fault` plants one of three faults into the scoring of given tokens:

- "stale": a prompt that begins like an earlier one gets the earlier one's log-probabilities.
- "shifted": the log-probabilities are those of the positions one earlier.
- "chance": every token has the same log-probability.

Others are in writing and reading alike, so that no two ways differ:

- "constant": every token has the same log-probability.
- "frozen": every prompt has the log-probabilities of the first one, written and read.
"""

import json
import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

MODEL = "tiny"
KINDS = ("sglang", "vllm", "old vllm", "ollama", "tgi", "openai")
FAULTS = ("stale", "shifted", "chance")
STALE_TOKENS = 4  # so many first tokens are taken for the whole prompt
# As SGLang's GenerateReqInput and SamplingParams, those that a client like spex may send.
GENERATE = {"text", "input_ids", "sampling_params", "return_logprob", "logprob_start_len"}
GENERATE |= {"top_logprobs_num", "token_ids_logprob", "return_text_in_logprobs", "stream"}
SAMPLING = {"max_new_tokens", "temperature", "top_p", "top_k", "stop", "ignore_eos"}
CHAT = {"model", "messages", "max_tokens", "temperature", "logprobs", "top_logprobs"}
CONTINUED = {"add_generation_prompt", "continue_final_message", "chat_template_kwargs"}
COMPLETIONS = {"model", "prompt", "max_tokens", "temperature", "logprobs", "prompt_logprobs"}


class Refused(Exception):
    def __init__(self, message, status=400):
        super().__init__(message)
        self.status = status


def check(condition, message, status=400):
    if not condition:
        raise Refused(message, status)


class Served(ThreadingHTTPServer):
    """A running stand-in; see the module.

    Args:
        kind: one of KINDS.
        network: the model of transformers.
        tokenizer: its tokenizer.
        fault: one of FAULTS, "constant", "frozen", or None.
        key: the bearer token that is asked for.
        messages: whether /tokenize takes messages, as SGLang's does since 2026.
    """

    daemon_threads = True

    def __init__(self, kind, network, tokenizer, fault=None, key=None, messages=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.kind, self.network, self.tokenizer = kind, network, tokenizer
        self.fault, self.key, self.messages = fault, key, messages
        self.lock = threading.Lock()
        self.log = []
        self.seen = {}
        self.limit = 5 if kind == "tgi" else 20

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def bodies(self, path):
        return [body for at, body in self.log if at == path]

    # the model

    def rows(self, tokens):
        """(n, vocabulary) log-probabilities of what comes after each of n tokens, plainly."""
        with self.lock, torch.inference_mode():
            logits = self.network(torch.tensor([tokens])).logits[0].double()
        rows = logits.log_softmax(dim=-1)
        if self.fault == "constant":
            return torch.full_like(rows, -math.log(rows.shape[1]))
        if self.fault == "frozen":
            return self.seen.setdefault("frozen", rows[-1]).expand_as(rows)
        return rows

    def read(self, tokens):
        """The log-probability of each token after the first, with the planted fault."""
        rows = self.rows(tokens)
        values = rows[:-1].gather(1, torch.tensor(tokens[1:])[:, None])[:, 0].tolist()
        if self.fault == "chance":
            return [-math.log(rows.shape[1])] * len(values)
        if self.fault == "shifted":
            return [-1.0, *values[:-1]]
        if self.fault == "stale":
            before = self.seen.setdefault(tuple(tokens[:STALE_TOKENS]), values)
            return [*values[: -len(before)], *before][-len(values) :]
        return values

    def first(self, tokens):
        """Log-probabilities of the first token after some, with the planted fault."""
        row = self.rows(tokens)[-1]
        if self.fault == "chance":
            return torch.full_like(row, -math.log(len(row)))
        if self.fault == "shifted":
            return self.rows(tokens)[-2]
        if self.fault == "stale":
            return self.seen.setdefault(("first", *tokens[:STALE_TOKENS]), row)
        return row

    def start(self, body):
        """The tokens of messages, up to the answer."""
        messages, begun = body["messages"], ""
        if body.get("continue_final_message"):
            check(body.get("add_generation_prompt") is False, "cannot begin and continue")
            *messages, last = messages
            begun = last["content"]
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False
            )
        else:
            text = "\n\n".join(message["content"] for message in messages)
        return self.encode(text) + self.encode(begun)

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def written(self, start, most):
        """The greedy tokens after a start and their log-probabilities, all without a fault."""
        tokens, rows = list(start), []
        ends = {self.tokenizer.eos_token_id}
        while len(rows) < most:
            rows.append(self.rows(tokens)[-1])
            tokens.append(int(rows[-1].argmax()))
            if tokens[-1] in ends:
                break
        return tokens[len(start) :], rows


def models(server):
    owner = {"sglang": "sglang", "vllm": "vllm", "old vllm": "vllm", "ollama": "library"}
    owner = MODEL if server.kind == "tgi" else owner.get(server.kind, "someone")
    entry = {"id": MODEL, "object": "model", "created": 0, "owned_by": owner, "root": MODEL}
    return {"object": "list", "data": [entry]}


def tokenize(server, body):
    check(server.kind in ("sglang", "vllm", "old vllm"), "Not Found", 404)
    check(("prompt" in body) != ("messages" in body), "Exactly one of 'prompt' or 'messages'")
    check(server.messages or "prompt" in body, "prompt: Field required", 422)
    if "messages" in body:
        check(set(body) <= {"model", "messages"} | CONTINUED, "unknown field")
        tokens = server.start(body)
    else:
        check(set(body) == {"model", "prompt", "add_special_tokens"}, "unknown field")
        check(body["add_special_tokens"] is False, "this test expects no special tokens")
        tokens = server.encode(body["prompt"])
    return {"tokens": tokens, "count": len(tokens), "max_model_len": 512}


def detokenize(server, body):
    check(set(body) == {"model", "tokens"}, "unknown field")
    if server.kind == "sglang":
        check(all(isinstance(one, list) for one in body["tokens"]), "this test expects lists")
        return {"text": [server.tokenizer.decode(one) for one in body["tokens"]]}
    return {"prompt": server.tokenizer.decode(body["tokens"])}


def generate(server, body):
    check(server.kind == "sglang", "Not Found", 404)
    check(set(body) <= GENERATE, "unknown field", 422)
    check(set(body["sampling_params"]) <= SAMPLING, "unknown sampling parameter")
    tokens, params = body["input_ids"], body["sampling_params"]
    check(tokens and all(type(one) is int for one in tokens), "input_ids: a list is expected")
    check(params.get("max_new_tokens") == 0, "this test expects nothing to be written")
    check(
        len(tokens) < 512,
        f"The input ({len(tokens)} tokens) is longer than the model's context length (512 tokens).",
    )
    begin = body.get("logprob_start_len", -1)
    check(begin < len(tokens), "logprob_start_len must be less than the number of input tokens")
    told = {
        "id": "1",
        "finish_reason": {"type": "length", "length": 0},
        "prompt_tokens": len(tokens),
        "completion_tokens": 0,
        "cached_tokens": 0,
    }
    if body.get("return_logprob"):
        begin = len(tokens) if begin == -1 else begin
        values = [None, *server.read(tokens)][begin:]
        entries = [
            [value, token, None] for value, token in zip(values, tokens[begin:], strict=True)
        ]
        if entries:  # the cache holds no logits
            entries[0][0] = None
        told["input_token_logprobs"] = entries
        told["output_token_logprobs"] = []
    if labels := body.get("token_ids_logprob"):
        row = server.first(tokens)
        # In no order that a client could rely on.
        found = [[float(row[label]), label, None] for label in reversed(labels)]
        told["output_token_ids_logprobs"] = [found]
    return {"text": "", "output_ids": [], "meta_info": told}


def completions(server, body):
    check(server.kind in ("vllm", "old vllm"), "Not Found", 404)
    known = COMPLETIONS | {"logprob_token_ids", "return_tokens_as_token_ids"}
    check(set(body) <= known, "unknown field")
    check(body["max_tokens"] == 1 and body["temperature"] == 0, "this test expects one token")
    prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
    choices = [_completion(server, body, *one) for one in enumerate(prompts)]
    read = sum(map(len, prompts))
    usage = {"prompt_tokens": read, "completion_tokens": len(prompts)}
    return {"object": "text_completion", "model": MODEL, "choices": choices[::-1], "usage": usage}


def _completion(server, body, index, tokens):
    choice = {"index": index, "text": "x", "logprobs": None, "finish_reason": "length"}
    if body.get("prompt_logprobs") is not None:
        values = server.read(tokens)
        told = [{str(t): {"logprob": v}} for t, v in zip(tokens[1:], values, strict=True)]
        choice["prompt_logprobs"] = [None, *told]
    if "logprobs" in body:
        row = server.first(tokens)
        wanted = body.get("logprob_token_ids") if server.kind == "vllm" else None
        ids = wanted or row.topk(body["logprobs"]).indices.tolist()
        assert body["return_tokens_as_token_ids"] is True
        top = {f"token_id:{one}": float(row[one]) for one in {*ids, int(row.argmax())}}
        choice["logprobs"] = {"top_logprobs": [top], "token_logprobs": [float(row.max())]}
    return choice


def chat(server, body):
    known = CHAT | (CONTINUED if server.kind in ("sglang", "vllm", "old vllm") else set())
    check(set(body) <= known, "unknown field", 422)
    check(body["temperature"] == 0, "this test expects greedy decoding")
    check(body.get("top_logprobs", 0) <= server.limit, f"top_logprobs: {server.limit} at most", 422)
    start = server.start(body)
    tokens, rows = server.written(start, body["max_tokens"])
    ended = tokens[-1] == server.tokenizer.eos_token_id
    told = []
    own = server.kind in ("ollama", "tgi", "openai")  # whose scores come from here
    for number, (token, row) in enumerate(zip(tokens, rows, strict=True)):
        shown = server.first([*start, *tokens[:number]]) if own else row
        top = [
            {"token": server.tokenizer.decode([one]), "logprob": float(shown[one])}
            for one in shown.topk(max(1, body.get("top_logprobs", 0))).indices.tolist()
        ]
        entry = {"token": server.tokenizer.decode([token]), "logprob": float(row[token])}
        told.append(entry | {"top_logprobs": top})
    message = {
        "role": "assistant",
        "content": server.tokenizer.decode(tokens[: -1 if ended else None]),
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop" if ended else "length"}
    if body.get("logprobs"):
        choice["logprobs"] = {"content": told}
    usage = {"prompt_tokens": len(start), "completion_tokens": len(tokens)}
    return {"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": usage}


ROUTES = {
    "/tokenize": tokenize,
    "/detokenize": detokenize,
    "/generate": generate,
    "/v1/completions": completions,
    "/v1/chat/completions": chat,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together: the second packet would wait for 40 ms

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.serve(None)

    def do_POST(self):
        self.serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def serve(self, body):
        server = self.server
        try:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            check(server.key is None or given == server.key, f"wrong key: {given}", 401)
            if body is None:
                check(self.path == "/v1/models", "Not Found", 404)
                status, reply = 200, models(server)
            else:
                server.log.append((self.path, body))
                check(self.path in ROUTES, "Not Found", 404)
                status, reply = 200, ROUTES[self.path](server, body)
        except Refused as refused:
            status, reply = refused.status, {"error": {"message": str(refused)}}
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(kind, network, tokenizer, **options):
    """A stand-in that runs in threads of this process; see `Served`."""
    server = Served(kind, network, tokenizer, **options)
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
