"""A server that speaks the OpenAI-compatible API: started for each trial, or already running.

The worker is the server's only client, and its parent where it starts it. It needs no package, so that it runs under
parity's own interpreter.
"""

import re
from pathlib import Path
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator, model_validator

from parity.adapter import (
    PROTOCOL_MARKERS,
    Adapter,
    AdapterSettings,
    Availability,
    Build,
    Command,
    Example,
    HostFacts,
    InputPath,
    Job,
    Launch,
    Program,
    Scalar,
    Task,
    Transcript,
    looks_secret,
    read_protocol_probe,
    worker_argv,
)
from parity_adapters.openai.worker.addresses import is_loopback
from parity_adapters.openai.worker.dialects import DIALECTS, FIXED_FIELDS, OWN_FIELDS

WORKER = Path(__file__).with_name("worker")

Kind = Literal["openai", "llama.cpp", "llama_cpp.server", "mlx_lm.server", "vllm", "mistral.rs", "ollama", "lm-studio"]

PLACEHOLDERS = ("{model}", "{port}")


class OpenAISettings(AdapterSettings):
    """Settings of `adapter = "openai"`. Either `command` or `url` says where the server is."""

    command: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="the program that is the server, and its arguments, started for each trial; {model} and {port} are "
        "filled in. It must listen on 127.0.0.1",
    )
    cwd: InputPath | None = Field(default=None, description="the working folder of `command`; by default parity's own")
    url: str | None = Field(
        default=None,
        description="the address of a server that is already running, with the path of its API, such as "
        "`http://127.0.0.1:8080/v1`",
    )
    server: Kind = Field(
        default="openai",
        description="which server it is, which decides what requests hold beside the common part of the API; `openai` "
        "is any other",
    )
    endpoint: Literal["completions", "chat"] = Field(
        default="completions",
        description="`completions` is sent the same text as every runtime; `chat` is sent the prompt as a user's turn, "
        "which the server renders itself",
    )
    prompt_as: Literal["text", "ids"] | None = Field(
        default=None,
        description="how `completions` sends the prompt: as its text, or as the ids that the server itself gives the "
        "text, with one begin token at most; by default as ids to llama.cpp and vLLM",
    )
    model_name: str | None = Field(
        default=None,
        min_length=1,
        description="the name by which requests ask for the model; by default that of the only model that the server "
        "lists",
    )
    ready: str | None = Field(
        default=None,
        pattern="^/",
        description="the path that answers 200 once a server that is started has loaded its model, such as `/health`; "
        "by default that of the kind of server",
    )
    request: dict[str, Scalar] = Field(
        default_factory=dict, description="further fields of each request, which don't change what is asked"
    )
    api_key_env: str | None = Field(
        default=None, description="the name of the environment variable that holds the server's key"
    )
    weights_file: InputPath | None = Field(
        default=None, description="the file of the weights that the server has loaded, where it does not say so itself"
    )
    prefix_cache: bool | None = Field(
        default=None,
        description="whether the server may use the state of an earlier prompt, where its answers don't say so; by "
        "default one that was running before may",
    )
    logprobs: bool = Field(
        default=True,
        description="whether a server of a kind that shows log-probabilities is asked for them, where a gate judges "
        "outputs",
    )
    device: str | None = Field(default=None, description="the device that the server computes on, such as `cpu`")
    threads: int | None = Field(default=None, gt=0, description="the CPU threads that the server computes with")

    @field_validator("command")
    @classmethod
    def _program_beside_config(cls, command: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if command is None:
            return None
        return (TypeAdapter(Program).validate_python(command[0], context=info.context), *command[1:])

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("is no address of an API: give one such as http://127.0.0.1:8080/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds a name or a password: name the variable that holds the key as `api_key_env`")
        _ = parts.port
        return url.rstrip("/")

    @field_validator("request")
    @classmethod
    def _asks_the_same(cls, request: dict[str, Scalar]) -> dict[str, Scalar]:
        """What is reported and compared is what the test asks."""
        if own := sorted(OWN_FIELDS & request.keys()):
            raise ValueError(
                f"can't set {', '.join(own)}: parity sets what is asked, by the test: set it there, or leave it out"
            )
        for key in FIXED_FIELDS.keys() & request.keys():
            # For servers, 0 is not false.
            alike = isinstance(request[key], bool) is isinstance(FIXED_FIELDS[key], bool)
            if not alike or request[key] != FIXED_FIELDS[key]:
                raise ValueError(
                    f"can't set {key} to {request[key]}: it changes what is asked, unlike {FIXED_FIELDS[key]}"
                )
        if re.fullmatch(r"0+(\.0*)?[a-z]*", str(request.get("keep_alive"))):
            raise ValueError("can't set keep_alive to 0: the server would load its model anew for each request")
        return request

    @field_validator("api_key_env")
    @classmethod
    def _is_masked(cls, name: str | None) -> str | None:
        if name is not None and not looks_secret(name, ""):
            raise ValueError(
                f"{name!r} does not look like the name of a secret, and parity masks those alone: use one "
                "such as SERVER_API_KEY"
            )
        return name

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("needs either `command`, for a server that is started, or `url`, for one that is running")
        if self.command is not None and not any("{port}" in word for word in self.command):
            raise ValueError("`command` does not hold {port}, so that the server can't be told where to listen")
        if self.url is not None and self.ready is not None:
            raise ValueError("`ready` is for a server that is started, and `url` names one that is running")
        if self.prompt_as == "ids" and (self.endpoint == "chat" or DIALECTS[self.server].prompt_ids is None):
            raise ValueError('`prompt_as = "ids"` needs a server of a kind that takes ids, and `completions`')
        takes = DIALECTS[self.server].past_end.keys()
        if self.server != "openai" and "ignore_eos" in self.request.keys() - takes:
            raise ValueError(
                f"`request` sets ignore_eos, which {self.server} does not take: leave it out, for `ignore_end` of the "
                "test decides what is asked of a server of this kind"
            )
        if self.url is not None and self.prefix_cache is False and DIALECTS[self.server].always_caches:
            raise ValueError(
                f"`prefix_cache = false` can't be true of {self.server}, which uses the state of the prompt before "
                "whenever it can: let parity start it for each trial, by `command`"
            )
        if self.api_key_env is not None and self.url is not None and _sends_in_clear(self.url):
            raise ValueError("the key would be sent unencrypted to another machine: use an https:// address")
        return self


def _sends_in_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


class OpenAI(Adapter[OpenAISettings]):
    """Probes, launches and reads a server."""

    name: ClassVar[str] = "openai"
    Settings: ClassVar[type[AdapterSettings]] = OpenAISettings

    @classmethod
    def example(cls, host: HostFacts) -> Example:
        threads = str(host.usable_cpus)
        asked = ("--model", "{model}", "--port", "{port}", "--n_threads", threads, "--n_threads_batch", threads)
        return Example(
            name="server",
            remark="A server that speaks the OpenAI-compatible API, started for each trial. This one needs "
            "`pip install 'llama-cpp-python[server]'`; docs/servers.md has others.",
            keys={
                "server": "llama_cpp.server",
                "command": (host.python, "-m", "llama_cpp.server", *asked),
                "device": "cpu",
                "threads": host.usable_cpus,
            },
        )

    @property
    def tasks(self) -> frozenset[Task]:
        """By the chat endpoint, the ids of its prompt are not known, so that nothing could be compared."""
        able = self.settings.logprobs and self.settings.endpoint == "completions"
        able = able and bool(DIALECTS[self.settings.server].likely)
        return frozenset({"generate", "score"}) if able else frozenset({"generate"})

    @property
    def scores_own(self) -> bool:
        return True

    @property
    def device_asked(self) -> str | None:
        return self.settings.device

    @property
    def needs_tokenizer(self) -> bool:
        """The tokens of its text are counted by the model's own."""
        return True

    @property
    def no_proof(self) -> str | None:
        if self.settings.url is not None:
            return "the server is already running, with a model of its own"
        if not any("{model}" in word for word in self.settings.command or ()):
            return "its `command` does not hold {model}, so that it can't be given a tiny model"
        return None

    def probe(self) -> Command:
        """Of a server that is started for each trial, whether its program starts; one that is running is asked."""
        if self.settings.command is not None:
            program = self.settings.command[0]
            return Command(argv=(program, "--version"), cwd=self.settings.cwd, deadline_s=60)
        asked = worker_argv(self.host.python, WORKER, "--probe", "--settings", self.settings.model_dump_json())
        return Command(argv=asked, pass_env=self._secrets)

    def read_probe(self, transcript: Transcript) -> Availability:
        if self.settings.command is None:
            remedy = "start the server, or correct `url` in the config"
            found = read_protocol_probe(transcript, install=remedy)
            return found.but(device=self.settings.device) if found.ready else found
        if transcript.no_spawn is not None:
            reason = f"{self.settings.command[0]}: {transcript.no_spawn.message}"
            return Availability(ready=False, reason=reason, remedy="install it, or correct `command` in the config")
        lines = [line.strip() for line in transcript.tail(5) if line.strip()]
        printed = next((line for line in lines if "version" in line.casefold()), lines[-1] if lines else "")
        good = transcript.end is not None and transcript.end.exit_code == 0
        version = f"{self.settings.server} ({printed[:60]})" if good and printed else self.settings.server
        return Availability(ready=True, version=version, device=self.settings.device)

    def launch(self, job: Job, build: Build | None) -> Launch:
        words = ("--", *self.settings.command) if self.settings.command is not None else ()
        return Launch(
            argv=(*worker_argv(self.host.python, WORKER, "--job", str(Path(job.scratch) / "job.json")), *words),
            files={"job.json": job.model_dump_json()},
            markers=PROTOCOL_MARKERS,
            pass_env=self._secrets,
        )

    def warns(self, line: str) -> bool:
        """llama.cpp's server marks what is for information: `0.00.234.353 I slot release: … truncated = 0`."""
        return re.match(r"[0-9.]+ [ID] ", line) is None and super().warns(line)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self.settings.api_key_env,) if self.settings.api_key_env is not None else ()
