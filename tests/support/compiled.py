"""An adapter whose runtime is compiled before its first trial, for tests of builds on a scripted host."""

from typing import ClassVar

from pydantic import Field

from parity.adapter import (
    PROTOCOL_MARKERS,
    Adapter,
    AdapterSettings,
    Availability,
    Build,
    Command,
    InputPath,
    Job,
    Launch,
    Need,
    Transcript,
    Written,
)


class CompiledSettings(AdapterSettings):
    """Settings of `adapter = "compiled"`."""

    library: InputPath | None = Field(default=None, description="a file without which it can't run")


class Compiled(Adapter[CompiledSettings]):
    name: ClassVar[str] = "compiled"
    Settings: ClassVar[type[AdapterSettings]] = CompiledSettings

    @property
    def needs(self) -> tuple[Need, ...]:
        path = self.settings.library
        return (Need(pattern=path, reason=f"{path} is missing", remedy="make library"),) if path else ()

    def probe(self) -> Command:
        return Command(argv=("compiler", "--version"))

    def read_probe(self, transcript: Transcript) -> Availability:
        if transcript.spawn is None:
            return Availability(ready=False, reason="there is no compiler", remedy="install compiler")
        return Availability(ready=True, version=transcript.text("out").strip())

    def build(self) -> Command | None:
        return Command(argv=("compiler", "--release"))

    @property
    def build_writes(self) -> Written:
        return Written(folder="/nowhere", least_bytes=1 << 20, moved_by=("TARGET",))

    def read_build(self, transcript: Transcript) -> Build:
        if transcript.end is not None and transcript.end.exit_code == 0:
            return Build(executables={"compiled": "/nowhere/compiled"})
        return Build(reason="error: expected `;`", remedy="write a semicolon")

    def launch(self, job: Job, build: Build | None) -> Launch:
        assert build is not None, "parity launches what it has built"
        return Launch(argv=(build.executables["compiled"], job.model.path), markers=PROTOCOL_MARKERS)
