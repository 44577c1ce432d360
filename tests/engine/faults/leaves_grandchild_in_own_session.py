"""Exits 0; a daemon lives on: another session, no parent left, no pipe held."""

import os
import sys
import time

reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.write(writer, b"%d" % os.getpid())
        os.close(writer)
        time.sleep(600)
    os._exit(0)
os.wait()
os.close(writer)
print("daemon", int(os.read(reader, 32)))
sys.exit(0)
