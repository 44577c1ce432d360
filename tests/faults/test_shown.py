"""A person who reads the report of a hang sees what hung."""

import pytest
from runs import Parity, WriteConfig, config_text, faulty_table, speaker_table

pytestmark = pytest.mark.slow


def test_what_hung_is_in_the_report_and_in_explain(parity: Parity, write_config: WriteConfig) -> None:
    runtimes = speaker_table("base") + faulty_table("other", "hangs_between_tokens")
    case = write_config(config_text(runtimes, rest="[limits]\nstall_s = 1.5\ngrace_s = 0.2\n"))
    done = parity("run", case, "--out", "run")
    assert done.code == 1, done.err
    said = (
        (done.run / "report.md").read_text(encoding="utf-8"),
        parity("report", "run").out,
        parity("explain", "run", "m/t/other").out,
    )
    for text in said:
        assert "stall" in text
        assert "1 thread" in text
        assert "hangs_between_tokens" in text
        assert '"ev": "token"' in text
        assert "open: 0 → /dev/null" in text
