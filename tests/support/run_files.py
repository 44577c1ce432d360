"""The transcripts of a run folder as they were written, whether they are packed or not."""

import gzip
from pathlib import Path


def transcripts(run: Path) -> dict[str, bytes]:
    """Name before packing → content, in the order in which the trials ran."""
    files = [path for path in sorted((run / "trials").iterdir()) if not path.name.startswith(".")]
    return {path.name.removesuffix(".gz"): _content(path) for path in files}


def unpacked(run: Path) -> list[Path]:
    """Puts every transcript back as it was before packing, for tests that change some."""
    found = []
    for path in sorted((run / "trials").iterdir()):
        plain = path.with_name(path.name.removesuffix(".gz"))
        content = _content(path)
        path.unlink()
        plain.write_bytes(content)
        found.append(plain)
    return found


def _content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
