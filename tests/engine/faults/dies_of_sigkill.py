"""Is killed in mid-stream, as by a kernel that is out of memory."""

import os
import signal

print("ready")
os.kill(os.getpid(), signal.SIGKILL)
