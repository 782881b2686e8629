"""rows: what a row of the table of bad input is made of, and how a command is judged. See table.py.

Every row has a name and belongs to a subject. What is demanded of all of them, beside what the row says: the program ends
by itself and in time, no sanitizer reports, and what it says of an error is one line without control characters.
"""
import os
import re
import subprocess
import tempfile

TABLE = []
subject = [""]


def section(title):
    subject[0] = title


class Row:
    def __init__(self, name):
        self.name, self.subject = name, subject[0]
        TABLE.append(self)


class NotApplicable(Row):
    """An item of the catalogue that cannot occur, and why."""

    def __init__(self, name, why):
        super().__init__(name)
        self.why = why


class Task(Row):
    """The text of a task. why: it is refused, by zkq submit --file with 65 and in the inbox by a dead letter, with this
    reason; None: it is taken. ends: the state, exit code ... that its result must have then. only: "file" or "inbox" where
    the two doors differ; checks: "file" when the inbox need not see it, too."""

    def __init__(self, name, text, why=None, ends=None, only=None, inbox_why=None):
        super().__init__(name)
        self.text = text.encode() if isinstance(text, str) else text
        self.why, self.ends, self.only = why, ends, only
        self.inbox_why = inbox_why or why


class Command(Row):
    """A command line. words: the program and its arguments, or a script for sh in which $ZKQ is our program, $FAKE the one
    with a libzkq that needs no server, $WORKER and $DISPATCHER the daemons, and $DIR a directory of its own with files in
    it. err: a regular expression that the one line on stderr matches; None: nothing may be there. real: it needs a
    ZooKeeper. More is passed to execute(): out (the same of stdout; "" means nothing, None anything), stdin, env, files,
    tasks and fake (what $FAKE knows), lines (of stderr), seconds, setup(folder)."""

    def __init__(self, name, words, code=0, err=None, real=False, **how):
        super().__init__(name)
        self.real, self.how = real, dict(how, words=words, code=code, err=err)


class Configuration(Row):
    """A configuration file, given to every program with --check-config -c: refused with 78, or taken (err None).
    content: bytes, or a function that makes what stands at a path."""

    def __init__(self, name, content, err=None, programs=("ZKQ", "WORKER", "DISPATCHER")):
        super().__init__(name)
        self.content, self.err, self.programs = content, err, programs


class Stranger(Row):
    """Something that a stranger puts into the tree: do(place) does it and may return a check, which is called until it is
    true. log: words of a warning that the leader must have logged."""

    def __init__(self, name, do, log=None, quick=True):
        super().__init__(name)
        self.do, self.log, self.quick = do, log, quick


class Job(Row):
    """A task that behaves badly: what its result must hold. ends: a dictionary of fields."""

    def __init__(self, name, task, ends, seconds=30):
        super().__init__(name)
        self.task, self.ends, self.seconds = task, ends, seconds


class Situation(Row):
    """The daemons in an odd surrounding: do(place) starts and looks; it fails by an exception."""

    def __init__(self, name, do, quick=True):
        super().__init__(name)
        self.do, self.quick = do, quick


# ---- running a command ----

def programs(build):
    """The environment that commands run in, and where the programs of a build are: without libtool's scripts."""
    build = os.path.abspath(build)
    direct = os.path.join(build, ".libs", "zkq")
    environment = {
        "ZKQ": direct if os.access(direct, os.X_OK) else os.path.join(build, "zkq"),
        "FAKE": os.path.join(build, "tests/cli/zkq_fake"),
        "WORKER": os.path.join(build, "zkq-worker"), "DISPATCHER": os.path.join(build, "zkq-dispatcher"),
        "LD_LIBRARY_PATH": os.path.join(build, ".libs"), "PATH": os.environ["PATH"], "HOME": "/nonexistent", "TZ": "UTC",
        "ZKQ_ZK": "127.0.0.1:1",
    }
    environment.update((name, os.environ[name]) for name in os.environ if name.startswith(("ASAN_", "LSAN_", "UBSAN_")))
    return environment


CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\u2029\ufeff]")
LOGGED = re.compile(r"^[0-9T:.Z-]{20,30} (zkq-[a-z]+): (?:error|warning): ", re.M)


def judge_output(done, code, err, out, lines):
    """What is wrong with a command that has ended: a list of phrases."""
    wrong = []
    stderr, stdout = done.stderr.decode("utf-8", "backslashreplace"), done.stdout.decode("utf-8", "backslashreplace")
    stderr = LOGGED.sub(r"\1: ", stderr)
    if done.returncode != code:
        wrong.append("exit %d instead of %d" % (done.returncode, code))
    if "Sanitizer" in stderr or "runtime error:" in stderr:
        wrong.append("a sanitizer reported")
    if CONTROL.search(stderr):
        wrong.append("control characters on stderr")
    if err is None and stderr:
        wrong.append("says something")
    if err is not None and not re.search(err, stderr):
        wrong.append("stderr does not match %r" % err)
    if err is not None and lines is not None and stderr.count("\n") != lines:
        wrong.append("%d lines instead of %d" % (stderr.count("\n"), lines))
    if out is not None and not (stdout == "" if out == "" else re.search(out, stdout)):
        wrong.append("stdout does not match %r" % out)
    if wrong:
        wrong.append("stdout %r, stderr %r" % (stdout[:300], stderr[:700]))
    return wrong


def execute(environment, words, code=0, err=None, out="", stdin=b"", env=None, files=None, tasks="", fake="", lines=1,
            seconds=20, setup=None):
    """Runs what Command describes; a list of what is wrong."""
    with tempfile.TemporaryDirectory(prefix="zkq-bad-") as folder:
        for name, content in (files or {}).items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
            os.chmod(os.path.join(folder, name), 0o600)
        if setup:
            setup(folder)
        whole = dict(environment, DIR=folder, ZKQ_FAKE=fake, ZKQ_FAKE_TASKS=tasks, **(env or {}))
        if isinstance(words, str):
            words = ["/bin/sh", "-c", words]
        words = [whole.get(word[1:], word) if isinstance(word, str) and word.startswith("$") else word for word in words]
        try:
            done = subprocess.run(words, input=stdin, capture_output=True, env=whole, cwd=folder, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as late:
            return ["did not end in %g s: %r" % (seconds, (late.stderr or b"")[:300])]
        return judge_output(done, code, err, out, lines)
