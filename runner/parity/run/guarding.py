"""Adapters of other packages may raise anything: a mistake in one costs what it was asked for, and not the run."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, Final

from parity.adapter import Adapter, AdapterSettings, Availability, Build, Command, HostFacts, Job, Launch, Transcript
from parity.adapter.warned import looks_like_a_warning
from parity.bounded import within
from parity.errors import ParityError, RefusedError

FACTS: Final = (
    *("tasks", "checkout", "device_asked", "figures_by", "needs_tokenizer"),
    *("reads_patterns", "no_proof", "exact", "needs"),
)
"""What an adapter says of itself, without a question."""

HOOK_S = 60.0
"""What a question may take. Adapters describe and read, which takes an instant."""

REMEDY: Final = "correct the adapter, or leave its runtimes out"


class BrokenAdapterError(ParityError):
    """An adapter that can't say the least of what is needed of it."""


def make_adapter(kind: type[Adapter[Any]], settings: AdapterSettings, host: HostFacts) -> Adapter[Any]:
    """The adapter of a runtime. Whatever a method of it raises beyond what its contract says is told as what came of
    that question: a runtime that is not available, a job that is refused, a cause that is not known. (`read` is left
    as it is: `parity.reading.events` guards it.)

    Raises:
        BrokenAdapterError: it fails on its settings, or on what is asked of it ahead of all else.
    """
    adapter: Adapter[Any] = _or_broken(kind.name, "__init__", Adapter, partial(kind, settings, host))
    for fact in FACTS:
        _or_broken(kind.name, fact, object, partial(getattr, adapter, fact))
    _or_broken(kind.name, "probe", Command, adapter.probe)
    _or_broken(kind.name, "build", (Command, type(None)), adapter.build)
    _guard(
        adapter, "read_probe", Availability, lambda wrong, *_: Availability(ready=False, reason=wrong, remedy=REMEDY)
    )
    _guard(adapter, "read_build", Build, lambda wrong, *_: Build(reason=wrong, remedy=REMEDY))
    _guard(adapter, "conversion", (Command, type(None)), _refuse)
    _guard(adapter, "launch", Launch, _refuse)
    _guard(adapter, "untold", frozenset, lambda *_: frozenset({"sampling", "prompt"}))
    _guard(adapter, "explain", (str, type(None)), lambda *_: None)
    _guard(adapter, "warns", object, lambda wrong, line: looks_like_a_warning(line))
    return adapter


class StandIn(Adapter[AdapterSettings]):
    """Takes the place of an adapter that can't say the least of what is needed: its runtime is not available, and all
    others run."""

    Settings: ClassVar[type[AdapterSettings]] = AdapterSettings

    def __init__(self, name: str, wrong: str, host: HostFacts) -> None:
        super().__init__(AdapterSettings(), host)
        vars(self)["name"] = name
        self.wrong = wrong

    def probe(self) -> Command:
        raise NotImplementedError("nothing is asked of it")

    def read_probe(self, transcript: Transcript) -> Availability:
        return Availability(ready=False, reason=self.wrong, remedy=REMEDY)

    def launch(self, job: Job, build: Build | None) -> Launch:
        raise RefusedError(self.wrong)


def refuse_broken(adapters: Iterable[Adapter[Any]]) -> None:
    """Raises BrokenAdapterError where one is a stand-in."""
    for adapter in adapters:
        if isinstance(adapter, StandIn):
            raise BrokenAdapterError(f"{adapter.wrong}\n    {REMEDY}")


def _refuse(wrong: str, *_: Any) -> Any:
    raise RefusedError(wrong)


def _guard(adapter: Adapter[Any], method: str, gives: Any, otherwise: Callable[..., Any]) -> None:
    """`otherwise`: what stands for the answer, of what is wrong and of the arguments."""
    ask = getattr(adapter, method)

    def asked(*arguments: Any, **named: Any) -> Any:
        answer, wrong = _answer(adapter.name, method, gives, lambda: ask(*arguments, **named))
        return answer if wrong is None else otherwise(wrong, *arguments, **named)

    vars(adapter)[method] = asked


def _or_broken(name: str, what: str, gives: Any, ask: Callable[[], Any]) -> Any:
    answer, wrong = _answer(name, what, gives, ask)
    if wrong is not None:
        raise BrokenAdapterError(f"{wrong}\n    {REMEDY}")
    return answer


def _answer(name: str, what: str, gives: Any, ask: Callable[[], Any]) -> tuple[Any, str | None]:
    """The answer, or what is wrong with the adapter."""
    try:
        with within(HOOK_S):
            answer = ask()
    except (RefusedError, KeyboardInterrupt):
        raise
    except BaseException as error:
        # Also `sys.exit`, which would give parity an exit code, and the panics of libraries that are written in Rust.
        return None, f"the adapter {name} failed in `{what}` ({type(error).__name__}: {error})"
    if isinstance(answer, gives):
        return answer, None
    return None, f"the adapter {name} gave a {type(answer).__name__} from `{what}`"
