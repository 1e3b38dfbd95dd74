"""Runs a command on a terminal of its own: what is typed comes in on stdin, what it shows goes out on stdout."""

import os
import pty
import sys

status = pty.spawn(sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(status) % 256)
