"""A scripted server of the OpenAI-compatible API, for faults that a real one can't be asked to commit.

It computes nothing: it sleeps and sends. `server.py --port N [--fault NAME] [--gap S] [--prefill S] [--load S]`.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

FAULTS = (
    "dies",
    "exits-in-load",
    "never-ready",
    "stalls-first",
    "stalls",
    "all-at-the-end",
    "malformed",
    "not-an-event",
    "error-event",
    "huge-line",
    "endless",
    "cut",
    "busy",
    "fails",
    "no-such-model",
    "no-stream",
    "error-body",
    "cr",
    "nothing",
    "ignores-sigterm",
)

WORDS = ("one", " two", " three", " four", " five", " six", " seven", " eight", " nine", " ten")

FIRST_ID = 10
"""Id of the first word."""


class Handler(BaseHTTPRequestHandler):
    """Answers as the options say. The body of each request is kept in `requests`, its headers in `headers_seen`."""

    options: argparse.Namespace
    requests: ClassVar[list[dict[str, Any]]] = []
    headers_seen: ClassVar[list[dict[str, str]]] = []

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        time.sleep(self.options.far)
        if self.options.fault == "never-ready":
            self._json(503, {"error": {"message": "Loading model"}})
        elif self.path == "/v1/models":
            self._json(200, {"data": [{"id": name} for name in self.options.models.split(",")]})
        elif self.path == "/version":
            self._json(200, {"version": "1.0 (scripted)"})
        else:
            self._json(404, {"error": {"message": "no such path"}})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/extras/tokenize":
            self._json(200, {"tokens": [1, *(len(word) for word in asked["input"].split())]})
            return
        time.sleep(self.options.far if self.path == "/tokenize" else 0.0)
        if self.path == "/tokenize" and self.options.tokenizes:
            begins = asked.get("add_special", asked.get("add_special_tokens"))
            words = (asked.get("content") or asked["prompt"]).split()
            self._json(200, {"tokens": [1] * begins + [1 if word == "<s>" else len(word) for word in words]})
            return
        if self.path == "/tokenize" and self.options.fault == "busy":
            self._json(503, {"error": {"message": "too many requests"}})
            return
        if self.path == "/tokenize":
            self._json(404, {"error": {"message": "no such path"}})
            return
        self.requests.append(asked)
        self.headers_seen.append(dict(self.headers))
        if self.options.echo:
            print(f"asked: {json.dumps(asked)}", file=sys.stderr, flush=True)
        if self.options.echo_key:
            print(self.headers["Authorization"], file=sys.stderr, flush=True)
        match self.options.fault:
            case "busy":
                self._json(429, {"error": {"message": "too many requests"}}, {"Retry-After": "30"})
            case "fails":
                self._json(500, {"error": {"message": "out of luck"}})
            case "no-such-model":
                self._json(404, {"error": {"message": f"The model `{asked.get('model')}` does not exist"}})
            case "no-stream":
                self._json(200, {"choices": [{"text": "one two", "finish_reason": "length"}]})
            case "error-body":
                self._json(200, {"error": {"message": "the model is not loaded"}})
            case _ if asked.get("stream"):
                self._stream(asked)
            case _:
                self._whole(asked)

    def _whole(self, asked: dict[str, Any]) -> None:
        """An answer at once, with log-probabilities in one of the forms that servers have."""
        words = WORDS[: asked["max_tokens"]]
        lists: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": []}
        content: list[dict[str, Any]] = []
        for token, word in enumerate(words, start=FIRST_ID):
            top = [{"id": 40 + k, "logprob": -3.0 - k} for k in range(7)] + [{"id": token, "logprob": -0.1}]
            content.append({**(top[0] if self.options.logprobs == "unnamed" else top[-1]), "top_logprobs": top})
            lists["tokens"].append(f"token_id:{token}" if self.options.logprobs == "lists" else word)
            lists["token_logprobs"].append(-0.1)
            lists["top_logprobs"].append({f"token_id:{each['id']}": each["logprob"] for each in top})
        shown = {"lists": lists, "texts": lists, "none": None}.get(self.options.logprobs, {"content": content})
        choice = {"index": 0, "text": "".join(words), "finish_reason": "length", "logprobs": shown}
        usage = {"prompt_tokens": self.options.prompt_tokens, "completion_tokens": len(words)}
        cut = 40 if self.options.fault in ("cut", "dies") else None
        self._json(
            200, "choices" if self.options.fault == "malformed" else {"choices": [choice], "usage": usage}, cut=cut
        )
        if self.options.fault == "dies":
            os.kill(os.getpid(), signal.SIGKILL)

    def _stream(self, asked: dict[str, Any]) -> None:
        fault, budget = self.options.fault, asked["max_tokens"]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if fault == "stalls-first":
            time.sleep(600)
        time.sleep(self.options.prefill)
        if fault == "nothing":
            self._finish(budget)
            return
        k, held = 0, b""
        while k < min(budget, self.options.stop or budget) or fault == "endless":
            event = self._event(WORDS[k % len(WORDS)])
            if fault == "all-at-the-end":
                held += event
            else:
                self.wfile.write(event)
            k += 1
            if k == 3:
                self._middle()
            if fault in ("cut", "not-an-event") and k == 3:
                return
            time.sleep(self.options.gap)
        self.wfile.write(held)
        self._finish(budget)

    def _middle(self) -> None:
        match self.options.fault:
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stalls":
                time.sleep(600)
            case "malformed":
                self.wfile.write(b'data: {"choices": [{"text": \n\n')
            case "not-an-event":
                self.wfile.write(b"Traceback (most recent call last):\n\n")
            case "error-event":
                self.wfile.write(b'data: {"error": {"message": "CUDA error"}}\n\n')
            case "huge-line":
                self.wfile.write(b"data: " + b"x" * 2_000_000)

    def _event(self, text: str, finish: str | None = None) -> bytes:
        event = {"choices": [{"index": 0, "text": text, "finish_reason": finish}]}
        sent = f": ping\ndata: {json.dumps(event)}\r\n\r\n"
        return (sent.replace("\r\n", "\r").replace("\n", "\r") if self.options.fault == "cr" else sent).encode()

    def _finish(self, budget: int) -> None:
        self.wfile.write(self._event("", "stop" if self.options.stop else "length"))
        usage = {"prompt_tokens": self.options.prompt_tokens, "completion_tokens": self.options.counts or budget}
        if self.options.cached is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self.options.cached}
        if self.options.prompt_tokens:
            self.wfile.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def _json(
        self, status: int, content: object, headers: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        """`cut`: how many bytes of it are sent."""
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:cut])


def options_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--gap", type=float, default=0.01)
    parser.add_argument("--prefill", type=float, default=0.02)
    parser.add_argument("--load", type=float, default=0.0)
    parser.add_argument("--models", default="scripted")
    parser.add_argument("--prompt-tokens", type=int, default=0, help="0: the server tells no usage")
    parser.add_argument("--counts", type=int, help="the tokens that its usage counts, where it lies")
    parser.add_argument("--stop", type=int, help="the tokens after which it stops at an end token")
    parser.add_argument("--cached", type=int)
    parser.add_argument("--far", type=float, default=0.0, help="seconds before it answers what is no prompt")
    parser.add_argument("--tokenizes", action="store_true", help="give the ids of a text")
    parser.add_argument("--logprobs", default="objects", help="their form in an answer that is no stream")
    parser.add_argument("--echo", action="store_true", help="print each request")
    parser.add_argument("--echo-key", action="store_true", help="print the key of each request")
    parser.add_argument("--version", action="version", version="scripted server 1.0")
    return parser.parse_args(words)


def serve(options: argparse.Namespace) -> ThreadingHTTPServer:
    """A server that is bound; the caller runs it."""
    handler = type("Scripted", (Handler,), {"options": options, "requests": [], "headers_seen": []})
    return ThreadingHTTPServer(("127.0.0.1", options.port), handler)


def main() -> None:
    options = options_of(sys.argv[1:])
    if options.fault == "exits-in-load":
        print("error: no such file", file=sys.stderr)
        sys.exit(3)
    if options.fault == "ignores-sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(options.load)
    server = serve(options)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
