"""Begins to load and never becomes ready; it is not idle meanwhile."""

import time

print("loading")
while True:
    time.sleep(0.01)
    print("still loading")
