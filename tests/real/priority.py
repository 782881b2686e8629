#!/usr/bin/python3
"""Thousands of tasks of 100 ms wait at priority 2; then comes one at 9: it is among the next (slots + 1) starts."""
import sys
import unittest

import stories
from stories import Cluster, Ledger

SLOTS = 2


class Priority(unittest.TestCase):
    def test_high_priority_overtakes(self):
        with Cluster() as cluster:
            ledger = Ledger(cluster.folder)
            cluster.dispatcher("d1")
            cluster.worker("w1", SLOTS)
            cluster.ready(1)

            def task(word, priority):
                return {"argv": ["sh", "-c", 'echo "$ZKQ_ID" %s >> "$1"; exec sleep 0.1' % word, "sh", ledger.path],
                        "priority": priority}
            low = cluster.submit_many([task("low", 2) for _ in range(500 if stories.OPTIONS.quick else 3000)])
            for round_number in range(5):
                goal = len(ledger.lines()) + 30
                cluster.wait(lambda: len(ledger.lines()) >= goal, 60, "%d starts" % goal)
                high, = cluster.submit_many([task("high", 9)])
                started_before = len(ledger.lines())
                cluster.result(high)
                position = [line[0] for line in ledger.lines()].index(high) - started_before
                print("  round %d: start %d after it was accepted" % (round_number + 1, position + 1))
                self.assertLess(position, SLOTS + 1)
            # First in, first out inside a priority: two slots may swap neighbours.
            order = [line[0] for line in ledger.lines() if line[1] == "low"]
            place = {one: i for i, one in enumerate(low)}
            self.assertLessEqual(max(abs(place[one] - i) for i, one in enumerate(order)), 2 * SLOTS)

    def test_order_of_priorities(self):
        with Cluster() as cluster:
            ledger = Ledger(cluster.folder)
            cluster.dispatcher("d1")
            cluster.ready(0)
            wanted = []
            for priority in (0, 5, 9, 3, 7):
                ids = cluster.submit_many([{"argv": ["sh", "-c", 'echo "$ZKQ_ID" >> "$1"', "sh", ledger.path],
                                            "priority": priority} for _ in range(20)])
                wanted.append((priority, ids))
            cluster.worker("w1", 1)
            cluster.wait_ended(100, 60)
            order = [line[0] for line in ledger.lines()]
            self.assertEqual(order, [one for _, ids in sorted(wanted, key=lambda pair: -pair[0]) for one in ids])
            cluster.judge([one for _, ids in wanted for one in ids], {"done"})


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
