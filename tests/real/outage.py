#!/usr/bin/python3
"""The whole ensemble is stopped for a minute (--quick: a few seconds) and started again: everything resumes by itself."""
import sys
import time
import unittest

import stories
from stories import Cluster


class Outage(unittest.TestCase):
    def outage(self, servers, seconds):
        with Cluster(servers) as cluster:
            daemons = [cluster.dispatcher("d1"), cluster.dispatcher("d2"), cluster.worker("w1"), cluster.worker("w2")]
            cluster.ready(2)
            ids = cluster.submit_many([{"argv": ["sleep", "0.05"]} for _ in range(400)])
            cluster.wait(lambda: cluster.ended() >= 50, 30, "50 tasks have ended")
            self.assertTrue(cluster.live())
            cluster.ensemble.halt()
            back = time.monotonic() + seconds

            def over():
                self.assertEqual([daemon.name for daemon in daemons if not daemon.alive()], [])
                return time.monotonic() >= back
            stories.wait_until(over, seconds + 10, "the outage is over")
            cluster.ensemble.start()
            again = stories.wall_ms()
            more = cluster.submit_many([{"noop": True}] * 20)
            cluster.wait_ended(420, 120)
            self.assertEqual([daemon.name for daemon in daemons if not daemon.alive()], [])
            found = cluster.judge(ids + more, {"done"})
            first = min(task.ended_ms for task in found.ended() if task.ended_ms >= again)
            print("  results again %.1f s after the ensemble served again" % ((first - again) / 1000))
            self.assertLess(first - again, 1000 * 15)

    def test_one_server_short(self):
        self.outage(1, 6)

    @stories.needs_quick_skip
    def test_three_servers_a_minute(self):
        self.outage(3, 60)


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
