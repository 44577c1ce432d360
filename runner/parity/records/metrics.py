"""The ids of all metrics, where every layer can import them. What each one is stands in `parity.reading.dictionary`."""

METRIC_NAMES = (
    "load_s",
    "prompt_tps",
    "gen_tps",
    "ttft_s",
    "total_s",
    "peak_rss_bytes",
    "peak_vram_bytes",
    "load_import_s",
    "load_weights_s",
    "load_tokenizer_s",
    "load_lm_s",
    "load_header_s",
    "gen_late_tps",
    "sampling_share",
    "itl_p50_s",
    "itl_p95_s",
    "wall_s",
    "cpu_s",
    "load_cores",
    "gen_cores",
    "prompt_tokens",
    "generated_tokens",
)
"""In the order in which reports show them."""
