"""The text that `fluent_builder` really sends for a query, to the byte. Pure; needs no checkout.

As built by its Example 1 with an empty memory: commits since 253f200.
"""

SYSTEM = "You are a helpful AI assistant. Think step-by-step and be concise."
PERSONALITY = "Personality: assistant (creativity: 0.5, formality: 0.7, empathy: 0.6)"
FRAME = f"{SYSTEM}\n\n{PERSONALITY}\n\nUser: "


def compose(query: str) -> str:
    """The user turn in which the program puts a query. Its UTF-8 length is the `prompt_len` that the program prints.

    A text that is composed already is left as it is: every runtime of a test may be given the same one."""
    return query if query.startswith(FRAME) else FRAME + query


def query_of(prompt: str) -> str:
    """What to ask the program for, so that it sends `compose(prompt)`."""
    return prompt.removeprefix(FRAME)


def chat(turn: str) -> str:
    """A user turn as Qwen3 gets it, special tokens and all."""
    return f"<|im_start|>user\n{turn}<|im_end|>\n<|im_start|>assistant\n"
