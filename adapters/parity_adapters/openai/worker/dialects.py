"""What each kind of server takes beside the common part of the API, and where it says what it is. Data alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REFUSED_PROMPT = "a refused prompt"
"""In place of an endpoint: a request whose prompt is no text. The server refuses it once its model is loaded, and not
earlier, so that nothing is computed for it."""


@dataclass(frozen=True)
class PromptIds:
    """How a server that takes ids as its prompt gives those of a text. `path`: the endpoint, under the server's root.
    Fields: `text` is that of the text, `begin` says whether a begin token is to be put ahead, `more` are others."""

    path: str
    text: str
    begin: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """One kind of server.

    `ready`: the endpoint that answers 200 once the model is loaded; under the server's root, not under `/v1`.
    `version`: an endpoint, and the keys under which its answer holds the version. `plain`: what makes it sample by
    the test alone, without penalties and truncation of its own. `no_cache`: what keeps it from using the state of
    an earlier prompt; `always_caches`: it uses that whenever it can, and nothing switches it off. `past_end`: what
    makes it go on past end tokens; `BUDGET` stands for the token budget. `names_model`: whether requests name the
    model. `usage`: whether it takes `stream_options`, by which its answers count the prompt; `tokenize`: the endpoint
    that gives the ids of a text, of one whose answers don't. `loaded`: whether its model is loaded for certain once
    `ready` answers. `prompt_ids`: of a server that takes ids as its prompt. `likely`: what makes it show
    log-probabilities with the ids of their tokens, where it can; `TOP` stands for how many. `names_chosen`: whether it
    shows which token was chosen; otherwise that is the likeliest."""

    ready: str = "/v1/models"
    version: tuple[str, ...] = ()
    plain: Mapping[str, Any] = field(default_factory=dict)
    no_cache: Mapping[str, Any] = field(default_factory=dict)
    past_end: Mapping[str, Any] = field(default_factory=dict)
    names_model: bool = True
    always_caches: bool = False
    usage: bool = True
    tokenize: str | None = None
    loaded: bool = True
    prompt_ids: PromptIds | None = None
    likely: Mapping[str, Any] = field(default_factory=dict)
    names_chosen: bool = True


BUDGET = "the token budget"
TOP = "how many of the likeliest tokens"

OWN_FIELDS = frozenset(
    {
        *("prompt", "messages", "model", "stream", "stream_options", "suffix", "echo", "n", "best_of"),
        *("max_tokens", "max_completion_tokens", "n_predict", "min_tokens", "stop", "stop_token_ids", "bad_words"),
        *("temperature", "seed", "top_k", "top_p", "top_a", "top_n_sigma", "samplers", "use_beam_search"),
        *("mirostat", "mirostat_mode", "xtc_probability", "dry_multiplier", "dynatemp_range"),
        *("logprobs", "top_logprobs", "prompt_logprobs", "n_probs", "logit_bias", "allowed_token_ids"),
        *("grammar", "json_schema", "response_format", "guided_json", "guided_regex", "guided_grammar"),
        *("add_special_tokens", "truncate_prompt_tokens", "add_generation_prompt", "chat_template"),
    }
)
"""Fields of a request that say what is asked, or what an answer holds. What parity sends and reports of them is the
test's."""

FIXED_FIELDS: Mapping[str, float] = {
    "cache_prompt": False,
    "ignore_eos": True,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_penalty": 1.0,
    "repetition_penalty": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
}
"""Fields that may have one value alone, which parity reports, or which switches a way to choose tokens off."""

HARMLESS_FIELDS = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "request_id", "priority", "safety_identifier"),
        *("keep_alive", "id_slot", "timings_per_token", "return_progress", "sse_ping_interval"),
        *("return_tokens", "return_token_ids", "verbose"),
    }
)
"""Fields of which it is known that they change neither prompt nor choice of tokens. Any other one that is set may."""

DIALECTS: dict[str, Dialect] = {
    "openai": Dialect(loaded=False),
    "llama.cpp": Dialect(
        ready="/health",
        version=("/props", "build_info"),
        plain={"repeat_penalty": 1.0, "min_p": 0.0, "top_k": 0, "top_p": 1.0},
        no_cache={"cache_prompt": False},
        past_end={"ignore_eos": True},
        prompt_ids=PromptIds("/tokenize", "content", "add_special", {"parse_special": True}),
        likely={"n_probs": TOP},
    ),
    "llama_cpp.server": Dialect(
        version=("/openapi.json", "info", "version"),
        plain={"repeat_penalty": 1.0, "min_p": 0.0, "top_k": 0, "top_p": 1.0},
        past_end={"min_tokens": BUDGET},
        always_caches=True,
        usage=False,
        tokenize="/extras/tokenize",
    ),
    "mlx_lm.server": Dialect(
        ready=REFUSED_PROMPT,
        plain={"repetition_penalty": 0.0, "min_p": 0.0, "top_k": 0, "top_p": 1.0},
        names_model=False,
        likely={"logprobs": True, "top_logprobs": TOP},
        names_chosen=False,
    ),
    "vllm": Dialect(
        ready="/health",
        version=("/version", "version"),
        plain={"repetition_penalty": 1.0, "min_p": 0.0, "top_k": -1, "top_p": 1.0},
        past_end={"ignore_eos": True, "min_tokens": BUDGET},
        prompt_ids=PromptIds("/tokenize", "prompt", "add_special_tokens"),
        likely={"logprobs": TOP, "return_tokens_as_token_ids": True},
    ),
    "mistral.rs": Dialect(ready="/health"),
    "ollama": Dialect(version=("/api/version", "version"), always_caches=True, loaded=False),
    "lm-studio": Dialect(always_caches=True, loaded=False),
}
"""Kind of server → what it takes."""
