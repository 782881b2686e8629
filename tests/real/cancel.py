#!/usr/bin/python3
"""Cancel and update in each state, with dispatchers and without."""
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
            for given, kept in ((None, "cancelled"), ("too slow", "too slow"), ("\u00e4" * 200, "\u00e4" * 100), ("x" + "\u00e4" * 200,
                                "x" + "\u00e4" * 99)):
                waiting, = cluster.submit("true")
                done = cluster.zkq("cancel", *(["--reason=" + given] if given else []), waiting)
                self.assertEqual(done.returncode, 0, done.stderr)
                result = cluster.result(waiting)
                self.assertEqual((result["state"], result["reason"]), ("cancelled", kept))
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

    def test_update(self):
        """The order of starts is the changed one; a new time limit ends the task; ids, batches and results are as ever."""
        with Cluster() as cluster:
            ledger = Ledger(cluster.folder)
            first = cluster.dispatcher("d1")
            cluster.worker("w1", 1)
            cluster.ready(1)
            go_on = cluster.folder + "/go-on"
            busy, = cluster.submit("sh", "-c", 'until [ -e "$1" ]; do sleep 0.05; done', "sh", go_on)
            cluster.wait(lambda: cluster.state(busy) == "claimed", 20, "the task is claimed")
            line = ["sh", "-c", 'echo "$1" >> "$2"', "sh"]
            many = cluster.submit_many([{"argv": line + [str(i), ledger.path]} for i in range(4)])
            endless = cluster.submit_many([{"argv": ["sleep", "1000"]}] * 2)
            # What the worker holds ahead of its slot is not waiting any more.
            cluster.wait(lambda: cluster.state(many[3]) == "waiting", 20, "the last one waits")
            done = cluster.zkq("update", "-p", "9", many[3], many[2])
            self.assertEqual((done.returncode, done.stdout.count("changed")), (0, 2), done.stderr)
            done = cluster.zkq("update", "-t", "1s", *endless)
            self.assertEqual(done.returncode, 0, done.stderr)
            done = cluster.zkq("update", "-p", "0", busy)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("a worker has it already", done.stderr)
            shown = cluster.zkq("show", "--json", endless[0]).stdout
            self.assertIn('"time_limit":1', shown)
            # Without a dispatcher the request stands, and the next one fulfils it.
            first.kill()
            cluster.wait(lambda: not cluster.children(stories.ROOT + "/election"), 20, "its session is over")
            done = cluster.zkq("update", "-p", "8", "--timeout=2s", many[1])
            self.assertEqual(done.returncode, 75, done.stderr)
            self.assertIn("takes effect when a dispatcher is back", done.stdout)
            cluster.dispatcher("d2")
            # By then it is done, or still asked for: asking once more waits for either.
            self.assertEqual(cluster.zkq("update", "-p", "8", many[1]).returncode, 0)
            with open(go_on, "w", encoding="ascii"):
                pass
            for one in many:
                self.assertEqual(cluster.result(one)["state"], "done")
            self.assertEqual([words[0] for words in ledger.lines()], ["2", "3", "1", "0"])
            for one in endless:
                self.assertEqual(cluster.result(one)["state"], "timeout")
            self.assertEqual(cluster.zkq("update", "-p", "8", many[1]).returncode, 1)
            cluster.judge([busy, *many, *endless], {"done", "timeout"})

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
