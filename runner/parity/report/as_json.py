"""`report.json` in pieces: of a large run it is tens of megabytes, and nobody needs all of it at once."""

from collections.abc import Callable, Iterator

from parity.records import Record, Report


def json_pieces(report: Report, hide: Callable[[str], str] = str) -> Iterator[str]:
    """The text of `report.model_dump_json(indent=2)` and a line end, at most one record at a time.

    `hide` takes what may not leave out of a JSON document, and gives a JSON document."""
    before = "{\n"
    for name in type(report).model_fields:
        value = getattr(report, name)
        if isinstance(value, tuple) and value and all(isinstance(each, Record) for each in value):
            yield f'{before}  "{name}": ['
            for k, record in enumerate(value):
                text = hide(record.model_dump_json(indent=2)).rstrip()
                yield f"{',' if k else ''}\n{text}".replace("\n", "\n    ")
            yield "\n  ]"
        else:
            text = hide(report.model_dump_json(indent=2, include={name})).rstrip()
            yield before + text.removeprefix("{\n").removesuffix("\n}")
        before = ",\n"
    yield "\n}\n"
