"""TOML for what a config lacks, to be pasted and changed."""

SNIPPETS = {
    "baseline": 'baseline = "NAME"',
    "models": '[[models]]\nname = "model"\nsource = "model.gguf"',
    "tests": '[[tests]]\nname = "test"\nprompt = "What is 2+2?"\nmax_tokens = 50',
    "runtimes": '[runtimes.NAME]\nadapter = "llama_cpp"',
    "gates": '[[gates]]\nname = "as-fast"\nkind = "ratio"\nmetric = "gen_tps"\nmin_ratio = 0.9',
    "declare": '[[declare]]\nfact = "threads"\nruntimes = ["NAME"]\nreason = "why it is intended"',
    "rounds": "[rounds]\nmax = 20",
    "limits": "[limits]\ntotal_s = 600",
    "conditions": '[conditions]\npage_cache = "warm"',
    "report": '[report]\nmarkdown = "results.md"',
}
"""Top-level key → an example of it."""

PATTERNS = {
    "^[A-Za-z0-9][A-Za-z0-9._-]*$": "use letters, digits, `.`, `_` and `-`, the first a letter or a digit",
    "^[0-9a-f]{64}$": "give the 64 hexadecimal digits of a SHA-256, in lower case",
}
"""Regular expression of a key → the same in words."""
