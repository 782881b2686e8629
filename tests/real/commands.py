#!/usr/bin/python3
"""Commands on a real cluster, which is one of zkq dev, and zkq dev itself: what it leaves behind is nothing."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import stories
from stories import running
from zkserver import wait_until

TASKS = 600


class Dev:
    """zkq dev in the background, with a folder of its own for its temporary files."""

    def __init__(self, *arguments):
        self.folder = tempfile.mkdtemp(prefix="zkq-story-")
        self.pids_file = self.folder + "/pids"
        build = os.path.abspath(stories.OPTIONS.build)
        self.environment = dict(os.environ, PATH="%s:%s" % (build, os.environ["PATH"]), TMPDIR=self.folder, TZ="UTC",
                                ASAN_OPTIONS="detect_leaks=0")
        for name in ("ZKQ_ZK", "ZKQ_ROOT", "ZKQ_AUTH"):
            self.environment.pop(name, None)
        self.arguments = ["zkq", "dev", "--pids", self.pids_file, *arguments]
        self.process = None
        self.pids = {}

    def __enter__(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=self.environment, start_new_session=True)
        text = ""
        for line in self.process.stdout:
            text += line
            if line.startswith("Logs:"):
                break
        found = re.search(r"export (.*) PATH=", text)
        if not found:
            raise AssertionError("zkq dev does not start: " + text)
        self.environment.update(word.split("=", 1) for word in found[1].split())
        with open(self.pids_file, encoding="ascii") as file:
            self.pids = {name: int(pid) for name, pid in (line.split() for line in file)}
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *arguments, code=0, **more):
        done = subprocess.run(["zkq", *arguments], capture_output=True, text=True, env=self.environment, timeout=90, check=False,
                              **more)
        if done.returncode != code:
            raise AssertionError("zkq %s: exit %d instead of %d\n%s\n%s" % (
                " ".join(arguments), done.returncode, code, done.stdout, done.stderr))
        return done

    def rest(self):
        """Folders that are left."""
        return [name for name in os.listdir(self.folder) if name.startswith("zkq-dev-")]

    def kill(self, name):
        os.kill(self.pids[name], signal.SIGKILL)


class Commands(unittest.TestCase):
    def test_exit_codes_and_output(self):
        with Dev() as dev:
            done = dev.run("run", "--", "sh", "-c", "echo out; echo err >&2; exit 3", code=3)
            self.assertEqual(done.stdout, "out\n")
            self.assertRegex(done.stderr, r"^zkq-run: default\.\d+\.[a-z0-9]{12}\nerr\n$")
            done = dev.run("status", "-a", "-n", "1", "-q", "--utc", "--no-header", "-o", "state,submitted")
            self.assertRegex(done.stdout, r"^FAILED +20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ\n$")
            self.assertRegex(dev.run("show", "last").stdout, r"\nSubmitted +20\d\d-")
            done = dev.run("submit", "-w", "--", "sh", "-c", "kill -9 $$", code=137)
            self.assertRegex(done.stdout, r"^default\.\d+\.[a-z0-9]{12}\n$")
            dev.run("run", "--", "/nonexistent/program", code=127)
            dev.run("run", "/etc/passwd", code=126)
            done = dev.run("run", "-t", "300ms", "sleep", "1000", code=143)
            self.assertIn("time limit", done.stderr)
            done = dev.run("run", "--timeout", "500ms", "sleep", "1000", code=124)
            self.assertIn("the task goes on", done.stderr)
            one = done.stderr.split()[1]
            dev.run("wait", "--timeout", "200ms", one, code=124)
            self.assertIn("cancelled", dev.run("cancel", one).stdout)
            self.assertIn("already CANCELLED", dev.run("cancel", one, code=1).stdout)
            dev.run("wait", one, code=143)
            done = dev.run("run", "-e", "A=1 2", "-C", "/", "-i", "-", "-n", "x y", "--", "sh", "-c",
                           'cat; echo "$A"; pwd; echo "$ZKQ_NAME"', input="in\0put\n")
            self.assertEqual(done.stdout, "in\0put\n1 2\n/\nx y\n")
            self.assertEqual(dev.run("run", "--shell", "echo a; echo b | tr b c").stdout, "a\nc\n")
            dev.run("wait", "default.0.aaaaaaaaaaaa", code=125)
            dev.run("show", "default.0.aaaaaaaaaaaa", code=1)
            key = [dev.run("submit", "--key", "once", "true").stdout for _ in range(2)]
            self.assertEqual(key[0], key[1])
            big = dev.run("run", "--", "sh", "-c", "seq 200000; seq 200000 >&2")
            wanted = "".join("%d\n" % i for i in range(1, 200001))
            self.assertEqual(big.stdout, wanted)
            self.assertEqual(big.stderr.partition("\n")[2], wanted)

    def test_many(self):
        with Dev() as dev:
            lines = "".join(json.dumps({"argv": ["sh", "-c", "echo %d; exit %d" % (i, i % 100 == 7)]}) + "\n"
                            for i in range(TASKS))
            done = dev.run("submit", "--file=-", input=lines)
            self.assertIn("%d tasks accepted" % TASKS, done.stderr)
            ids = done.stdout
            self.assertEqual(len(set(ids.split())), TASKS)
            done = dev.run("wait", "--progress", "-", input=ids, code=1)
            self.assertRegex(done.stderr, r"%d/%d  100 %%   done %d   failed %d   lost 0" % (
                TASKS, TASKS, TASKS - TASKS // 100, TASKS // 100))
            done = dev.run("results", "--json", "-", input=ids)
            results = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual([one["id"] for one in results], ids.split())
            self.assertEqual([one["tail"] for one in results], ["%d\n" % i for i in range(TASKS)])
            self.assertEqual(dev.run("results", "-", input=ids).stdout.count("\n"), 2 * TASKS + 1)

    def test_logs(self):
        with Dev("--workers", "2") as dev:
            script = "seq 1000; echo err >&2; seq 2000 >&2"
            one = dev.run("submit", "--", "sh", "-c", script).stdout.strip()
            dev.run("wait", one)
            wanted = ["%d\n" % i for i in range(1, 2001)]
            for arguments in ([], ["-f"]):
                done = dev.run("logs", one, *arguments)
                self.assertEqual((done.stdout, done.stderr), ("".join(wanted[:1000]), "err\n" + "".join(wanted)))
            done = dev.run("logs", "-n", "3", one)
            self.assertEqual((done.stdout, done.stderr), ("998\n999\n1000\n", "1998\n1999\n2000\n"))
            done = dev.run("logs", "--stderr", "-n1", "--attempt", "1", one)
            self.assertEqual((done.stdout, done.stderr), ("", "2000\n"))
            self.assertIn("there was no attempt 2: it ended with attempt 1", dev.run("logs", "--attempt", "2", one, code=1).stderr)
            dev.run("logs", "default.0.aaaaaaaaaaaa", code=1)
            short = dev.run("submit", "--", "echo", "short").stdout.strip()
            dev.run("wait", short)
            self.assertEqual(dev.run("logs", short).stdout, "short\n")
            dev.run("queue", "pause", "default")
            waiting = dev.run("submit", "true").stdout.strip()
            self.assertIn("has not started", dev.run("logs", waiting, code=1).stderr)
            dev.run("queue", "resume", "default")
            self.follow_over_workers(dev)
            # The worker of the first task is away: only the end of its output is left.
            worker = json.loads(dev.run("show", "--json", one).stdout)["items"][0]["worker"]
            if running(dev.pids[worker]):
                dev.kill(worker)
            done = dev.run("logs", "--stdout", one, code=1)
            self.assertIn("the end of it that was stored is of both streams", done.stderr)
            self.assertEqual(done.stdout, "")
            done = dev.run("logs", one)
            self.assertIn("this is the end of it that was stored, of both streams", done.stderr)
            self.assertTrue(done.stdout.endswith("2000\n"))
            self.assertLess(len(done.stdout), 5000)

    def follow_over_workers(self, dev):
        """The attempt that is followed dies with its worker; the next one is followed elsewhere."""
        go_on = dev.folder + "/go-on"
        script = ('echo old; echo "attempt $ZKQ_ATTEMPT"; [ "$ZKQ_ATTEMPT" = 1 ] || exit 0; '
                  "until [ -e %s ]; do sleep 0.05; done; echo more; exec sleep 1000" % go_on)
        two = dev.run("submit", "--", "sh", "-c", script).stdout.strip()
        wait_until(lambda: "attempt 1" in subprocess.run(["zkq", "logs", two], capture_output=True, text=True,
                                                         env=dev.environment, check=False).stdout, 20, "output")
        with subprocess.Popen(["zkq", "logs", "-f", "-n", "1", two], stdout=subprocess.PIPE, text=True,
                              env=dev.environment) as follower:
            self.assertEqual(follower.stdout.readline(), "attempt 1\n")
            with open(go_on, "w", encoding="ascii"):
                pass
            self.assertEqual(follower.stdout.readline(), "more\n")
            dev.kill(json.loads(dev.run("show", "--json", two).stdout)["items"][0]["worker"])
            self.assertEqual(follower.stdout.read(), "old\nattempt 2\n")
            self.assertEqual(follower.wait(30), 0)

    def test_queues(self):
        with Dev() as dev:
            dev.run("queue", "create", "render")
            dev.run("queue", "create", "render", code=1)
            self.assertIn("is 'render' meant?", dev.run("submit", "-Q", "rendre", "true", code=65).stderr)
            self.assertIn("is 'render' meant?", dev.run("queue", "show", "rendre", code=1).stderr)
            one = dev.run("submit", "-Q", "render", "true").stdout.strip()
            self.assertTrue(one.startswith("render.0."))
            self.assertIn("1 waiting, 0 running", dev.run("queue", "show", "render").stdout)
            # The leader has it: nobody serves it, and a cancel is fulfilled.
            wait_until(lambda: "NoWorker" in dev.run("show", one).stdout, 20, "no worker serves it")
            self.assertIn("cancelled", dev.run("cancel", one).stdout)
            self.assertIn("0 waiting, 0 running", dev.run("queue", "show", "render").stdout)

    def test_interrupt(self):
        with Dev() as dev:
            run = subprocess.Popen(["zkq", "run", "--", "sh", "-c", "echo here; exec sleep 1000"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=dev.environment)
            self.assertEqual(run.stdout.readline(), "here\n")
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=30)
            self.assertEqual(run.returncode, 143)
            self.assertIn("CANCELLED", err)
            done = subprocess.run("zkq run -- yes | head -1", shell=True, env=dev.environment, capture_output=True,
                                  timeout=30, check=False)
            self.assertEqual(done.stdout, b"y\n")
            wait_until(lambda: not json.loads(dev.run("status", "--json", "-s", "running,stopping").stdout)["items"], 20, "nothing runs")

    def test_started_again(self):
        """Who follows a task whose worker is lost gets the output of both attempts, and is told which is which."""
        with Dev("--workers=2") as dev:
            run = subprocess.Popen(["zkq", "run", "--", "sh", "-c",
                                    'echo $ZKQ_ATTEMPT $ZKQ_WORKER; test $ZKQ_ATTEMPT = 2 || exec sleep 1000'],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dev.environment)
            attempt, worker = run.stdout.readline().split()
            self.assertEqual(attempt, "1")
            dev.kill(worker)
            out, err = run.communicate(timeout=60)
            self.assertEqual((run.returncode, out), (0, "2 %s\n" % ({"w1", "w2"} - {worker}).pop()))
            self.assertIn("started again, attempt 2; the output so far is of an earlier one", err)

    def test_without_dispatchers(self):
        with Dev("--dispatchers=2") as dev:
            dev.kill("d1")
            dev.kill("d2")
            wait_until(lambda: json.loads(dev.run("status", "--json").stdout)["leader"] is None, 30, "nobody leads")
            one = dev.run("submit", "sleep", "1000").stdout.strip()
            done = dev.run("status")
            self.assertIn(one, done.stdout)
            self.assertIn("no dispatcher is up", done.stdout)
            self.assertIn("WAITING", dev.run("show", one).stdout)
            dev.run("queue", "pause", "default")
            self.assertTrue(json.loads(dev.run("queue", "list", "--json").stdout)["items"][0]["paused"])
            dev.run("queue", "resume", "default")
            # Its end needs no dispatcher.
            dev.run("queue", "pause", "--for=1s", "default")
            left = json.loads(dev.run("queue", "list", "--json").stdout)["items"][0]
            self.assertLessEqual(left.get("paused_left_seconds", 0), 1)
            wait_until(lambda: not json.loads(dev.run("queue", "list", "--json").stdout)["items"][0]["paused"], 20, "the end of the pause")
            done = dev.run("cancel", one, code=75)
            self.assertEqual(done.stdout, one + "  requested; takes effect when a dispatcher is back\n")
            dev.run("wait", "--timeout=500ms", one, code=124)
            # A dispatcher that comes back does what was asked for.
            dispatcher = subprocess.Popen(["zkq-dispatcher", "--name", "d3", "--session-timeout", "2s"], env=dev.environment,
                                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                # It never started: not even to be stopped.
                done = subprocess.run(["zkq", "wait", one], env=dev.environment, timeout=60, check=False)
                self.assertEqual(done.returncode, 125)
                shown = dev.run("show", one).stdout
                self.assertIn("CANCELLED", shown)
                self.assertNotIn("Started", shown)
            finally:
                dispatcher.terminate()
                dispatcher.wait(20)

    def test_queue_delete(self):
        """A queue goes with what is in it only when that is asked for; one of its name made later has other ids."""
        with Dev() as dev:
            dev.run("queue", "create", "render")
            dev.run("queue", "delete", "render")
            dev.run("queue", "create", "render")
            lines = "".join(json.dumps({"argv": ["true"]}) + "\n" for _ in range(TASKS))
            ids = dev.run("submit", "-Q", "render", "--file=-", input=lines).stdout.split()
            self.assertEqual(ids[0].split(".")[1], "1")
            done = dev.run("queue", "delete", "render", code=1)
            self.assertIn("%d waiting, 0 running" % TASKS, done.stderr)
            dev.run("queue", "delete", "--force", "render")
            self.assertNotIn("render", dev.run("queue", "list").stdout)
            dev.run("submit", "-Q", "render", "true", code=65)
            dev.run("show", ids[-1], code=1)
            dev.run("queue", "create", "render")
            one = dev.run("submit", "-Q", "render", "true").stdout.strip()
            self.assertGreater(int(one.split(".")[1]), int(ids[-1].split(".")[1]))
            # Running tasks are killed first; then the default queue is gone until it is made again.
            busy = dev.run("submit", "sleep", "1000").stdout.strip()
            wait_until(lambda: "RUNNING" in dev.run("show", busy).stdout, 20, "it runs")
            dev.run("queue", "delete", "default", code=1)
            dev.run("queue", "delete", "--force", "default")
            dev.run("submit", "true", code=65)
            dev.run("queue", "create", "default")
            dev.run("submit", "-w", "true")
            # Without a dispatcher it takes no more tasks, and goes when one is back.
            dev.kill("d1")
            wait_until(lambda: json.loads(dev.run("status", "--json").stdout)["leader"] is None, 30, "nobody leads")
            self.assertIn("when a dispatcher is back", dev.run("queue", "delete", "--force", "render", code=75).stderr)
            self.assertIn("deleting", dev.run("submit", "-Q", "render", "true", code=65).stderr
                          + dev.run("queue", "list").stdout)

    def test_password(self):
        with Dev() as dev:
            one = dev.run("submit", "true").stdout.strip()
            password = dev.environment.pop("ZKQ_AUTH")
            for command in (["status"], ["show", one], ["queue", "list"], ["worker", "list"], ["submit", "true"],
                            ["queue", "pause", "default"], ["cancel", one], ["show", "default.0.aaaaaaaaaaaa"],
                            ["results", "default.9.aaaaaaaaaaaa"], ["show", "t-0000000000"]):
                dev.run(*command, code=77)
            for unknown in ("default.0.aaaaaaaaaaaa", "default.9.aaaaaaaaaaaa", "nosuch.0.aaaaaaaaaaaa"):
                self.assertIn("not allowed", dev.run("wait", unknown, code=125).stderr)
                self.assertIn("no zkq tree", dev.run("wait", "--root=/nosuch", unknown, code=125).stderr)
                self.assertEqual(dev.run("show", "--root=/nosuch", unknown, code=78).stderr.count("no zkq tree"), 1)
            dev.environment["ZKQ_AUTH"] = password + "x"
            for command, code in (("show", 77), ("results", 77), ("status", 77), ("wait", 125), ("cancel", 77)):
                for some in (one, "default.0.aaaaaaaaaaaa", "default.9.aaaaaaaaaaaa"):
                    self.assertEqual(dev.run(command, some, code=code).stderr.count("not allowed"), 1)
                    self.assertIn("the credential of ZKQ_AUTH is not", dev.run("status", some, code=77).stderr)
            del dev.environment["ZKQ_AUTH"]
            with open(dev.folder + "/auth", "w", encoding="ascii") as file:
                file.write(password + "\n")
            os.chmod(file.name, 0o644)
            self.assertIn("chmod 600", dev.run("status", "--auth-file", file.name, code=78).stderr)
            os.chmod(file.name, 0o600)
            dev.run("status", "--auth-file", file.name)

    def test_unreachable(self):
        with Dev() as dev:
            dev.run("submit", "true")
            os.kill(dev.pids["zookeeper"], signal.SIGSTOP)
            try:
                self.assertIn("nothing was sent", dev.run("submit", "--timeout=1s", "true", code=69).stderr)
                dev.run("run", "--timeout=1s", "true", code=125)
                dev.run("status", "--timeout=1s", code=69)
            finally:
                os.kill(dev.pids["zookeeper"], signal.SIGCONT)


class Development(unittest.TestCase):
    def finish(self, dev, code):
        self.assertEqual(dev.process.wait(30), code)
        wait_until(lambda: not [name for name, pid in dev.pids.items() if running(pid)], 10,
                   "every part has ended")

    def test_command(self):
        dev = Dev("--workers=2", "--slots=3", "--", "sh", "-c",
                  'zkq run -- sh -c "exit 4"; c=$?; cat "$0"; zkq worker list --json; exit $((c + 1))')
        dev.arguments.append(dev.pids_file)
        done = subprocess.run(dev.arguments, capture_output=True, text=True, env=dev.environment, timeout=90, check=False)
        self.assertEqual(done.returncode, 5, done.stderr)
        *pids, workers = done.stdout.splitlines()
        self.assertEqual([line.split()[0] for line in pids], ["zookeeper", "d1", "w1", "w2"])
        self.assertEqual([one["slots"] for one in json.loads(workers)["items"]], [3, 3])
        self.assertEqual([line for line in pids if running(int(line.split()[1]))], [])
        self.assertEqual(os.listdir(dev.folder), [])
        for command, code in ((["/nonexistent"], 127), (["/etc/passwd"], 126), (["sh", "-c", "kill -9 $$"], 137)):
            done = subprocess.run(["zkq", "dev", "--", *command], capture_output=True, env=dev.environment, timeout=90,
                                  check=False)
            self.assertEqual(done.returncode, code)
        os.rmdir(dev.folder)

    def test_ends(self):
        """Ctrl-C and SIGTERM end and remove everything, also what tasks have left; so does the death of ZooKeeper."""
        for how, code in ((signal.SIGINT, 0), (signal.SIGTERM, 0), ("zookeeper", 69), ("parts", 0)):
            with self.subTest(how=how), Dev("--workers=2") as dev:
                mark = dev.folder + "/mark"
                dev.run("submit", "--", "sh", "-c", 'setsid sh -c "echo \\$\\$ > $0; exec sleep 1000" & exec sleep 1000', mark)
                wait_until(lambda: os.path.exists(mark) and os.path.getsize(mark) > 0, 20, "the task runs")
                with open(mark, encoding="ascii") as file:
                    task = int(file.read())
                if how == "zookeeper":
                    dev.kill("zookeeper")
                elif how == "parts":
                    dev.kill("d1")
                    dev.kill("w1")
                    dev.kill("w2")
                    dev.process.terminate()
                else:
                    dev.process.send_signal(how)
                self.finish(dev, code)
                self.assertEqual(dev.rest(), [])
                self.assertFalse(running(task))

    def test_killed(self):
        """kill -9 of zkq dev leaves nothing running, and the next one removes its folder."""
        with Dev() as dev:
            dev.process.kill()
            self.finish(dev, -signal.SIGKILL)
            left, = dev.rest()
            os.utime(os.path.join(dev.folder, left, "lock"), (1, 1))
            subprocess.run(["zkq", "dev", "--", "true"], env=dev.environment, timeout=90, check=True)
            self.assertEqual(dev.rest(), [])

    def test_without_zookeeper(self):
        dev = Dev("--", "true")
        programs = dev.folder + "/bin"
        os.mkdir(programs)
        for name in ("dirname", "sed", "ls", "cat", "basename", "expr"):
            if shutil.which(name):
                os.symlink(shutil.which(name), programs + "/" + name)
        build = os.path.abspath(stories.OPTIONS.build)
        done = subprocess.run([build + "/zkq", *dev.arguments[1:]], env=dict(dev.environment, PATH=programs),
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn("apt-get install zookeeper", done.stderr)
        shutil.rmtree(dev.folder)


if __name__ == "__main__":
    sys.exit(stories.main(__name__))
