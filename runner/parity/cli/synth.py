"""`parity synth`"""

from pathlib import Path
from typing import Annotated

import typer

from parity.cli.common import emit, using_caches


def synth(
    context: typer.Context,
    preset: Annotated[
        str,
        typer.Argument(
            help="qwen3-0.6b, qwen3-1.7b, qwen2.5-0.5b, phi-4, phi-4-mini, gemma3-270m, llama-135m, tiny-llama, "
            "tiny-qwen2, tiny-qwen3, tiny-phi3, tiny-gemma3"
        ),
    ],
    quant: Annotated[
        str, typer.Option("--quant", help="F32, F16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K_M, Q5_K_M or Q6_K")
    ] = "Q8_0",
    seed: Annotated[int, typer.Option("--seed", help="a different seed gives different weights")] = 0,
    install_as: Annotated[
        str | None,
        typer.Option(
            "--install-as",
            metavar="ORG/REPO",
            help="also put the model into the Hugging Face cache, under the name of this repository; reports show "
            "that its weights are synthetic",
        ),
    ] = None,
    hf_home: Annotated[
        Path | None,
        typer.Option(
            "--hf-home", help="the Hugging Face cache for --install-as; by default HF_HOME or ~/.cache/huggingface"
        ),
    ] = None,
) -> None:
    """Make a model with the shape of a real one and synthetic weights, and print its path.

    It is as fast as the real model, and its text is meaningless. A config names it synth://PRESET/QUANT@SEED.
    """
    from parity.cache import user_hf_home
    from parity.run.progress import showing
    from parity_synth import check_install, parse_synthetic
    from parity_synth import install_as as install

    model = parse_synthetic(f"{preset}/{quant}@{seed}")
    home = hf_home or user_hf_home()
    if install_as:
        check_install(model.preset, install_as, home)
    using_caches(context)
    with showing() as progress:
        path = model.fetch(progress.fetched)
        installed = install(path, install_as, home, watch=progress.fetched) if install_as else ()
    for line in (path, *installed):
        emit(str(line))
