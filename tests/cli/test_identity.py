"""Whole runs on a scripted host: sides that ran something different, or not what was asked, get no verdict until the
config declares it; and a gate for a device is no way around."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripted_host import HANGS, Ended, Program, Script, config, table

from parity.transcript import Head

ALIKE: dict[str, Any] = {"device": "cpu", "threads": 2, "build_profile": "release", "prefix_cache": False}
PROMPT_SPEED = '[[gates]]\nname = "prefill"\nkind = "ratio"\nmetric = "prompt_tps"\nmin_ratio = 0.5\n'
SPEED = '[[gates]]\nname = "speed"\nkind = "ratio"\nmetric = "gen_tps"\nmin_ratio = 0.5\n'
BOUND = '[[gates]]\nname = "bound"\nkind = "bound"\nmetric = "gen_tps"\nmin = 10.0\n'
STEADY = '[[gates]]\nname = "steady"\nkind = "consistency"\nmax_cv = 0.5\n'
ALL = SPEED + BOUND + STEADY + HANGS
ROUNDS = 6


def declare(fact: str, runtime: str = "other") -> str:
    return f'[[declare]]\nfact = "{fact}"\nruntimes = ["{runtime}"]\nreason = "this is what we compare"\n'


def reports(values: Mapping[str, Any]) -> Callable[[Head], Mapping[str, Any]]:
    return lambda head: values


def run(program: Program, other: Script, *, base: Script | None = None, gates: str = SPEED, rest: str = "") -> Ended:
    base = base or Script(settings=reports(ALIKE))
    text = config(table("base") + table("other"), rounds=ROUNDS, gates=gates, rest=rest)
    return program("run", program.write(text), "--out", "run", host=program.host(base=base, other=other))


def verdicts(program: Program) -> dict[str, str]:
    return {v["gate"]: v["verdict"] for v in program.report()["verdicts"]}


def sentence(program: Program, gate: str = "speed") -> str:
    return next(v["sentence"] for v in program.report()["verdicts"] if v["gate"] == gate)


def test_sides_that_report_the_same_are_compared(program: Program) -> None:
    assert run(program, Script(settings=reports(ALIKE)), gates=ALL).code == 0
    assert [v["unproven"] for v in program.report()["verdicts"] if v["gate"] == "speed"] == [[]]


@pytest.mark.parametrize(
    ("fact", "title", "reported"),
    [
        ("device", "device", {"device": "cuda:0"}),
        ("device", "device", {"device": "cuda", "gpu_layers": "10/29"}),
        ("threads", "threads", {"threads": 64}),
        ("build_profile", "build profile", {"build_profile": "debug"}),
        ("kv_type", "key-value cache type", {"kv_type": "q4_0"}),
        ("flash_attention", "flash attention", {"flash_attn": True}),
        ("batch", "batch", {"batch": 8}),
    ],
)
def test_a_known_difference_is_not_comparable_until_it_is_declared(
    program: Program, fact: str, title: str, reported: dict[str, Any]
) -> None:
    base = Script(settings=reports({**ALIKE, "kv_type": "f16", "flash_attn": False, "batch": 512}))
    other = Script(settings=reports({**ALIKE, "kv_type": "f16", "flash_attn": False, "batch": 512, **reported}))
    assert run(program, other, base=base).code == 3
    assert verdicts(program)["speed"] == "NOT COMPARABLE"
    assert title in sentence(program)
    assert f'fact = "{fact}"' in sentence(program)
    (program.folder / "run").rename(program.folder / "before")
    done = run(program, other, base=base, rest=declare(fact))
    assert (done.code, verdicts(program)["speed"]) == (0, "PASS")
    [declared] = next(v["declared"] for v in program.report()["verdicts"] if v["gate"] == "speed")
    assert declared.endswith("(this is what we compare)")
    for name in ("table", "markdown", "page"):
        shown = " ".join(program("report", "run", "--format", name).out.split())
        assert "this is what we compare" in shown.replace("\\", ""), name


@pytest.mark.parametrize(
    ("runtimes", "compared"),
    [
        ('["other"]', {"other": True, "third": False}),
        ('["base", "other"]', {"other": True, "third": False}),
        ('["base"]', {"other": True, "third": True}),
    ],
)
def test_a_declaration_covers_the_runtimes_that_it_names_and_no_others(
    program: Program, runtimes: str, compared: dict[str, bool]
) -> None:
    rest = f'[[declare]]\nfact = "threads"\nruntimes = {runtimes}\nreason = "this is what we compare"\n'
    text = config(table("base") + table("other") + table("third"), rounds=ROUNDS, gates=SPEED, rest=rest)
    more = Script(settings=reports({**ALIKE, "threads": 64}))
    scripts = {"base": Script(settings=reports(ALIKE)), "other": more, "third": more}
    program("run", program.write(text), "--out", "run", host=program.host(**scripts))
    found = {v["runtime"]: v["verdict"] == "PASS" for v in program.report()["verdicts"] if v["gate"] == "speed"}
    assert found == compared


@pytest.mark.parametrize("fact", ["sampling", "prompt", "tokens"])
def test_work_that_differs_is_not_comparable_until_it_is_declared(program: Program, fact: str) -> None:
    other = {
        "sampling": Script(settings=reports({**ALIKE, "temperature": 1.0})),
        "prompt": Script(settings=reports(ALIKE), prompt_ids=(7, 8, 9, 10)),
        "tokens": Script(settings=reports(ALIKE), tokens=9),
    }[fact]
    assert run(program, other, gates=ALL).code == 3
    found = verdicts(program)
    assert {found["bound"], found["steady"]} == {"NOT COMPARABLE"}
    # A rate is compared over the tokens that both sides have.
    assert found["speed"] == ("PASS" if fact == "tokens" else "NOT COMPARABLE")
    assert found["hangs"] == ("PASS" if fact == "sampling" else "NOT COMPARABLE")
    (program.folder / "run").rename(program.folder / "before")
    assert run(program, other, gates=ALL, rest=declare(fact)).code == 0
    assert set(verdicts(program).values()) == {"PASS"}


def test_a_difference_that_the_test_budget_allows_is_no_departure(program: Program) -> None:
    """A program that samples more than its budget did not run the test either."""
    assert run(program, Script(settings=reports(ALIKE), tokens=13), gates=BOUND + HANGS).code == 3
    assert sentence(program, "hangs").startswith("it generated 13 of 12 tokens;")


def test_other_weights_fail_every_kind_of_gate_to_be_judged(program: Program, tmp_path: Path) -> None:
    other = Script(settings=reports({**ALIKE, "weights_file": "/nowhere/else.gguf"}))
    assert run(program, other, gates=SPEED + BOUND + STEADY).code == 3
    assert set(verdicts(program).values()) == {"NOT COMPARABLE"}
    assert sentence(program, "bound").startswith("gen_tps: nothing shows which weights it ran;")


def test_a_prefix_cache_keeps_prompt_speeds_apart_and_no_others(program: Program) -> None:
    cached = Script(settings=reports({**ALIKE, "prefix_cache": True}))
    assert run(program, cached, gates=SPEED + PROMPT_SPEED).code == 3
    assert verdicts(program) == {"speed": "PASS", "prefill": "NOT COMPARABLE"}
    assert "prefix cache" in sentence(program, "prefill")


def test_what_a_side_does_not_report_is_shown_beside_the_verdict_and_blocks_if_the_config_is_strict(
    program: Program,
) -> None:
    done = run(program, Script(settings=reports({"device": "cpu"})))
    assert done.code == 0
    assert "unproven: threads (other), build profile (other)" in " ".join(done.out.split())
    (program.folder / "run").rename(program.folder / "before")
    text = "strict_identity = true\n" + config(table("base") + table("other"), rounds=ROUNDS, gates=SPEED)
    host = program.host(base=Script(settings=reports(ALIKE)), other=Script(settings=reports({"device": "cpu"})))
    assert program("run", program.write(text), "--out", "run", host=host).code == 3
    assert sentence(program).startswith(
        "gen_tps: a side did not report its threads; a side did not report its build profile; if that is intended"
    )


def test_threads_don_t_matter_where_both_sides_compute_on_a_gpu(program: Program) -> None:
    base = Script(settings=reports({**ALIKE, "device": "cuda", "threads": 16}))
    assert run(program, Script(settings=reports({**ALIKE, "device": "cuda:0"})), base=base).code == 0


def test_a_device_that_changes_between_rounds_passes_no_gate(program: Program) -> None:
    flips = Script(settings=lambda head: {**ALIKE, "device": "metal:0" if head.slot and head.slot.round % 2 else "cpu"})
    on = {name: BOUND.replace("bound", name, 1) + f'when = {{ device = "{name}" }}\n' for name in ("metal", "cpu")}
    assert run(program, flips, gates=SPEED + BOUND + STEADY + on["metal"] + on["cpu"]).code == 3
    found = verdicts(program)
    assert found.pop("steady") == "NOT COMPARABLE"
    assert set(found.values()) == {"NOT COMPARABLE"}
    assert "metal in 3, cpu in 3" in sentence(program, "metal")


PAGE = """
[report]
markdown = "page.md"
conclusion = "Ready to restore Phi4"
matching = [ { text = "Fast enough", gates = ["metal"] }, { text = "Architecture is sound", gates = ["speed"] } ]
"""


@pytest.mark.parametrize(
    ("device", "verdict", "code"),
    [
        ("cpu", "NOT APPLICABLE", 4),
        ("CPU (no Metal here)", "NOT APPLICABLE", 4),
        ("Metal", "PASS", 0),
        ("metal:0", "PASS", 0),
    ],
)
def test_a_required_gate_that_falls_away_with_its_device_passes_no_run(
    program: Program, device: str, verdict: str, code: int
) -> None:
    side = Script(settings=reports({**ALIKE, "device": device}))
    metal = BOUND.replace("bound", "metal", 1) + 'when = { device = "metal" }\n'
    done = run(program, side, base=side, gates=SPEED + metal, rest=PAGE)
    assert (done.code, verdicts(program)["metal"]) == (code, verdict), done.out
    page = (program.folder / "page.md").read_text(encoding="utf-8")
    assert ("Ready to restore Phi4" in page) == (code == 0)
    assert ("✅ Fast enough" in page) == (code == 0)


def test_a_device_that_is_not_wholly_used_is_not_comparable_with_its_gate(program: Program) -> None:
    side = Script(settings=reports({**ALIKE, "device": "cuda", "gpu_layers": "10/29"}))
    on_gpu = BOUND + 'when = { device = "gpu" }\n'
    assert run(program, side, base=side, gates=on_gpu + SPEED).code == 3
    assert verdicts(program) == {"bound": "NOT COMPARABLE", "speed": "PASS"}
    assert "10 of 29 layers" in sentence(program, "bound")


@pytest.mark.parametrize(("asked", "ran"), [("cuda", "cpu"), ("gpu", "cpu"), ("gpu", "metal unavailable")])
def test_a_runtime_that_falls_back_from_the_device_of_its_table_did_not_run_what_was_asked(
    program: Program, asked: str, ran: str
) -> None:
    text = config(table("base") + table("other", f'device = "{asked}"'), rounds=ROUNDS, gates=BOUND + STEADY)
    host = program.host(other=Script(settings=reports({**ALIKE, "device": ran})))
    assert program("run", program.write(text), "--out", "run", host=host).code == 3
    assert set(verdicts(program).values()) == {"NOT COMPARABLE"}
    assert sentence(program, "bound").startswith(f"gen_tps: it ran on {ran}, and the config asks for {asked};")


@pytest.mark.parametrize(
    ("keys", "where", "hint"),
    [
        (declare("treads"), "declare[1].fact", "did you mean 'threads'?"),
        (declare("threads", "othre"), "declare[1].runtimes", "did you mean 'other'?"),
        (BOUND + 'when = { device = "metall" }\n', "gates.bound.when.device", "did you mean `metal`?"),
        (BOUND + 'when = { device = "cuda:0" }\n', "gates.bound.when.device", "did you mean `cuda`?"),
    ],
)
def test_a_declaration_or_a_device_that_does_not_exist_is_an_error_with_the_nearest_one(
    program: Program, keys: str, where: str, hint: str
) -> None:
    text = config(table("base") + table("other"), gates="", rest=keys)
    done = program("plan", program.write(text))
    assert done.code == 2
    assert where in done.err
    assert hint in done.err


def test_a_difference_within_one_program_is_declared_by_naming_it_in_the_config(program: Program) -> None:
    """The device is the one fact that a table of the adapter `command` sets; two arguments name no fact."""
    base, other = (Script(settings=reports({**ALIKE, "device": device})) for device in ("cpu", "cuda"))
    text = config(
        table("base", 'device = "cpu"') + table("other", 'device = "cuda"').replace('other"', 'base"'),
        rounds=ROUNDS,
        gates=SPEED,
    )
    host = program.host(base=base, other=other)
    done = program("run", program.write(text), "--out", "run", host=host)
    assert (done.code, verdicts(program)["speed"]) == (0, "PASS"), done.out
    assert "Delta (device cpu → cuda)" in " ".join((program.folder / "run" / "report.md").read_text().split())


ON_METAL = BOUND + 'when = { device = "metal" }\n'


@pytest.mark.parametrize(
    "reported",
    [
        {"device": "metal (fell back to cpu)"},
        {"device": "metal unavailable"},
        {"device": "host, metal idle"},
        {"device": "metal", "gpu_layers": 10},
        {"device": "metal", "offloaded": "offloaded 10/29 layers to GPU"},
        {"device": "metal", "offloaded_layers": 10.0, "layers": 29},
        {"device": "metal", "offloaded_layers": -1, "n_gpu_layers": 0},
    ],
)
def test_a_device_that_is_not_known_to_be_used_wholly_passes_no_gate_of_its_class(
    program: Program, reported: dict[str, Any]
) -> None:
    assert run(program, Script(settings=reports({**ALIKE, **reported})), gates=ON_METAL).code in (3, 4)
    assert verdicts(program)["bound"] in ("NOT COMPARABLE", "NOT APPLICABLE")


@pytest.mark.parametrize(
    "reported",
    [
        {"sampling": "greedy: off, temperature 0.8"},
        {"sampling": "multinomial"},
        {"sampling": "top-p 0.9, temperature 0.8"},
        {"sampler": "temperature=0.8"},
        {"temp": 0.8},
        {"do_sample": True},
        {"temperature": "0,8"},
        {"temperature": "default"},
    ],
)
def test_sampling_that_is_not_known_to_be_the_test_s_passes_no_gate(program: Program, reported: dict[str, Any]) -> None:
    assert run(program, Script(settings=reports({**ALIKE, **reported})), gates=SPEED + BOUND + STEADY).code == 3
    assert set(verdicts(program).values()) == {"NOT COMPARABLE"}


def flipping(key: str, odd: Any, even: Any) -> Script:
    return Script(settings=lambda head: {**ALIKE, key: odd if head.slot and head.slot.round % 2 else even})


@pytest.mark.parametrize(
    ("fact", "other"),
    [
        ("device", flipping("device", "metal:0", "cpu")),
        ("threads", flipping("threads", 1, 64)),
        ("sampling", flipping("temperature", 0.7, 1.3)),
    ],
)
def test_a_declared_difference_covers_no_change_during_the_run(program: Program, fact: str, other: Script) -> None:
    assert run(program, other, gates=SPEED + BOUND + STEADY, rest=declare(fact)).code == 3
    assert set(verdicts(program).values()) == {"NOT COMPARABLE"}
    assert f"its {fact} changed between trials" in sentence(program)
    assert "no declaration covers a change" in sentence(program, "bound")


@pytest.mark.parametrize("during", [False, True])
def test_a_weights_file_that_changes_is_no_declared_difference_and_no_fault_of_the_baseline(
    program: Program, during: bool
) -> None:
    own = program.folder / "own.gguf"
    own.write_bytes(b"A" * 5000)

    def settings(head: Head) -> dict[str, Any]:
        if during and head.slot and head.slot.round > 2:
            own.write_bytes(bytes([65 + head.slot.round]) * 5000)
        return {**ALIKE, "weights_file": str(own)}

    def before(head: Head, cancel: Any) -> None:
        if not during and head.slot and head.slot.round == 4:
            own.write_bytes(b"B" * 5000)

    host = program.host(base=Script(settings=reports(ALIKE)), other=Script(settings=settings))
    host.before = before
    text = config(table("base") + table("other"), rounds=ROUNDS, gates=SPEED + BOUND, rest=declare("weights"))
    assert program("run", program.write(text), "--out", "run", host=host).code == 3
    assert set(verdicts(program).values()) == {"NOT COMPARABLE"}
    assert sentence(program).startswith("gen_tps: other: ")
    assert not any(t["departures"] for t in program.report()["trials"] if t["runtime"] == "base")


@pytest.mark.parametrize(("args", "code"), [("{model}", 3), ("{scratch}/job.json", 0), ("{prompt}", 0)])
def test_a_prompt_that_is_neither_shown_nor_given_passes_no_bound_that_hangs_on_it(
    program: Program, args: str, code: int
) -> None:
    other = table("other", "prove = false").replace("{model}", args).replace('"]\n', '", "{model}"]\n')
    text = config(table("base") + other, rounds=ROUNDS, gates=BOUND + STEADY + HANGS)
    host = program.host(base=Script(settings=reports(ALIKE)), other=Script(settings=reports(ALIKE), prompt_ids=()))
    assert program("run", program.write(text), "--out", "run", host=host).code == code
    found = verdicts(program)
    assert found["hangs"] == "PASS"
    assert {found["bound"], found["steady"]} == {"PASS" if code == 0 else "NOT COMPARABLE"}


def test_a_prefix_cache_that_is_on_passes_no_bound_of_a_prompt_speed_until_it_is_declared(program: Program) -> None:
    bound = BOUND.replace("gen_tps", "prompt_tps")
    cached = Script(settings=reports({**ALIKE, "prefix_cache": "radix"}))
    assert run(program, cached, gates=bound + SPEED).code == 3
    assert verdicts(program) == {"bound": "NOT COMPARABLE", "speed": "PASS"}
    (program.folder / "run").rename(program.folder / "before")
    assert run(program, cached, gates=bound + SPEED, rest=declare("prefix_cache")).code == 0


@pytest.mark.parametrize(
    "words",
    [
        *({"device": word} for word in ("auto", "unknown", "n/a", "default", "gpu")),
        *({"build_profile": word} for word in ("unknown", "none")),
    ],
)
def test_words_that_say_nothing_are_not_equal_where_the_config_is_strict(
    program: Program, words: dict[str, Any]
) -> None:
    side = Script(settings=reports({**ALIKE, **words}))
    text = "strict_identity = true\n" + config(table("base") + table("other"), rounds=ROUNDS, gates=SPEED)
    assert program("run", program.write(text), "--out", "run", host=program.host(base=side, other=side)).code == 3
    assert "did not report" in sentence(program)
