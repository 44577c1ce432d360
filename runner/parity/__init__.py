"""parity: the engine that measures LLM runtimes the same way and judges them against a baseline."""
