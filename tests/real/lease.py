#!/usr/bin/python3
"""Two copies of an exclusive task never run at once: a worker that is cut off kills its task before another starts it.
What ran when is told by the tasks themselves: each beat is a line with the fence and the boot-time clock."""
import os
import signal
import sys
import unittest

import stories
from proxy import Forwarder
from stories import Cluster, Ledger

BEAT = ('while :; do read up rest < /proc/uptime; echo "$ZKQ_FENCE" "$ZKQ_WORKER" "$up" >> "$1"; '
        '[ -e "$1.go" ] && exit 0; sleep 0.02; done')


class Lease(unittest.TestCase):
    def two_workers(self, cluster, proxy):
        """A beating task runs on the worker behind the proxy; another worker waits."""
        ledger = Ledger(cluster.folder)
        cluster.dispatcher("d1")
        cut = cluster.worker("cut", 1, hosts=proxy.endpoint)
        cluster.ready(1)
        one, = cluster.submit_many([{"argv": ["sh", "-c", BEAT, "sh", ledger.path]}])
        cluster.wait(lambda: len(ledger.lines()) > 5, 20, "the task beats")
        cluster.worker("other", 1)
        cluster.ready(2)
        return ledger, cut, one

    def taken_over(self, cluster, ledger, one):
        """Waits until the other worker runs it; the copies must not overlap. Gives the seconds between them."""
        cluster.wait(lambda: ledger.lines()[-1][1] == "other", cluster.session_s + cluster.lost_after_s + 15,
                     "the other worker starts it")
        self.end(cluster, ledger, one)
        lines = ledger.lines()
        fences = sorted({line[0] for line in lines})
        self.assertEqual(len(fences), 2)
        ends = max(float(line[2]) for line in lines if line[0] == fences[0])
        starts = min(float(line[2]) for line in lines if line[0] == fences[1])
        print("  last beat of the first copy %.2f s before the first beat of the second" % (starts - ends))
        self.assertEqual({line[1] for line in lines if line[0] == fences[1]}, {"other"})
        self.assertLess(ends, starts)
        return starts - ends

    def end(self, cluster, ledger, one):
        with open(ledger.path + ".go", "w", encoding="ascii"):
            pass
        self.assertEqual(cluster.result(one)["state"], "done")

    def proxied(self, cluster):
        return Forwarder((cluster.ensemble.servers[0].address, cluster.ensemble.servers[0].port))

    def test_swallowed(self):
        with Cluster() as cluster, self.proxied(cluster) as proxy:
            ledger, _, one = self.two_workers(cluster, proxy)
            proxy.swallow()
            self.taken_over(cluster, ledger, one)
            proxy.forward()
            cluster.wait(lambda: len(cluster.children(stories.ROOT + "/workers")) == 2, 30, "it comes back")
            cluster.judge([one], {"done"})

    def test_cut(self):
        with Cluster() as cluster, self.proxied(cluster) as proxy:
            ledger, _, one = self.two_workers(cluster, proxy)
            proxy.cut()
            self.taken_over(cluster, ledger, one)
            proxy.forward()
            cluster.wait(lambda: len(cluster.children(stories.ROOT + "/workers")) == 2, 30, "it comes back")
            cluster.judge([one], {"done"})

    def test_coordinator_stopped(self):
        with Cluster() as cluster, self.proxied(cluster) as proxy:
            ledger, _, one = self.two_workers(cluster, proxy)
            pid = cluster.coordinator_pid("cut")
            os.kill(pid, signal.SIGSTOP)
            try:
                self.taken_over(cluster, ledger, one)
            finally:
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass
            cluster.judge([one], {"done"})

    def test_short_cut_costs_nothing(self):
        with Cluster(lost_after_s=6) as cluster, self.proxied(cluster) as proxy:
            ledger, _, one = self.two_workers(cluster, proxy)
            proxy.cut()
            beats = len(ledger.lines())
            cluster.wait(lambda: len(ledger.lines()) >= beats + 20, 20, "it beats on")
            proxy.forward()
            beats = len(ledger.lines())
            cluster.wait(lambda: len(ledger.lines()) >= beats + 200, 60, "it still beats after the lease of before")
            self.end(cluster, ledger, one)
            self.assertEqual(len({line[0] for line in ledger.lines()}), 1)
            cluster.judge([one], {"done"})


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
