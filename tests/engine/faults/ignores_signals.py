"""Ignores what it is asked, and says so."""

import signal
import time

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: print("ignored", signal.Signals(number).name))
print("ready")
while True:
    time.sleep(600)
