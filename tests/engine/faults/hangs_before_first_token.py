"""Becomes ready, and then nothing."""

import time

print("ready")
time.sleep(600)
