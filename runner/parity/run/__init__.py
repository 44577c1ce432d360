"""A run: what to do next, doing it, and the folder in which it lives."""
