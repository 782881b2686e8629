#!/usr/bin/python3
"""Daemons that leave in good order, and daemons that come back: drain on SIGTERM; no waiting for a predecessor."""
import os
import signal
import sys
import time
import unittest

import stories
from stories import Cluster, Ledger, running


def noting(ledger, then):
    """A task that writes its id, attempt and pid when it starts."""
    return {"argv": ["sh", "-c", 'echo "$ZKQ_ID" "$ZKQ_ATTEMPT" $$ >> "$1"; ' + then, "sh", ledger.path]}


class Drain(unittest.TestCase):
    def test_drain(self):
        with Cluster() as cluster:
            ledger = Ledger(cluster.folder)
            cluster.dispatcher("d1")
            leaving = cluster.worker("w1", 2)
            cluster.ready(1)
            ids = cluster.submit_many([noting(ledger, "exec sleep 0.5") for _ in range(12)])
            cluster.wait(lambda: len(ledger.lines()) >= 3, 30, "three tasks have started")
            self.assertEqual(leaving.terminate(), 0)
            started = [line[0] for line in ledger.lines()]
            self.assertLess(len(started), len(ids))
            self.assertEqual(cluster.claims(), [])
            for one in started:
                self.assertEqual(cluster.state(one), "done")
            for one in set(ids) - set(started):
                self.assertEqual(cluster.state(one), "waiting")
            cluster.worker("w2", 2)
            cluster.wait_ended(len(ids), 60)
            # Nothing was interrupted, so everything started once.
            self.assertEqual(sorted(line[0] for line in ledger.lines()), sorted(ids))
            self.assertEqual({line[1] for line in ledger.lines()}, {"1"})
            cluster.judge(ids, {"done"})

    def test_drain_deadline(self):
        with Cluster() as cluster:
            ledger = Ledger(cluster.folder)
            cluster.dispatcher("d1")
            leaving = cluster.worker("w1", 1, extra=["--drain-deadline=1s"])
            cluster.ready(1)
            one, = cluster.submit_many([noting(ledger, '[ -e "$1.go" ] || exec sleep 1000')])
            cluster.wait(ledger.lines, 20, "the task runs")
            self.assertEqual(leaving.terminate(), 0)
            self.assertFalse(running(int(ledger.lines()[0][2])))
            self.assertEqual(cluster.state(one), "waiting")
            with open(ledger.path + ".go", "w", encoding="ascii"):
                pass
            cluster.worker("w2", 1)
            self.assertEqual(cluster.result(one)["state"], "done")
            cluster.judge([one], {"done"})

    def test_dispatcher_gives_up_leadership(self):
        with Cluster(session_s=20) as cluster:
            first = cluster.dispatcher("d1")
            cluster.worker("w1", 1)
            cluster.ready(1)
            second = cluster.dispatcher("d2")
            cluster.wait(lambda: len(cluster.children(stories.ROOT + "/election")) == 2, 20, "two candidates")
            began = time.monotonic()
            self.assertEqual(first.terminate(), 0)
            cluster.wait(lambda: cluster.leader() is second, 10, "the other leads")
            self.assertLess(time.monotonic() - began, 5)
            cluster.submit("-w", "true")


class Predecessor(unittest.TestCase):
    """With a session time-out and a lost_after that nobody could wait for."""

    def test_worker(self):
        with Cluster(session_s=20, lost_after_s=40) as cluster:
            ledger = Ledger(cluster.folder)
            cluster.dispatcher("d1")
            first = cluster.worker("w1", 2)
            cluster.ready(1)
            ids = cluster.submit_many([noting(ledger, '[ -e "$1.go" ] || exec sleep 1000') for _ in range(8)])
            cluster.wait(lambda: len(ledger.lines()) >= 2, 20, "both slots are busy")
            coordinator = cluster.coordinator_pid("w1")
            first.kill()
            try:
                os.kill(coordinator, signal.SIGKILL)
            except ProcessLookupError:
                pass
            with open(ledger.path + ".go", "w", encoding="ascii"):
                pass
            began = time.monotonic()
            cluster.worker("w1", 2)
            cluster.wait_ended(len(ids), 15)
            print("  all tasks ended %.1f s after the restart" % (time.monotonic() - began))
            for line in ledger.lines()[:2]:
                self.assertFalse(running(int(line[2])))
            cluster.judge(ids, {"done"})

    def test_dispatcher(self):
        with Cluster(session_s=20, lost_after_s=40) as cluster:
            first = cluster.dispatcher("d1")
            cluster.worker("w1", 2)
            cluster.ready(1)
            cluster.submit("-w", "true")
            first.kill()
            began = time.monotonic()
            cluster.dispatcher("d1")
            one, = cluster.submit("true")
            cluster.result(one, 12)
            print("  a task ended %.1f s after the restart" % (time.monotonic() - began))
            cluster.judge([one], {"done"})


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
