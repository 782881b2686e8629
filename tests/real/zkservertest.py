#!/usr/bin/python3
"""Servers start, answer, survive a kill with their data, pause, and leave nothing behind."""
import os
import unittest

import zkserver


class ServersTest(unittest.TestCase):
    def test_one(self):
        with zkserver.Ensemble(1) as ensemble:
            server = ensemble.servers[0]
            self.assertEqual(server.mode(), "standalone")
            self.assertGreater(ensemble.counters()["zk_znode_count"], 0)
            first = server.pid
            ensemble.kill_server(server)
            self.assertIsNone(server.mode())
            ensemble.start()
            self.assertNotEqual(server.pid, first)
            self.assertEqual(server.mode(), "standalone")
        self.assertFalse(server.alive())
        self.assertFalse(os.path.exists(ensemble.folder))

    def test_three(self):
        with zkserver.Ensemble(3) as ensemble:
            leader = ensemble.leader()
            self.assertEqual(sorted(s.mode() for s in ensemble.servers), ["follower", "follower", "leader"])
            ensemble.pause_server(leader)
            zkserver.wait_until(lambda: ensemble.leader() not in (None, leader), 30, "another server leads")
            ensemble.resume_server(leader)
            ensemble.wait_serving(30)
        self.assertFalse(any(s.alive() for s in ensemble.servers))


if __name__ == "__main__":
    zkserver.skip_unless_present()
    unittest.main()
