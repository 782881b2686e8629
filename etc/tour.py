#!/usr/bin/python3
"""tour: the part of quickstart that runs inside zkq dev. Every figure it prints is measured in this run."""
import csv
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "real"))
import txnlog   # noqa: E402
import verdict  # noqa: E402

BUILD = sys.argv[1]
ZK = os.environ["ZKQ_ZK"]
FILES_MAX = int(os.environ.get("ZKQ_QUICKSTART_FILES", "2000"))
ZKCLI = "/usr/share/zookeeper/bin/zkCli.sh"
# One file: its SHA-256 and its size after gzip. The lock shows if ever two copies of a task run at once.
TASK = ('exec 9> "$2/$ZKQ_ID"; flock -n 9 || echo "$ZKQ_ID" >> "$2/two-at-once"; '
        's=$(sha256sum < "$1") && z=$(gzip -c < "$1" | wc -c) && echo "${s%% *} $z"')
LOOP = 'while IFS= read -r f; do s=$(sha256sum < "$f") && z=$(gzip -c < "$f" | wc -c) && echo "${s%% *} $z"; done'


def say(text=""):
    print(text, flush=True)


def number(value):
    return format(value, ",d")


def fail(text):
    print("quickstart: " + text, file=sys.stderr, flush=True)
    sys.exit(1)


