#!/usr/bin/python3
"""The output of tasks from afar: followed while their worker is killed, and with the times of its lines."""
import datetime
import os
import re
import signal
import subprocess
import sys
import time
import unittest

import stories
from stories import Cluster

# Runs until its worker is killed; started again it ends.
TWICE = "echo attempt $ZKQ_ATTEMPT; test $ZKQ_ATTEMPT = 2 || exec sleep 600; echo again >&2; echo end; exit 7"


class Follower:
    """A command whose output is read as it comes."""

    def __init__(self, cluster, *arguments):
        self.cluster = cluster
        self.path = "%s/follower-%d" % (cluster.folder, time.monotonic_ns())
        with open(self.path + ".out", "wb") as out, open(self.path + ".err", "wb") as err:
            self.process = subprocess.Popen(cluster.program("zkq") + list(arguments), stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err, env=cluster.environment, cwd=cluster.folder)

    def text(self, stream="out"):
        with open("%s.%s" % (self.path, stream), encoding="utf-8") as file:
            return file.read()

    def wait_text(self, text, seconds=30):
        self.cluster.wait(lambda: text in self.text(), seconds, "%r in what is followed" % text)

    def end(self, seconds=60):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Logs(unittest.TestCase):
    def test_follow_to_another_worker(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            first = cluster.worker("w1", slots=4)
            cluster.ready()
            submitted = cluster.submit("--", "sh", "-c", TWICE)[0]
            followers = {
                "run": Follower(cluster, "run", "--", "sh", "-c", TWICE),
                "submit -f": Follower(cluster, "submit", "-f", "--", "sh", "-c", TWICE),
                "logs -f": Follower(cluster, "logs", "-f", submitted),
                "logs -f --timestamps": Follower(cluster, "logs", "-f", "--timestamps", submitted),
            }
            one = Follower(cluster, "logs", "-f", "--attempt=1", submitted)
            for follower in [*followers.values(), one]:
                follower.wait_text("attempt 1\n")
            coordinator = cluster.coordinator_pid("w1")
            first.kill()
            os.kill(coordinator, signal.SIGKILL)
            cluster.worker("w2", slots=4)
            for name, follower in followers.items():
                code = follower.end()
                out, err = follower.text(), follower.text("err")
                self.assertEqual(code, 0 if name.startswith("logs") else 7, "%s: %s%s" % (name, out, err))
                plain = re.sub(r"(?m)^[0-9T:.-]{23}Z ", "", out)
                self.assertEqual("timestamps" in name, plain != out)
                if name.startswith("submit"):
                    plain = plain.partition("\n")[2]    # the id
                self.assertEqual(plain, "attempt 1\nattempt 2\nend\n", name)
                self.assertRegex(err, "started again, attempt 2", name)
                self.assertRegex(err, "(?m)again$", name)
                self.assertEqual(cluster.result(submitted)["worker"], "w2")
            # That attempt has ended, whatever became of the task.
            self.assertEqual((one.end(), one.text()), (0, "attempt 1\n"))
            self.assertIn("could not be fetched", one.text("err"))

    def test_times(self):
        with Cluster() as cluster:
            cluster.dispatcher("d1")
            worker = cluster.worker("w1")
            cluster.ready()
            begin = time.time()
            task = cluster.submit("-w", "--", "sh", "-c", "echo one; sleep 0.3; printf tw; sleep 0.3; echo o; echo err >&2")[0]
            shown = {}
            for stream in ("--stdout", "--stderr"):
                done = cluster.zkq("logs", "--timestamps", stream, task)
                self.assertEqual((done.returncode, done.stderr if stream == "--stdout" else done.stdout), (0, ""))
                for line in (done.stdout + done.stderr).splitlines():
                    stamp, _, text = line.partition(" ")
                    shown[text] = datetime.datetime.strptime(stamp + "+0000", "%Y-%m-%dT%H:%M:%S.%fZ%z").timestamp()
            self.assertEqual(list(shown), ["one", "two", "err"])
            times = list(shown.values())
            self.assertGreater(times[0], begin - 0.02)
            self.assertLess(times[2], time.time() + 0.02)
            self.assertGreaterEqual(times[1] - times[0], 0.28)
            self.assertGreaterEqual(times[2] - times[1], 0.28)
            self.assertEqual(cluster.zkq("logs", "--stdout", task).stdout, "one\ntwo\n")
            # An attempt that is followed, which ends as any; one that has not been.
            running = Follower(cluster, "logs", "-f", "--attempt=1", "-n", "1", "--timestamps", cluster.submit(
                "--", "sh", "-c", "echo one; echo two; sleep 1; echo three")[0])
            self.assertEqual((running.end(), running.text("err")), (0, ""))
            self.assertRegex(running.text(), r"^([0-9T:.-]{23}Z one\n)?([0-9T:.-]{23}Z two\n)?[0-9T:.-]{23}Z three\n$")
            done = cluster.zkq("logs", "-f", "--attempt=2", task)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            # Without its worker the end that is stored is shown, which has no times.
            worker.terminate()
            done = cluster.zkq("logs", "--timestamps", task)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted(done.stdout.splitlines()), ["err", "one", "two"])
            self.assertIn("without times", done.stderr)


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
