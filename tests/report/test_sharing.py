"""What is taken out of a report that is given to others, and what stays."""

from collections.abc import Callable

import pytest

from parity.records import Report, Trial
from parity.report import FORMATS
from parity.report.sharing import shareable

MACHINE = {"os": "Invented 1.0", "host": "build-box.example.org", "memory_bytes": 1}


@pytest.fixture
def shared(build_report: Callable[..., Report]) -> Callable[[str], str]:
    """What becomes of a warning."""

    def of(text: str) -> str:
        report = build_report(machine=MACHINE, warnings=(text,))
        [said] = shareable(report, ["carol"], ["/srv/data of carol"]).warnings
        return said

    return of


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("can't open /home/alice/models/toy.gguf: no such file", "can't open …/toy.gguf: no such file"),
        ("in '/Users/alice/My/x.py', line 3", "in '…/x.py', line 3"),
        ("--model=/opt/models/toy.gguf", "--model=…/toy.gguf"),
        ("file:///var/lib/x/y.gguf", "…/y.gguf"),
        ("/srv/data of carol/toy.gguf", "…/toy.gguf"),
        ("~/models/deep/toy.gguf", "…/toy.gguf"),
        ("started by carol on build-box.example.org", "started by [user] on [host]"),
        ("build-box: busy", "[host]: busy"),
        ("in /home/alice", "in …/[user]"),
    ],
)
def test_paths_users_and_hosts_are_taken_out(shared: Callable[[str], str], text: str, said: str) -> None:
    assert shared(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "12 t/s and/or 3/4 of 1/2",
        "hf://unsloth/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q4_K_M.gguf",
        "https://example.org/a/b/c",
        "carolina and buildboxes stay",
        "m/t/beta",
    ],
)
def test_all_else_stays(shared: Callable[[str], str], text: str) -> None:
    assert shared(text) == text


def test_every_format_is_without_them(build_report: Callable[..., Report]) -> None:
    trial = build_report().trials[0]
    changed = trial.but(text="alice wrote /home/alice/x/y.txt", command=("/home/alice/bin/engine", "--host=build-box"))
    report = shareable(build_report(machine=MACHINE, trials=(changed,), run="runs-of-alice"))
    for name, render in FORMATS.items():
        text = render(report)
        assert "alice/" not in text, name
        assert "build-box" not in text, name
        assert "/home/" not in text, name


def test_what_the_transcript_alone_keeps_is_still_there(build_report: Callable[..., Report]) -> None:
    trial: Trial = build_report().trials[0].but(output_ids=(1, 2, 3), command=("/a/b/engine",))
    [kept] = shareable(build_report(trials=(trial,))).trials
    assert (kept.output_ids, kept.command) == ((1, 2, 3), ("…/engine",))


def test_a_report_without_names_is_the_very_same(build_report: Callable[..., Report]) -> None:
    report = build_report(models=(), machine={"os": "Invented 1.0"})
    assert shareable(report) == report
