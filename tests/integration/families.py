"""Services of several processes: a pool of forked workers, and a supervisor that starts again."""

POOL = """
import os, select, signal, sys, time

class Order:
    pass

ORDERS = []

def work(leaks, told):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.write(told, b"x")
    while True:
        if leaks:
            ORDERS.append(Order())
        time.sleep(0.005)

def start(leaks):
    heard, told = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(0)
        work(leaks, told)
    os.read(heard, 1)
    os.close(heard)
    os.close(told)
    return pid

leaky, sound = int(sys.argv[1]), int(sys.argv[2])
workers = [start(True) for _ in range(leaky)] + [start(False) for _ in range(sound)]
print("ready", *workers, flush=True)
for line in sys.stdin:
    if line == "replace\\n":
        gone = workers.pop(0)
        os.kill(gone, signal.SIGTERM)
        os.waitpid(gone, 0)
        workers.append(start(True))
        print("replaced", gone, workers[-1], flush=True)
    elif line == "brief\\n":
        pid = start(False)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        print("gone", pid, flush=True)
    elif line == "die\\n":
        os._exit(7)
"""
"""Arguments: how many workers leak, how many do not. Takes `replace`, `brief` and `die`."""

SERVICE = """
import os, sys, time

class Order:
    pass

ORDERS = []
leaks = sys.argv[1] == "leaks"
print("up", os.getpid(), flush=True)
while True:
    if leaks:
        ORDERS.append(Order())
    time.sleep(0.005)
"""
"""Says `up` and its pid."""

SUPERVISOR = """
import subprocess, sys

child = subprocess.Popen([sys.executable, *sys.argv[2:]])
print("ready", child.pid, flush=True)
for line in sys.stdin:
    child.kill()
    child.wait()
    times = int(sys.argv[1])
    for _ in range(times):
        child = subprocess.Popen([sys.executable, *sys.argv[2:]])
"""
"""At each line it kills its service and starts it again, as often as its first argument says."""
