"""Runs a real worker on a job that is changed first: a program that does not quite run what it was asked.

`variant.py JOB [--model GGUF] [--prompt TEXT] [--tokens N] [--temperature T] [--threads N] -- PROGRAM ARGUMENT…`. The
program is given the changed job as its last argument. What it prints goes out as it comes; a model that takes the
place of the job's is reported as the setting `weights_file`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path


def main() -> int:
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser()
    parser.add_argument("job", nargs="?", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--prompt")
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--version", action="store_true")
    options = parser.parse_args(sys.argv[1:split])
    if options.version:
        print("variant 1.0")
        return 0
    job = json.loads(options.job.read_text(encoding="utf-8"))
    job["settings"] = {"threads": options.threads}
    if options.model is not None:
        job["model"]["path"] = options.model
    if options.prompt is not None:
        job["test"]["prompt"] = options.prompt
    if options.tokens is not None:
        job["test"]["max_tokens"] = options.tokens
    if options.temperature is not None:
        job["test"]["sampling"]["temperature"] = options.temperature
    changed = options.job.with_name("changed.json")
    changed.write_text(json.dumps(job), encoding="utf-8")
    with subprocess.Popen([*sys.argv[split + 1 :], str(changed)], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            event = json.loads(line)
            if event["ev"] == "settings" and options.model is not None:
                event["values"]["weights_file"] = options.model
            print(json.dumps(event), flush=True)
    return program.returncode


if __name__ == "__main__":
    sys.exit(main())
