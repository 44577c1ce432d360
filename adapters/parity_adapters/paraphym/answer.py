"""The answer of Example 1 on standard output: what stands between its heading and that of Example 2."""

from dataclasses import dataclass

from parity.adapter import Transcript

RULE = "=" * 80
HEADING_1 = "📝 Example 1: Simple One-Shot Query\n\n".encode()
HEADING_2 = f"\n{RULE}\n📝 Example 2: Interactive Chat Loop\n".encode()


@dataclass(frozen=True)
class Answer:
    """Where the answer lies in standard output: bytes `start` to `stop`; `ended_ns`: when the next heading came, None
    where it never did and the answer may be cut short."""

    start: int
    stop: int
    ended_ns: int | None


def find_answer(transcript: Transcript, query: str) -> Answer | None:
    """None where Example 1 never began. What the query itself holds is echoed before and never taken for a heading."""
    out = transcript.data("out")
    echo = f"Query: {query}\n".encode()
    echoed = out.find(echo)
    heading = out.find(HEADING_1, echoed + len(echo) if echoed >= 0 else 0)
    if heading < 0:
        return None
    start = heading + len(HEADING_1)
    stop = out.find(HEADING_2, start)
    if stop < 0:
        return Answer(start, len(out), None)
    return Answer(start, stop, transcript.arrival_of("out", stop + len(HEADING_2) - 1))
