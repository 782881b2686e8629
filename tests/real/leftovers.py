#!/usr/bin/python3
"""What outlives a task's end is found and killed, whoever of coordinator and runner is killed first."""
import os
import signal
import sys
import unittest

import stories
from stories import Cluster, Ledger, running


def family(ledger, then):
    """A task with a daemonised grandchild: its own session, no parent left. Both write their pids."""
    return {"argv": ["sh", "-c",
                     'setsid -f sh -c \'echo grandchild $$ "$ZKQ_ATTEMPT" >> "$1"; exec sleep 1000\' sh "$1" </dev/null '
                     '>/dev/null 2>&1; until grep -q "grandchild .* $ZKQ_ATTEMPT" "$1"; do sleep 0.01; done; '
                     'echo task $$ "$ZKQ_ATTEMPT" >> "$1"; ' + then, "sh", ledger.path]}


class LeftOvers(unittest.TestCase):
    def begin(self, cluster, then='[ -e "$1.go" ] || exec sleep 1000'):
        ledger = Ledger(cluster.folder)
        cluster.dispatcher("d1")
        worker = cluster.worker("w1", 1)
        cluster.ready(1)
        one, = cluster.submit_many([family(ledger, then)])
        cluster.wait(lambda: len(ledger.lines()) >= 2, 20, "task and grandchild run")
        return ledger, worker, one

    def pids(self, ledger, attempt="1"):
        pids = [int(line[1]) for line in ledger.lines() if line[2] == attempt]
        self.assertEqual(len(pids), 2)
        return pids

    def gone(self, cluster, pids, seconds=15):
        cluster.wait(lambda: not any(running(pid) for pid in pids), seconds, "left-overs are gone: %s" % pids)

    def go(self, ledger):
        with open(ledger.path + ".go", "w", encoding="ascii"):
            pass

    def test_end(self):
        with Cluster() as cluster:
            ledger, _, one = self.begin(cluster, "exit 4")
            result = cluster.result(one)
            self.assertEqual((result["state"], result["exit"]), ("failed", 4))
            # The result is written when nothing is left.
            self.assertEqual([pid for pid in self.pids(ledger) if running(pid)], [])

    def test_cancel(self):
        with Cluster() as cluster:
            ledger, _, one = self.begin(cluster)
            cluster.zkq("cancel", one)
            self.assertEqual(cluster.result(one)["state"], "cancelled")
            self.assertEqual([pid for pid in self.pids(ledger) if running(pid)], [])

    def test_coordinator_killed(self):
        with Cluster() as cluster:
            ledger, worker, one = self.begin(cluster, 'while [ ! -e "$1.go" ]; do sleep 0.05; done')
            first = cluster.coordinator_pid("w1")
            self.assertNotEqual(first, worker.pid)
            os.kill(first, signal.SIGKILL)
            cluster.wait(lambda: cluster.coordinator_pid("w1") not in (None, first), 20, "another coordinator")
            # No task notices: it ends as the first attempt.
            self.assertTrue(all(running(pid) for pid in self.pids(ledger)))
            self.go(ledger)
            result = cluster.result(one)
            self.assertEqual((result["state"], result["attempt"]), ("done", 1))
            self.assertEqual([pid for pid in self.pids(ledger) if running(pid)], [])
            cluster.judge([one], {"done"})

    def test_runner_killed(self):
        with Cluster() as cluster:
            ledger, worker, one = self.begin(cluster)
            worker.kill()
            self.gone(cluster, self.pids(ledger))
            self.go(ledger)
            cluster.worker("w1", 1)
            self.assertEqual(cluster.result(one)["state"], "done")
            cluster.judge([one], {"done"})

    def test_both_killed(self):
        with Cluster() as cluster:
            ledger, worker, one = self.begin(cluster)
            coordinator = cluster.coordinator_pid("w1")
            os.kill(coordinator, signal.SIGSTOP)
            worker.kill()
            os.kill(coordinator, signal.SIGKILL)
            self.go(ledger)
            cluster.worker("w1", 1)
            # The next life kills what is left before it gives anything back.
            cluster.wait(lambda: len(ledger.lines()) >= 3, 30, "the second attempt")
            self.assertEqual([pid for pid in self.pids(ledger)[:2] if running(pid)], [])
            self.assertEqual(cluster.result(one)["state"], "done")
            cluster.judge([one], {"done"})


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
