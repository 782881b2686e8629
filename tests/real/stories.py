"""stories: what the stories of real daemons share. A story is a unittest.TestCase method in a file of its own;

    main(__name__)      runs them: --build DIR (programs), --quick, names of tests

prints "PASS: x", "FAIL: x" or "SKIP: x" for each. Each story has a cluster of its own in a directory of its own: real
ZooKeeper servers, real daemons. Nothing is killed by name; whatever a story leaves behind is found by its directory.
"""
import argparse
import functools
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

import txnlog
import verdict
import zkserver
from zkserver import wait_until

try:
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException, NoNodeError
    from kazoo.retry import KazooRetry
except ImportError:
    KazooClient = None

SESSION_S = 2
LOST_AFTER_S = 3
OPTIONS = argparse.Namespace(build=".", quick=False, wrap="")
ROOT = "/zkq"
QUEUE = ROOT + "/queues/default"


def wall_ms():
    return int(time.time() * 1000)


class Daemon:
    """One program of ours in the background. Its messages go to a file."""

    def __init__(self, name, command, environment, folder):
        self.name, self.log_path = name, os.path.join(folder, "%s.%d.log" % (name, time.monotonic_ns()))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                            cwd=folder)
        self.expected = False

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        """kill -9."""
        self.expected = True
        if self.alive():
            self.process.kill()
        self.process.wait()

    def terminate(self, seconds=30):
        """SIGTERM; the exit code."""
        self.expected = True
        if self.alive():
            self.process.terminate()
        return self.process.wait(seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def log(self):
        with open(self.log_path, "rb") as file:
            return file.read().decode("utf-8", "replace")


class Worker(Daemon):
    """zkq-worker: its main process is the runner."""
    work_dir = state_dir = None


def running(pid):
    """Whether a process is there and no zombie."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def processes_in(folder):
    """Pids of all processes whose working directory is in folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                where = os.readlink("/proc/%s/cwd" % entry)
            except OSError:
                continue
            if (where + "/").startswith(folder + "/") and running(int(entry)):
                found.append(int(entry))
    return found


class Cluster:
    """ZooKeeper, daemons and an independent client, in a directory of its own."""

    def __init__(self, servers=1, session_s=SESSION_S, lost_after_s=LOST_AFTER_S, tick_ms=200):
        self.folder = tempfile.mkdtemp(prefix="zkq-story-")
        os.mkdir(self.folder + "/sanitizer")
        self.session_s, self.lost_after_s = session_s, lost_after_s
        self.ensemble = zkserver.Ensemble(servers, tick_ms, folder=self.folder + "/zk")
        self.daemons = []
        self.client = None
        self.environment = dict(
            os.environ, ZKQ_ROOT=ROOT, ZKQ_LAST=self.folder + "/last", PATH="%s:%s" % (OPTIONS.build, os.environ["PATH"]), TZ="UTC",
            ASAN_OPTIONS="log_path=%s/sanitizer/asan:exitcode=99" % self.folder,
            UBSAN_OPTIONS="print_stacktrace=1:log_path=%s/sanitizer/ubsan" % self.folder,
            LSAN_OPTIONS="suppressions=%s/lsan.supp:print_suppressions=0" % os.path.dirname(os.path.dirname(
                os.path.abspath(__file__))))
        for name in ("ZKQ_AUTH", "ZKQ_CONFIG"):
            self.environment.pop(name, None)

    def __enter__(self):
        os.makedirs(self.folder + "/zk", exist_ok=True)
        self.ensemble.start()
        self.environment["ZKQ_ZK"] = self.ensemble.connect_string
        self.client = self.connect()
        return self

    def connect(self):
        client = KazooClient(hosts=self.ensemble.connect_string, timeout=10, connection_retry=KazooRetry(
            max_tries=-1, delay=0.05, max_delay=0.3))
        client.start(20)
        return client

    def __exit__(self, kind, value, trace):
        if kind is not None and kind is not unittest.SkipTest:
            self.show_logs()
        try:
            self.stop()
            if kind is None:
                self.check_sanitizers()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        """Ends everything, by process id: the daemons in good order first, so that leak checks can speak."""
        for daemon in self.daemons:
            if daemon.alive():
                daemon.expected = True
                for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGTERM):
                    daemon.process.send_signal(number)
        deadline = time.monotonic() + 15
        for daemon in self.daemons:
            try:
                daemon.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                daemon.kill()
        if self.client:
            self.client.stop()
            self.client.close()
            self.client = None
        self.ensemble.halt()
        for pid in processes_in(self.folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass

    def show_logs(self):
        for daemon in self.daemons:
            text = daemon.log().splitlines()
            print("| ---- %s (pid %d, %s)" % (daemon.name, daemon.pid,
                                             "running" if daemon.alive() else "exit %s" % daemon.process.returncode))
            for line in text[-25:]:
                print("| " + line[:300])
        for name in sorted(os.listdir(self.folder + "/sanitizer")):
            with open(os.path.join(self.folder, "sanitizer", name), encoding="utf-8", errors="replace") as file:
                print("| ---- sanitizer: %s\n| %s" % (name, file.read()[:6000].replace("\n", "\n| ")))

    def sanitizer_findings(self):
        """The reports that say something. A process killed during its leak check, as a runner's helpers are when the
        runner ends, leaves a report that only says that the check was cut off."""
        for name in sorted(os.listdir(self.folder + "/sanitizer")):
            with open(os.path.join(self.folder, "sanitizer", name), encoding="utf-8", errors="replace") as file:
                text = file.read()
            if [line for line in text.splitlines() if line and "Unable to get registers from thread" not in line]:
                yield name

    def check_sanitizers(self):
        reports = list(self.sanitizer_findings())
        if reports:
            self.show_logs()
            raise AssertionError("sanitizers reported: %s" % reports)
        for daemon in self.daemons:
            words = daemon.log()
            if "runtime error:" in words or "\n==" in "\n" + words or daemon.process.returncode == 99:
                self.show_logs()
                raise AssertionError("UBSan or valgrind reported in %s" % daemon.log_path)

    # ---- daemons ----

    def program(self, name):
        path = os.path.join(OPTIONS.build, name)
        if not os.access(path, os.X_OK):
            raise AssertionError("%s is not built in %s" % (name, OPTIONS.build))
        return OPTIONS.wrap.split() + [path]

    def dispatcher(self, name, hosts=None):
        daemon = Daemon(name, self.program("zkq-dispatcher") + [
            "--zk=%s" % (hosts or self.ensemble.connect_string), "--root=" + ROOT, "--name=" + name,
            "--session-timeout=%gs" % self.session_s, "-v"], self.environment, self.folder)
        self.daemons.append(daemon)
        return daemon

    def worker(self, name, slots=2, hosts=None, queues="default", extra=()):
        work, state = "%s/work-%s" % (self.folder, name), "%s/state-%s" % (self.folder, name)
        os.makedirs(work, exist_ok=True)
        daemon = Worker(name, self.program("zkq-worker") + [
            "--zk=%s" % (hosts or self.ensemble.connect_string), "--root=" + ROOT, "--name=" + name, "--slots=%d" % slots,
            "--queues=" + queues, "--lost-after=%gs" % self.lost_after_s, "--session-timeout=%gs" % self.session_s,
            "--state-dir=" + state, "--work-dir=" + work, "-v", *extra], self.environment, self.folder)
        daemon.work_dir, daemon.state_dir = work, state
        self.daemons.append(daemon)
        return daemon

    def ready(self, workers=1, seconds=40):
        """Waits until a leader is there and so many workers are registered."""
        self.wait(lambda: self.leader_pid() and self.client.exists(QUEUE + "/inbox")
                  and len(self.children(ROOT + "/workers")) >= workers, seconds, "a leader and %d workers" % workers)
        return self

    # ---- looking at the tree with another client ----

    def wait(self, condition, seconds, what):
        def guarded():
            for daemon in self.daemons:
                if not daemon.expected and not daemon.alive():
                    raise AssertionError("%s ended by itself: exit %d" % (daemon.name, daemon.process.returncode))
            try:
                return condition()
            except KazooException:
                return None
        return wait_until(guarded, seconds * (4 if OPTIONS.wrap else 1), what)

    def children(self, path):
        try:
            return self.client.get_children(path)
        except NoNodeError:
            return []

    def record(self, path):
        """The JSON at path, or None."""
        try:
            data, _ = self.client.get(path)
        except NoNodeError:
            return None
        try:
            return json.loads(data)
        except ValueError:
            return None

    def size(self, path):
        stat = self.client.exists(path)
        return stat.numChildren if stat else 0

    def ended(self, queue="default"):
        """How many results and dead letters there are."""
        return sum(self.size("%s/queues/%s/%s/%s" % (ROOT, queue, place, seg)) for place in ("done", "dead")
                   for seg in self.children("%s/queues/%s/%s" % (ROOT, queue, place)))

    def live(self, queue="default"):
        """Names of all live tasks."""
        return [name for seg in self.children("%s/queues/%s/tasks" % (ROOT, queue))
                for name in self.children("%s/queues/%s/tasks/%s" % (ROOT, queue, seg)) if not name.startswith("b.")]

    def claims(self, worker=None):
        """Names of all claims, or of one worker's."""
        return [name for folder in self.children(ROOT + "/assign") if not worker or folder.rpartition(".")[0] == worker
                for name in self.children("%s/assign/%s" % (ROOT, folder)) if name[:1].isdigit()]

    def leader_pid(self):
        """Process id of the dispatcher that leads, from its candidate znode."""
        candidates = [name for name in self.children(ROOT + "/election") if name[-10:].isdigit()]
        if not candidates:
            return None
        record = self.record("%s/election/%s" % (ROOT, min(candidates, key=lambda name: int(name[-10:]))))
        return record and record.get("pid")

    def leader(self):
        """The dispatcher that leads."""
        pid = self.leader_pid()
        return next((daemon for daemon in self.daemons if daemon.alive() and daemon.pid == pid), None)

    def coordinator_pid(self, name):
        """Process id of a worker's coordinator, from its znode."""
        record = self.record("%s/workers/%s" % (ROOT, name))
        return record and record.get("pid")

    def result_path(self, task_id, place="done"):
        queue, seg, token = task_id.split(".")
        return "%s/queues/%s/%s/%s/%s" % (ROOT, queue, place, seg, token)

    def result(self, task_id, seconds=30):
        """Waits for the result of a task and returns it."""
        return self.wait(lambda: self.record(self.result_path(task_id)) or self.record(self.result_path(task_id, "dead")),
                         seconds, "result of %s" % task_id)

    def state(self, task_id):
        """"waiting", "claimed", or the state of its result."""
        result = self.record(self.result_path(task_id)) or self.record(self.result_path(task_id, "dead"))
        if result:
            return result["state"]
        token = task_id.split(".")[2]
        return "claimed" if any(".%s-" % token in name for name in self.claims()) else "waiting"

    # ---- our own commands ----

    def zkq(self, *arguments, text=None, seconds=120):
        return subprocess.run(self.program("zkq") + list(arguments), input=text, capture_output=True, text=True,
                              timeout=seconds, env=self.environment, cwd=self.folder, check=False)

    def submit(self, *arguments, text=None):
        """zkq submit; the ids."""
        done = self.zkq("submit", *arguments, text=text)
        if done.returncode != 0:
            raise AssertionError("zkq submit %s: exit %d: %s" % (" ".join(arguments), done.returncode, done.stderr))
        return done.stdout.split()

    def submit_many(self, tasks):
        ids = self.submit("--file=-", text="".join(json.dumps(task) + "\n" for task in tasks))
        if len(set(ids)) != len(tasks):
            raise AssertionError("%d tasks, %d ids" % (len(tasks), len(set(ids))))
        return ids

    def wait_ended(self, count, seconds, queue="default"):
        try:
            self.wait(lambda: self.ended(queue) >= count, seconds, "%d tasks have ended" % count)
        except TimeoutError as error:
            raise AssertionError("%s; there are %d, live %s, claims %s" % (
                error, self.ended(queue), self.live(queue)[:5], self.claims()[:5])) from None

    # ---- the verdict ----

    def judge(self, ids=None, states=None, strangers=()):
        """Ends everything and judges the run from the log. ids: every one must have ended, in one of states. strangers: sessions
        whose own writes are not judged."""
        self.stop()
        if os.environ.get("ZKQ_STORY_LOG"):     # for a person who looks for the reason of a failure
            with open(os.environ["ZKQ_STORY_LOG"], "w", encoding="utf-8", errors="replace") as file:
                for record in txnlog.whole_history([server.data for server in self.ensemble.servers]):
                    file.write("%r\n" % record)
        found = verdict.judge(txnlog.whole_history([server.data for server in self.ensemble.servers]), ROOT,
                              strangers=strangers)
        print("  log: " + ", ".join("%s %s" % item for item in found.summary().items()))
        if found.violations:
            raise AssertionError("%d violations, first: %s" % (len(found.violations), "\n".join(found.violations[:10])))
        if ids is not None:
            tasks = {task.id: task for task in found.tasks.values()}
            lost = [one for one in ids if one not in tasks]
            stuck = [one for one in ids if one in tasks and not (tasks[one].finished or tasks[one].buried)]
            other = [(one, tasks[one].state) for one in ids if one in tasks and states and tasks[one].state
                     and tasks[one].state not in states]
            if lost or stuck or other:
                raise AssertionError("lost %s, stuck %s, other states %s" % (lost[:5], stuck[:5], other[:5]))
        return found


class Ledger:
    """A file to which tasks write what they do: one line each, appended."""

    def __init__(self, folder, name="ledger"):
        self.path = os.path.join(folder, name)

    def lines(self):
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                return [line.split() for line in file.read().split("\n")[:-1]]
        except OSError:
            return []


def needs_quick_skip(function):
    """Left out with --quick."""
    @functools.wraps(function)
    def story(self, *arguments):
        if OPTIONS.quick:
            self.skipTest("takes longer; left out with --quick")
        return function(self, *arguments)
    return story


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()
        print("story: %s" % test.id().partition(".")[2], flush=True)

    def line(self, word, test, more=""):
        print("%s: %s (%.1f s)%s" % (word, test.id().partition(".")[2], time.monotonic() - self.began, more), flush=True)

    def addSuccess(self, test):
        self.line("PASS", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("SKIP", test, " " + reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print("| " + "".join(traceback.format_exception(*err)).replace("\n", "\n| "))
        self.line("FAIL", test)

    addError = addFailure


def main(module):
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=".", help="where the programs are")
    parser.add_argument("--wrap", default="", help="command before each program: valgrind ...")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("tests", nargs="*")
    parser.parse_args(namespace=OPTIONS)
    OPTIONS.build = os.path.abspath(OPTIONS.build)
    zkserver.skip_unless_present()
    if KazooClient is None:
        print("skipped: python3-kazoo is missing")
        return zkserver.SKIP
    logging.getLogger("kazoo").setLevel(logging.CRITICAL + 1)
    loader = unittest.defaultTestLoader
    suite = (loader.loadTestsFromNames(OPTIONS.tests, sys.modules[module]) if OPTIONS.tests
             else loader.loadTestsFromModule(sys.modules[module]))
    result = Result()
    suite.run(result)
    if result.testsRun == len(result.skipped):
        return zkserver.SKIP
    return 0 if not (result.failures or result.errors) else 1
