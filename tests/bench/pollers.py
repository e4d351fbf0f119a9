"""Python's lock libraries as a worker: see worker.hpp. pollers.py locket|filelock PATH"""

import sys
import time

TIMEOUT = 60


def make(kind, path):
    if kind == "locket":
        import locket

        return locket.lock_file(path, timeout=TIMEOUT)
    import filelock

    return filelock.FileLock(path, timeout=TIMEOUT)


def main():
    lock = make(*sys.argv[1:3])
    for line in sys.stdin:
        if line.strip() == "acquire":
            lock.acquire()
            print(time.monotonic_ns(), flush=True)
        else:
            began = time.monotonic_ns()
            lock.release()
            print(began, flush=True)


main()
