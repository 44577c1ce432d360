"""`demo.py`: what it says of a run, and whether it counts as a success."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from preparing import SCRIPTS

CRASH = {"kind": "crash:SIGSEGV", "message": "it crashed; set `extra_buffers = false`"}

Demo = Callable[..., int]


def runtime(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "status": "ready", "reason": None, "remedy": None, **changes}


def trial(name: str, failure: dict[str, str] | None = None) -> dict[str, Any]:
    return {"runtime": name, "failure": failure}


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Demo:
    """Runs the demo on a scripted `parity` that writes this report, or none; gives the demo's exit code."""
    spec = importlib.util.spec_from_file_location("demo", SCRIPTS / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)

    def run(runtimes: list[dict[str, Any]] | None, trials: list[dict[str, Any]] | None = None, code: int = 1) -> int:
        report = {"exit": {"code": code, "reason": "a reason"}, "runtimes": runtimes, "trials": trials}
        lines = ["import sys", "from pathlib import Path", "out = Path(sys.argv[-1])"]
        if runtimes is not None:
            lines.append(f"out.mkdir(parents=True); (out / 'report.json').write_text({json.dumps(report)!r})")
        parity = tmp_path / "parity"
        parity.write_text("\n".join([f"#!{sys.executable}", *lines, f"sys.exit({code})\n"]), encoding="utf-8")
        parity.chmod(0o755)
        monkeypatch.setattr(module, "PARITY", parity)
        done: int = module.main()
        return done

    return run


def test_a_demo_succeeds_when_every_trial_ran_whatever_the_gates_say(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo([runtime("a"), runtime("b")], [trial("a"), trial("b")]) == 0
    assert "All 2 trials ran" in capsys.readouterr().out


def test_a_runtime_that_is_not_ready_fails_the_demo_with_what_to_do(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = runtime("b", status="unavailable", reason="it is not installed", remedy="pip install b")
    assert demo([runtime("a"), absent], [trial("a")]) == 1
    out = capsys.readouterr().out
    assert "b is not ready: it is not installed" in out
    assert "To make it ready: pip install b" in out


def test_failed_trials_fail_the_demo_and_are_explained_once_a_runtime(
    demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo([runtime("a"), runtime("b")], [trial("a"), trial("b", CRASH), trial("b", CRASH)]) == 1
    out = capsys.readouterr().out
    assert "b: 2 of 2 trials failed, the first with crash:SIGSEGV:" in out
    assert out.count("extra_buffers = false") == 1


def test_a_runtime_of_which_no_trial_ran_fails_the_demo(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo([runtime("a"), runtime("b")], [trial("a")]) == 1
    assert "b: no trial ran" in capsys.readouterr().out


def test_the_optional_runtime_does_not_fail_the_demo(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    guest = runtime("candle-reference", status="unavailable", reason="it can't be built", remedy="rustup update")
    assert demo([runtime("a"), guest], [trial("a")]) == 0
    assert "left out candle-reference: it can't be built" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "expected"), [(2, 2), (0, 1)])
def test_a_run_without_a_report_fails_the_demo(
    code: int, expected: int, demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo(None, code=code) == expected
    assert "parity doctor" in capsys.readouterr().out
