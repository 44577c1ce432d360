"""A model that can't be in the memory of the machine: it is told before the first trial and in the report."""

from dataclasses import dataclass

from scripted_host import Program, ScriptedHost, config, table

from parity.records import Scalar

CASE = config(table("base") + table("other"), rounds=1)


@dataclass
class SmallHost(ScriptedHost):
    """A machine with so many bytes of memory."""

    memory_bytes: int = 1000
    limit_bytes: int | None = None

    def machine(self) -> dict[str, Scalar]:
        usable = self.memory_bytes if self.limit_bytes is None else self.limit_bytes
        return {**super().machine(), "memory_bytes": self.memory_bytes, "usable_memory_bytes": usable}


def small_host(program: Program, memory_bytes: int, limit_bytes: int | None = None) -> SmallHost:
    plain = program.host()
    return SmallHost(plain.scripts, plain.cache, memory_bytes=memory_bytes, limit_bytes=limit_bytes)


def test_a_model_larger_than_the_memory_is_told_at_once_and_run_all_the_same(program: Program) -> None:
    host = small_host(program, 1000)
    done = program("run", program.write(CASE), "--out", "run", host=host)
    assert len(host.trials) == 4
    said = "and this machine has 1,000 bytes of memory: unless a GPU holds them"
    assert said in done.err[: done.err.index("round 1")]
    [warning] = [warning for warning in program.report()["warnings"] if said in warning]
    size = program.report()["models"][0]["size_bytes"]
    assert warning.startswith("m: its weights have ")
    assert f"({size:,} bytes), and" in warning


def test_a_model_larger_than_the_limit_of_a_container_is_told(program: Program) -> None:
    done = program("run", program.write(CASE), "--out", "run", host=small_host(program, 1 << 40, 1000))
    said = "and the container that parity runs in has 1,000 bytes of memory: unless a GPU holds them"
    assert said in done.err[: done.err.index("round 1")]
    assert [warning for warning in program.report()["warnings"] if said in warning]


def test_a_model_that_just_fits_is_not_mentioned(program: Program) -> None:
    program("run", program.write(CASE), "--out", "first")
    size = program.report("first")["models"][0]["size_bytes"]
    done = program("run", "case.toml", "--out", "run", host=small_host(program, size))
    assert "of memory" not in done.err
    assert program.report()["warnings"] == program.report("first")["warnings"]
