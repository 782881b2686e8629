#!/usr/bin/python3
"""Servers start, answer, survive a kill with their data, pause, and leave nothing behind; the forwarder cuts, swallows
and drops replies."""
import os
import sys
import unittest

import stories
import zkserver
from proxy import Forwarder
from stories import KazooClient


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


class ForwarderTest(unittest.TestCase):
    def test_forwarder(self):
        with zkserver.Ensemble(1) as ensemble:
            server = ensemble.servers[0]
            with Forwarder((server.address, server.port)) as forwarder:
                client = KazooClient(hosts=forwarder.endpoint, timeout=10)
                client.start(10)
                client.create("/a", b"")
                session = client.client_id[0]
                forwarder.cut()
                zkserver.wait_until(lambda: not client.connected, 5, "cut")
                forwarder.forward()
                zkserver.wait_until(lambda: client.connected, 10, "back")
                self.assertEqual(client.client_id[0], session)
                forwarder.drop_replies_after(0)
                with self.assertRaises(stories.KazooException):
                    client.create("/b", b"")
                zkserver.wait_until(lambda: client.connected, 10, "back again")
                self.assertIsNotNone(client.exists("/b"))   # done, though its reply was lost
                forwarder.swallow()
                before = forwarder.swallowed
                pending = client.create_async("/c", b"")
                zkserver.wait_until(lambda: forwarder.swallowed > before, 5, "swallowed")
                self.assertFalse(pending.ready())
                forwarder.forward()

                def answers():
                    try:
                        return client.connected and client.exists("/a")
                    except stories.KazooException:
                        return False
                zkserver.wait_until(answers, 20, "back for the third time")
                self.assertIsNone(client.exists("/c"))
                client.stop()
                client.close()


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
