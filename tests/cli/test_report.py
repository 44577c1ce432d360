"""`parity report`: into which file, in which format, for whom."""

import csv
import io
import json
import webbrowser
from pathlib import Path

import pytest
from scripted_host import Program, config, table

from parity.records import Report
from parity.report import FORMATS

TWO = config(table("base") + table("other"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was asked for."""
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)
    return asked


@pytest.fixture
def ran(program: Program) -> Program:
    assert program("run", program.write(TWO), "--out", "run").code == 0
    return program


def test_every_run_writes_the_page_for_its_owner_alone(ran: Program) -> None:
    page = ran.folder / "run" / "report.html"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert page.stat().st_mode & 0o077 == 0


def test_a_fault_of_the_page_costs_no_verdict(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(report: Report) -> str:
        raise TypeError("a plot of nothing")

    monkeypatch.setitem(FORMATS, "html", fail)
    done = program("run", program.write(TWO), "--out", "run")
    assert done.code == 0
    assert "report.html was not written, by a fault of parity's (TypeError: a plot of nothing)" in done.err
    assert (program.folder / "run" / "report.md").exists()
    assert not (program.folder / "run" / "report.html").exists()


def test_the_page_is_the_same_when_it_is_made_again(ran: Program) -> None:
    before = (ran.folder / "run" / "report.html").read_bytes()
    assert ran("report", "run", "--out", "again.html").code == 0
    assert (ran.folder / "again.html").read_bytes() == before
    assert ran("score", "run").code == 0
    assert (ran.folder / "run" / "report.html").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        (("--out", "r.html"), "<!doctype html>"),
        (("--out", "r.HTM"), "<!doctype html>"),
        (("--out", "r.md"), "# case"),
        (("--out", "r.json"), "{"),
        (("--out", "r.txt"), "case: parity with base"),
        (("--out", "new/folder/r.html", "--format", "markdown"), "# case"),
    ],
)
def test_a_file_gets_the_format_of_its_name_or_the_one_that_is_named(
    ran: Program, arguments: tuple[str, ...], beginning: str
) -> None:
    done = ran("report", "run", *arguments)
    assert (done.code, done.out) == (0, "")
    assert f"report: {arguments[1]}" in done.err
    assert (ran.folder / arguments[1]).read_text(encoding="utf-8").lstrip().startswith(beginning)


def test_the_page_is_opened_from_the_run_folder_or_from_the_file(ran: Program, opened: list[str]) -> None:
    (ran.folder / "run" / "report.html").unlink()
    assert ran("report", "run", "--open").code == 0
    assert (ran.folder / "run" / "report.html").exists()
    assert ran("report", "run", "--open", "--out", "mine.html").code == 0
    assert opened == [(ran.folder / name).resolve().as_uri() for name in ("run/report.html", "mine.html")]


def test_where_no_browser_can_be_started_the_file_is_named(ran: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    done = ran("report", "run", "--open")
    assert done.code == 0
    assert f"open {(ran.folder / 'run' / 'report.html').resolve()} in one" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--open", "--format", "json"), "leave out --format json"),
        (("--open", "--share"), "--out FILE"),
        (("--json", "--csv"), "give one of --format, --json and --csv"),
        (("--get", "gen_tps", "--json"), "goes with no other option"),
        (("--format", "pdf"), "table, markdown, page, html, json"),
    ],
)
def test_what_makes_no_sense_is_refused(ran: Program, arguments: tuple[str, ...], message: str) -> None:
    done = ran("report", "run", *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())


def test_a_shared_page_names_neither_folders_nor_people(ran: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "carol")
    home = str(Path.home())
    for arguments in (("--out", "shared.html"), ("--out", "shared.json"), ("--out", "shared.txt")):
        assert ran("report", "run", "--share", *arguments).code == 0
        text = (ran.folder / arguments[1]).read_text(encoding="utf-8")
        assert f"{home}/" not in text
        assert "scripted," not in text.partition("host")[2][:12]
        assert "[host]" in text
    assert home in (ran.folder / "run" / "report.html").read_text(encoding="utf-8")


def test_a_file_that_can_not_be_written_is_named(ran: Program) -> None:
    done = ran("report", "run", "--out", "run")
    assert done.code == 74
    assert "run: Is a directory" in done.err


def test_one_number_is_printed_for_a_script(ran: Program) -> None:
    [summary] = [
        s for s in ran.report()["summaries"] if (s["runtime"], s["metric"]) == ("other", "gen_tps") and s["centre"]
    ][:1]
    [compared] = [c for c in ran.report()["comparisons"] if c["metric"] == "gen_tps"][:1]
    assert ran("report", "run", "--get", "gen_tps@other").out == f"{summary['centre']!r}\n"
    assert ran("report", "run", "--get", "gen_tps@m/t/other").out == f"{summary['centre']!r}\n"
    assert ran("report", "run", "--get", "gen_tps.ratio").out == f"{compared['ratio']!r}\n"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("gen_tps", "2 cells have gen_tps; name one of them:\n    gen_tps@m/t/base\n    gen_tps@m/t/other\n"),
        ("gen_tps@t", "'t' is a part of 2 cells"),
        ("gen_tps@nobody", "there is no cell 'nobody'"),
        ("speed@other", "'speed@other' is no figure"),
        ("gen_tps.median@other", "'gen_tps.median@other' is no figure"),
        ("gen_tps.ratio@base", "there is no cell 'base'"),
        ("peak_vram_bytes@other", "peak_vram_bytes of m/t/other was not measured: "),
    ],
)
def test_a_number_that_is_not_there_or_not_the_only_one_is_told(ran: Program, asked: str, message: str) -> None:
    done = ran("report", "run", "--get", asked)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_csv_has_a_line_for_each_figure(ran: Program) -> None:
    done = ran("report", "run", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert ran("report", "run", "--out", "r.csv").code == 0
    assert (ran.folder / "r.csv").read_text(encoding="utf-8") == done.out
    found = ran.report()["summaries"]
    assert {(r["runtime"], r["metric"], r["definition"]) for r in rows} == {
        (s["runtime"], s["metric"], s["definition"]) for s in found
    }
    centres = {(s["runtime"], s["metric"], s["definition"]): s["centre"] for s in found}
    for row in rows:
        centre = centres[row["runtime"], row["metric"], row["definition"]]
        assert row["value"] == ("" if centre is None else repr(centre))
        assert bool(row["value"]) or bool(row["reason"])
        assert row["runtime"] == "other" or not row["ratio"]
    assert any(row["ratio"] for row in rows)


def test_json_is_the_report(ran: Program) -> None:
    assert json.loads(ran("report", "run", "--json").out) == ran.report()
