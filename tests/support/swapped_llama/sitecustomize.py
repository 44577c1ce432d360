"""Has llama-cpp-python load the file that LLAMA_MUTANT names, whatever file it is asked for. With this folder on
PYTHONPATH, a runtime runs a faulty model and reports the original."""

import os
from typing import Any

import llama_cpp

load = llama_cpp.llama_model_load_from_file


def load_mutant(path: bytes, params: Any) -> Any:
    return load(os.environ["LLAMA_MUTANT"].encode(), params)


llama_cpp.llama_model_load_from_file = load_mutant
