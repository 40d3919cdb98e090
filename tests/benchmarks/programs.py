"""A process with a heap like that of a service that keeps orders, of any size.

Orders are held by number and by their customers, and refer to the order before: where an object
lies says little of where what it refers to lies. There are instances, dicts, lists, texts, ints
and floats; a quarter of them is tracked by gc.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.targets import read_line, spawn, tell

OBJECTS_PER_ORDER = 12.3
DEADLINE = 900.0
"""Seconds that a program may take to make its heap, or to answer: guppy3 takes its time."""

SOURCE = """
import collections, gc, random, sys, time
import objgraph
try:
    import guppy
except ImportError:
    guppy = None
draw = random.Random(1)

class Customer:
    def __init__(self, n):
        self.name = f"customer {n}"
        self.orders = []

class Order:
    def __init__(self, n, customer):
        self.number = 10**6 + n
        self.customer = customer
        self.before = customer.orders[-1] if customer.orders else None
        self.lines = [f"line {n}", n * 3 + 10**6, n / 7, None]
        self.tags = {"channel": f"web {n}", "weight": n * 0.5, "lines": self.lines, "n": n + 10**7}
        customer.orders.append(self)

customers, orders = [], {}

def more(count):
    for n in range(len(orders), len(orders) + count):
        if n % 10 == 0:
            customers.append(Customer(n))
        orders[n * 7 + 10**6] = Order(n, draw.choice(customers))

more(int(sys.argv[1]))
gc.collect()
gc.disable()

def grow(): more(len(orders) // 10)
def tracked(): return len(gc.get_objects())
def counter(): return collections.Counter(map(type, gc.get_objects()))
def growth(): return objgraph.growth(shortnames=False)
def guppy3(): return guppy and guppy.hpy().heap()
def write():
    for order in orders.values():
        order.customer = order.customer

print("ready", flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    answer = globals()[line.strip()]()
    took = time.perf_counter() - began
    print(took if answer is not None or line.strip() in ("grow", "write") else "nan",
          answer if isinstance(answer, int) else 0, flush=True)
"""


class Program:
    """A running one."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def seconds(self, question: str) -> float:
        """Return how long the process itself takes to do this; nan if it cannot."""
        return self._ask(question)[0]

    def tracked(self) -> int:
        """Return how many objects gc tracks."""
        return self._ask("tracked")[1]

    def _ask(self, question: str) -> tuple[float, int]:
        tell(self.process, question)
        took, answer = read_line(self.process, deadline=DEADLINE).split()
        return float(took), int(answer)


@contextmanager
def program(objects: int) -> Iterator[Program]:
    """Run one with about `objects` objects until the context ends."""
    orders = str(int(objects / OBJECTS_PER_ORDER))
    with spawn(sys.executable, ["-c", SOURCE, orders], deadline=DEADLINE) as process:
        yield Program(process)
