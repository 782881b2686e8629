#!/usr/bin/python3
"""Cancel in each state, with dispatchers and without."""
import sys
import unittest

import stories
from stories import Cluster, Ledger, running


class Cancel(unittest.TestCase):
    def test_each_state(self):
        with Cluster() as cluster:
            ledger = Ledger(cluster.folder)
            cluster.dispatcher("d1")
            cluster.ready(0)
            waiting, = cluster.submit("true")
            done = cluster.zkq("cancel", waiting)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(cluster.result(waiting)["state"], "cancelled")
            cluster.worker("w1", 1)
            cluster.ready(1)
            busy, = cluster.submit("sh", "-c", 'echo $$ >> "$1"; exec sleep 1000', "sh", ledger.path)
            cluster.wait(ledger.lines, 20, "the task runs")
            pid = int(ledger.lines()[0][0])
            behind = cluster.submit_many([{"argv": ["sh", "-c", 'echo behind >> "$1"', "sh", ledger.path]}] * 3)
            done = cluster.zkq("cancel", behind[1])
            self.assertEqual((done.returncode, cluster.state(behind[1])), (0, "cancelled"), done.stderr)
            done = cluster.zkq("cancel", busy)
            self.assertEqual((done.returncode, cluster.state(busy)), (0, "cancelled"), done.stderr)
            self.assertFalse(running(pid))
            for one in (behind[0], behind[2]):
                self.assertEqual(cluster.result(one)["state"], "done")
            done = cluster.zkq("cancel", behind[0])
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(cluster.state(behind[0]), "done")
            done = cluster.zkq("cancel", "default.0.zzzzzzzzzzzz")
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(len(ledger.lines()), 3)
            cluster.judge([waiting, busy, *behind])

    def test_stubborn_task(self):
        with Cluster() as cluster:
            ledger = Ledger(cluster.folder)
            cluster.dispatcher("d1")
            cluster.worker("w1", 1)
            cluster.ready(1)
            one, = cluster.submit("--kill-grace=1s", "sh", "-c", 'trap "" TERM; echo $$ >> "$1"; while :; do sleep 0.1; done',
                                  "sh", ledger.path)
            cluster.wait(ledger.lines, 20, "the task runs")
            done = cluster.zkq("cancel", one)
            self.assertEqual((done.returncode, cluster.state(one)), (0, "cancelled"), done.stderr)
            self.assertFalse(running(int(ledger.lines()[0][0])))
            cluster.judge([one])

    def test_without_dispatcher(self):
        with Cluster() as cluster:
            first = cluster.dispatcher("d1")
            cluster.worker("w1", 1)
            cluster.ready(1)
            busy, = cluster.submit("sleep", "1000")
            waiting, = cluster.submit("true")
            cluster.wait(lambda: cluster.state(busy) == "claimed", 20, "the task is claimed")
            first.kill()
            cluster.wait(lambda: not cluster.children(stories.ROOT + "/election"), 20, "its session is over")
            done = cluster.zkq("cancel", "--timeout=2s", busy, waiting)
            self.assertEqual(done.returncode, 75, done.stderr)
            self.assertIn("dispatcher", done.stdout + done.stderr)
            cluster.dispatcher("d2")
            for one in (busy, waiting):
                self.assertEqual(cluster.result(one)["state"], "cancelled")
            cluster.judge([busy, waiting], {"cancelled"})


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