def ask(word):
    """A four-letter word to ZooKeeper."""
    host, port = ZK.split("/")[0].split(",")[0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as link:
        link.sendall(word.encode())
        answer = b""
        while True:
            part = link.recv(65536)
            if not part:
                return answer.decode()
            answer += part


def requests():
    """Packets that ZooKeeper has received so far, by its own count."""
    return int(re.search(r"Received: (\d+)", ask("srvr"))[1])


def zkq(*arguments, check=True, **more):
    done = subprocess.run(["zkq", *arguments], capture_output=True, text=True, check=False, **more)
    if check and done.returncode != 0:
        fail("zkq %s: exit %d: %s" % (" ".join(arguments), done.returncode, done.stderr.strip()))
    return done


def items(*arguments):
    return json.loads(zkq(*arguments, "--json").stdout)["items"]


def shown(line):
    """Prints a command line and runs it in a shell."""
    say("$ " + line)
    return subprocess.run(line, shell=True, check=False).returncode


def parts():
    """Name and process id of each part of the cluster."""
    with open(os.path.join(BUILD, "pids"), encoding="ascii") as file:
        return {name: int(pid) for name, pid in (line.split()[:2] for line in file if line.strip())}


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def command(pid):
    """Name of the program that runs as pid; "" when it is gone or has ended."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
    except OSError:
        return ""
    return "" if rest.split()[0] in "ZX" else name


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            fail("not within %d s: %s" % (seconds, what))
        threading.Event().wait(0.1)


def history():
    """The verdict on everything so far, from ZooKeeper's transaction log."""
    with open("/proc/%d/cmdline" % parts()["zookeeper"], "rb") as file:
        config = file.read().rstrip(b"\0").rpartition(b"\0")[2].decode()
    with open(config, encoding="utf-8") as file:
        folder = re.search(r"^dataDir=(.*)$", file.read(), re.M)[1]
    records = txnlog.read_folder(os.path.join(folder, "version-2"))
    return records, verdict.judge(records, os.environ.get("ZKQ_ROOT", "/zkq"))


def leader():
    """Name of the dispatcher that leads, or None."""
    answer = json.loads(zkq("status", "--json").stdout)
    return answer.get("leader")


def introduce():
    version = re.search(r"version: ([0-9.]+)", ask("srvr"))[1]
    leads = wait_for(leader, 30, "a dispatcher leads")
    dispatchers = sorted(name for name in parts() if name.startswith("d"))
    workers = sorted(name for name in parts() if name.startswith("w"))
    wait_for(lambda: len(items("worker", "list")) == len(workers), 30, "%d workers" % len(workers))
    say("[3/5] zkq dev    ZooKeeper %s on %s; dispatchers %s; workers %s, 2 slots each" % (
        version, ZK, ", ".join(name + (" (leads)" if name == leads else "") for name in dispatchers), ", ".join(workers)))
    say()


def first_tasks():
    if shown("zkq run -- uname -sm") != 0:
        fail("zkq run failed")
    say("$ zkq submit -w -- sh -c 'exit 3'; echo \"exit code $?\"")
    code = subprocess.run(["zkq", "submit", "-w", "--", "sh", "-c", "exit 3"], check=False).returncode
    say("exit code %d" % code)
    if code != 3:
        fail("the task's exit code should have been 3")
    say()


def documents():
    """Up to FILES_MAX files below /usr/share/doc whose names are plain text."""
    found = []
    for folder, folders, names in os.walk("/usr/share/doc"):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                path.encode("utf-8")
            except UnicodeEncodeError:
                continue
            if os.path.isfile(path) and not os.path.islink(path) and "\n" not in path:
                found.append(path)
    return found[:FILES_MAX]


class Progress(threading.Thread):
    """Passes on what zkq wait --progress says and remembers how many tasks have ended."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream, self.ended, self.text = stream, 0, ""

    def run(self):
        line = ""
        while True:
            byte = self.stream.read(1)
            if not byte:
                return
            if byte in "\r\n":
                match = re.search(r"([0-9,]+)/([0-9,]+)", line)
                if match:
                    self.ended = int(match[1].replace(",", ""))
                if line.strip():
                    self.text = line.strip()
                line = ""
            else:
                line += byte

    def show(self):
        say("  " + self.text)


def kill_leader(progress):
    name = leader()
    pid = parts()[name]
    progress.show()
    os.kill(pid, signal.SIGKILL)
    say("  > kill -9 %s, the dispatcher that leads" % name)
    return name, int(time.time() * 1000)


def kill_worker():
    name = "w2"
    pid = parts()[name]
    claims = next(item for item in items("worker", "list") if item["name"] == name).get("claims", 0)
    processes = children(pid)
    running = sum(command(one) not in ("", "zkq-worker") for one in processes)
    for one in [pid, *processes]:
        if command(one) == "zkq-worker":
            os.kill(one, signal.SIGKILL)
    say("  > kill -9 %s and its runner, with %d tasks running and %d waiting there" % (
        name, running, max(0, claims - running)))
    return name, int(time.time() * 1000)


def batch(scratch):
    files = documents()
    if not files:
        fail("no files below /usr/share/doc")
    with open(os.path.join(BUILD, "tasks.jsonl"), "w", encoding="utf-8") as file:
        for path in files:
            file.write(json.dumps({"argv": ["sh", "-c", TASK, "sh", path, scratch]}) + "\n")
    say("[4/5] a batch: SHA-256 and gzip size of %s under /usr/share/doc, one task per file" % (
        "each file" if len(files) < FILES_MAX else "%s files" % number(len(files))))
    before_requests = requests()
    before_records = len(history()[0])
    began = time.monotonic()
    if shown("zkq submit --file=%s > %s" % (short("tasks.jsonl"), short("ids"))) != 0:
        fail("zkq submit failed")
    say("$ zkq wait --progress - < %s" % short("ids"))
    with open(os.path.join(BUILD, "ids"), encoding="ascii") as ids:
        waiting = subprocess.Popen(["zkq", "wait", "--progress", "-"], stdin=ids, stderr=subprocess.PIPE, text=True,
                                   stdout=subprocess.DEVNULL, env=dict(os.environ, NO_COLOR="1"))
    progress = Progress(waiting.stderr)
    progress.start()
    wait_for(lambda: progress.ended >= len(files) // 4, 120, "a quarter of the tasks")
    dead_leader, leader_killed = kill_leader(progress)
    dead_worker, worker_killed = kill_worker()
    code = waiting.wait()
    progress.join()
    seconds = time.monotonic() - began
    used = requests() - before_requests
    records, found = history()
    tell_recovery(found, dead_leader, leader_killed, dead_worker, worker_killed)
    return files, code, seconds, used, records[before_records:], found


def tell_recovery(found, dead_leader, leader_killed, dead_worker, worker_killed):
    before = [change for change in found.leader_changes if change[0] < leader_killed]
    after = [change for change in found.leader_changes if change[0] >= leader_killed]
    if not before or not after:
        fail("nobody leads after %s was killed" % dead_leader)
    say("  > %s leads after %.1f s" % (leader(), (after[0][0] - leader_killed) / 1000))
    back = [(wall_ms, folder) for wall_ms, folder in found.revocations if wall_ms >= worker_killed
            and folder.rpartition("/")[2].startswith(dead_worker + ".")]
    if back:
        say("  > %s is lost; its %d tasks are back in the queue after %.1f s" % (
            dead_worker, len(back), (back[-1][0] - worker_killed) / 1000))


def short(name):
    """A file of the build directory, as one types it."""
    return os.path.relpath(os.path.join(BUILD, name))


def plain_loop(files):
    text = "".join(path + "\n" for path in files)
    done = subprocess.run(["sh", "-c", LOOP], input=text, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def check(files, code, seconds, used, records, found, scratch):
    twice = sum(task.assigned > 1 for task in found.tasks.values())
    try:
        with open(os.path.join(scratch, "two-at-once"), encoding="ascii") as file:
            at_once = len(file.readlines())
    except FileNotFoundError:
        at_once = 0
    say("$ zkq results --csv - < %s > %s" % (short("ids"), short("report.csv")))
    with open(os.path.join(BUILD, "ids"), encoding="ascii") as ids, \
            open(os.path.join(BUILD, "report.csv"), "w", encoding="utf-8") as report:
        subprocess.run(["zkq", "results", "--csv", "-"], stdin=ids, stdout=report, check=False)
    with open(os.path.join(BUILD, "report.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    states = {}
    for row in rows:
        states[row["state"].lower()] = states.get(row["state"].lower(), 0) + 1
    say("  %s/%s  done %s   failed %d   lost %d   given out twice %d   two at once %d   %.1f s" % (
        number(len(rows)), number(len(files)), number(states.get("done", 0)), states.get("failed", 0),
        states.get("lost", 0), twice, at_once, seconds))
    wanted = plain_loop(files)
    equal = [row["tail"].strip() for row in rows] == wanted
    with open(os.path.join(BUILD, "ids"), encoding="ascii") as file:
        ids = file.read().split()
    results = {task.id: task.finished for task in found.tasks.values()}
    once = all(results.get(one) == 1 for one in ids) and len(set(ids)) == len(files)
    if not equal or not once or code != 0 or at_once or found.violations:
        for violation in found.violations[:10]:
            print(violation, file=sys.stderr)
        fail("the report is %s the plain loop's, %s, wait ended with %d" % (
            "equal to" if equal else "NOT equal to", "each task has one result" if once else
            "NOT every task has exactly one result", code))
    say("check: %s lines, all equal to a plain loop over the same files; every task has exactly one result" % number(len(rows)))
    say("       (read from ZooKeeper's transaction log: %s transactions, no rule broken)" % number(found.records))
    operations = sum(len(record.ops) for record in records if record.applied)
    say("cost:  %.2f requests and %.1f sub-operations to ZooKeeper per task (its own counter and log)" % (
        used / len(files), operations / len(files)))
    say()


def any_client():
    say("[5/5] the tree is the API: any ZooKeeper client can look, and submit")
    root = os.environ.get("ZKQ_ROOT", "/zkq")
    say("$ zkCli.sh -server %s create -s %s/queues/default/inbox/t- '{\"argv\":[\"date\"]}'" % (ZK, root))
    done = subprocess.run([ZKCLI, "-server", ZK, "create", "-s", root + "/queues/default/inbox/t-", '{"argv":["date"]}'],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    made = re.search(r"^Created (\S+)$", done.stdout + done.stderr, re.M)
    if not made:
        fail("zkCli created nothing: " + done.stdout + done.stderr)
    say(made[0])
    name = made[1].rpartition("/")[2]
    wait_for(lambda: "DONE" in zkq("show", name, check=False).stdout.upper(), 20, "the task from the inbox has ended")
    shown("zkq show " + shlex.quote(name))
    say()


def stay():
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    say("The cluster stays up. In another terminal:")
    say("  export ZKQ_ZK=%s PATH=%s:$PATH" % (ZK, BUILD))
    say("  zkq status         zkq worker list         zkq run -- sh -c 'seq 5; sleep 5'")
    say("Your own ensemble next: README, \"Beside your ensemble\".    Enter: stop and remove everything")
    sys.stdin.readline()


def main():
    introduce()
    first_tasks()
    with tempfile.TemporaryDirectory(prefix="zkq-quickstart-") as scratch:
        check(*batch(scratch), scratch)
    any_client()
    stay()


if __name__ == "__main__":
    main()
