#!/usr/bin/python3
"""Every sample of the manual pages and of README is run, and what it shows is what comes.

A sample is a literal display (.Bd, .Dl, or between ``` in README). What it is shows in its text:

    $ command, output       run by bash with a cluster of its own behind ZKQ_ZK; output is compared
    a command               run, must succeed; a daemon must stand up
    {"argv":...}            tasks: zkq submit --file=- --dry-run takes them
    create ..., get ...     typed into zkCli; output is compared
    #include ...            C, compiled, linked with libzkq and run
    [section]               configuration: --check-config takes it; of systemd: systemd-analyze does
    groups:, scrape_configs:    Prometheus: promtool takes it

In outputs only what must vary may: ids, times, sizes, process ids, hosts (PATTERNS), and "..." stands for anything. An id in a
later command of the same page is the one that was printed. What cannot be run is in EXCEPTIONS, with the reason.
"""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import stories
from stories import Cluster, KazooException

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GONE = "zk4:2181"      # a server that is down; zk1 ... zk3 are the ensemble
OTHER = "new1,new2,new3"        # an empty ensemble
HTTP = "10.0.0.7:9797"  # of the daemon that the page describes
CLI = "/usr/share/zookeeper/bin/zkCli.sh"
SECONDS = 60
CLI_LOG = "^(Connecting to|WATCHER::|WatchedEvent|SLF4J|[0-9]{4}-|$)"
UP = r": (stands by|leads|registered)\b"     # a daemon says so

DRAWING, NOTATION, BUILD = "a drawing", "notation, no language", "installs or builds; tests/run does so in its own stages"
EXCEPTIONS = {  # page, begin of the sample: why it is not run
    ("README.md", "sh etc/quickstart"): BUILD,
    ("README.md", "./autogen.sh"): BUILD,
    ("README.md", "sudo systemd-sysusers"): "wants systemd as the init of the machine",
    ("zkq-znodes.7", "R      "): DRAWING,
    ("zkq-znodes.7", "          submit"): DRAWING,
    ("zkq-znodes.7", "multi[ check tasks/<tail>"): NOTATION,
    ("zkq-znodes.7", "multi[ set tasks/<k>"): NOTATION,
    ("zkq-znodes.7", "multi[ check candidate"): NOTATION,
    ("zkq-znodes.7", "kill_by ="): NOTATION,
    ("zkq.conf.5", "key = value"): NOTATION,
}

# What may differ between sample and output; the order is that of trial.
PATTERNS = [(re.compile(found), meant) for found, meant in (
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", r"\d{4}-\d\d-\d\dT[\d:.]+Z"),
    (r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?Z?)?", r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?Z?)?"),
    (r"\d\d?:\d\d(:\d\d)?\b", r"\d+:\d\d(:\d\d)?"),
    (r"\b[0-9a-f]{32}\b", r"[0-9a-f]{32}"),
    (r'"\w*(seconds|bytes|pid|zxid)":"?[\d.]+"?', r'"\w+":"?[\d.]+"?'),
    (r"\bpid \d+", r"pid \d+"),
    (r"\b\d+ znodes", r"\d+ znodes"),
    (r"\b(\d+(\.\d+)? ?(ms|s|m|h|d)\b ?)+(?= |$|\W)", r"(\d+(\.\d+)? ?(ms|s|m|h|d)\b ?)+"),
    (r"\b\d+(\.\d+)? [kMG]i?B\b", r"\d+(\.\d+)? ([kMG]i?)?B"),
    (r"\b\d+ ?%", r"\d+ ?%"),
    (r"\b\d+\.(\d|\d{3})\b", r"\d+\.\d+"),
    (r"\b(zk\d|\d+\.\d+\.\d+\.\d+):\d+", r"[\w.]+:\d+"),
    (r"\b\w+@\w+\b", r"\S+@[\w.-]+"),
    (r"\bhost\d\b", r"[\w.-]+"),
    (r" +", r" +"),
    (r"(?m)(?<![^\n])\.\.\.$", r"[\s\S]*"),
    (r"\.\.\.", r"[^\n]*"),
)]
ID = r"[a-z0-9][a-z0-9_-]*\.\d+\.[a-z0-9]{12,16}"
NAMES = re.compile(r"\b%s\b|\bt-\d{10}\b" % ID)


class Sample:
    def __init__(self, page, line, text):
        self.page, self.line, self.text = page, line, text

    def __str__(self):
        return "%s:%d" % (self.page, self.line)

    def kind(self):
        first = self.text.split("\n")[0]
        for pattern, kind in ((r"\$ ", "session"), (r'\{"(argv|noop|v)"', "tasks"), (r"(create|get|ls|set|delete) ", "cli"),
                              (r"\[\w+\]$", "conf"), (r"(groups|scrape_configs):", "prometheus"),
                              (r"(sudo )?zkq\b", "commands")):
            if "#include" in self.text:
                return "program"
            if re.match(pattern, first):
                return kind
        return "unknown"


def plain(text):
    """Text of a display without mdoc's escapes."""
    def character(match):
        known = {"e": "\\", "&": "", "-": "-", "(aq": "'", "(ga": "`", "(ti": "~", "(ha": "^"}
        if match[1] not in known:
            raise AssertionError("unknown escape \\%s" % match[1])
        return known[match[1]]
    return re.sub(r"\\(\(..|.)", character, text)


def samples_of(path):
    """All samples of a page, and how many of these are in its EXAMPLES."""
    page, found, examples, block, section = os.path.basename(path), [], 0, None, ""
    fence = path.endswith(".md")
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if block is not None and line == ("```" if fence else ".Ed"):
                found.append(Sample(page, block[0], "\n".join(block[1:])))
                examples += section == "EXAMPLES"
                block = None
            elif block is not None:
                block.append(line if fence else plain(line))
            elif line.startswith("```" if fence else ".Bd -literal"):
                block = [number]
            elif not fence and re.match(r"\.Bd |\.D1 ", line):
                raise AssertionError("%s:%d: samples are .Bd -literal or .Dl" % (page, number))
            elif not fence and line.startswith(".Dl "):
                found.append(Sample(page, number, plain(line[4:])))
                examples += section == "EXAMPLES"
            elif line.startswith(".Sh "):
                section = line[4:]
    return found, examples


def pages():
    return [TOP + "/README.md"] + sorted(glob.glob(TOP + "/man/*.[1-8]"))


def check_config(folder, text, environment):
    path = os.path.join(folder, "checked.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    environment = {name: value for name, value in environment.items() if not name.startswith("ZKQ_")}
    for program in ("zkq", "zkq-dispatcher", "zkq-worker"):
        done = subprocess.run([os.path.join(stories.OPTIONS.build, program), "--check-config", "--config=" + path],
                              env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise AssertionError("%s: %s" % (program, done.stderr))


def described_metrics(page):
    with open("%s/man/%s" % (TOP, page), encoding="utf-8") as file:
        return set(re.findall(r"(?m)^\.It Ic (\w+) Pq (?:counter|gauge|histogram)", file.read()))


def check_prometheus(folder, text):
    """promtool takes it, where it is there, and every metric in it is described."""
    used = set(re.findall(r"\bzkq_\w+", text))
    known = described_metrics("zkq-dispatcher.8") | described_metrics("zkq-worker.8")
    unknown = [name for name in used if name not in known and re.sub(r"_(bucket|sum|count)$", "", name) not in known]
    if unknown:
        raise AssertionError("no such metrics: %s" % sorted(unknown))
    if shutil.which("promtool"):
        path = os.path.join(folder, "checked.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run(["promtool", "check", "rules" if re.search("(?m)^groups:", text) else "config", path],
                              capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise AssertionError("promtool: %s%s" % (done.stdout, done.stderr))


class Place:
    """A cluster of its own for a page: below a chroot of the ensemble, with a folder in which its files lie."""

    def __init__(self, cluster, page):
        self.cluster, self.page = cluster, page
        self.hosts = "%s/%s" % (cluster.ensemble.connect_string, page)
        self.folder = os.path.join(cluster.folder, page)
        self.environment = dict(cluster.environment, ZKQ_ZK=self.hosts, HOME=self.folder, TMPDIR=self.folder,
                                PATH="%s/bin:%s" % (cluster.folder, cluster.environment["PATH"]))
        self.names = {}         # of the sample: of the cluster
        self.daemons = []
        os.makedirs(self.folder)
        for name, text in (("frame.sh", "#!/bin/sh\necho frame $1\n"), ("tasks.jsonl", '{"argv":["true"]}\n' * 20),
                           ("frames.jsonl", "".join('{"argv":["./frame.sh","%d"]}\n' % i for i in (17, 18)))):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        os.chmod(self.folder + "/frame.sh", 0o755)

    def start(self):
        self.cluster.client.ensure_path("/" + self.page)
        self.cluster.client.ensure_path("/%s-other" % self.page)
        self.daemons.append(self.cluster.dispatcher("d1", hosts=self.hosts))
        self.daemons.append(self.cluster.worker("node07", slots=4, hosts=self.hosts, queues="default,render",
                                extra=("--state-dir=" + self.folder + "/state", "--work-dir=" + self.folder)))

    def prepare(self):
        for command in ("zkq ping --wait=30s", "zkq queue create render"):
            code, output = self.bash(command)
            if code != 0:
                raise AssertionError("%s: %s: %s" % (self.page, command, output))
        if self.page == "zkq-purge.1":
            self.fill("/app/queue", 20000)

    def fill(self, path, count):
        """A folder of another application."""
        client, path = self.cluster.client, "/" + self.page + path
        client.ensure_path(path)
        for first in range(0, count, 1000):
            transaction = client.transaction()
            for number in range(first, first + 1000):
                transaction.create("%s/n%d" % (path, number))
            transaction.commit()

    def real(self, text):
        """The sample's servers and ids replaced with ours."""
        text = re.sub(r"\bzk\d:2181(,zk\d:2181)*", lambda found: "127.0.0.1:1," * (GONE in found[0]) + self.hosts
                      if found[0] != GONE else "127.0.0.1:1", text)
        text = text.replace(OTHER, self.hosts + "-other")
        if HTTP in text:
            text = text.replace(HTTP, self.address(self.page[:-2]))
        for shown, name in self.names.items():
            text = text.replace(shown, name)
            if shown.count(".") == 2:
                text = text.replace("/".join(shown.split(".")[1:]), "/".join(name.split(".")[1:]))
        return text

    def address(self, program):
        """Where a daemon serves HTTP, from its znode."""
        where, field = ("workers", "log") if program == "zkq-worker" else ("election", "http")
        client, folder = self.cluster.client, "/%s/zkq/%s" % (self.page, where)
        return json.loads(client.get("%s/%s" % (folder, min(client.get_children(folder))))[0])[field]

    def bash(self, command, text=None):
        done = subprocess.run(["bash", "-c", command], input=text, stdin=None if text else subprocess.DEVNULL, env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder, text=True, timeout=SECONDS,
                              check=False)
        return done.returncode, done.stdout

    def pattern(self, shown):
        """The sample's output as a regular expression; groups n0, n1 ... are its ids that are new."""
        new, parts, at = {}, [], 0
        while at < len(shown):
            name = NAMES.match(shown, at) if at == 0 or not shown[at - 1].isalnum() else None
            if name:
                if name[0] in self.names:
                    parts.append(re.escape(self.names[name[0]]))
                elif name[0] in new:
                    parts.append("(?P=%s)" % new[name[0]])
                else:
                    new[name[0]] = "n%d" % len(new)
                    parts.append("(?P<%s>%s)" % (new[name[0]], ID if "." in name[0] else r"t-\d{10}"))
                at = name.end()
                continue
            for found, meant in PATTERNS:
                match = found.match(shown, at) if at == 0 or not (shown[at].isdigit() and shown[at - 1].isalnum()) else None
                if match:
                    parts.append(meant)
                    at = match.end()
                    break
            else:
                parts.append(re.escape(shown[at]))
                at += 1
        return new, "".join(parts)

    def compare(self, sample, command, shown, output):
        new, pattern = self.pattern(shown.replace("\\\n", ""))
        got = "\n".join(line.rstrip() for line in output.rstrip("\n").split("\n"))
        match = re.fullmatch(pattern, got)
        if not match:
            raise AssertionError("%s: $ %s\nshown:\n%s\ncame:\n%s" % (sample, command, shown, got))
        for name, group in new.items():
            self.names[name] = match[group]

    def compare_soon(self, sample, command, shown, real, times):
        """What looks at others may have to look again until they have done their part."""
        for again in range(times, 0, -1):
            _, output = self.bash(real)
            try:
                self.compare(sample, command, shown, output)
                return
            except AssertionError:
                if again == 1:
                    raise
                time.sleep(0.3)

    # ---- a sample of each kind ----

    def session(self, sample):
        variables = ""
        for part in re.split(r"(?m)^\$ ", sample.text)[1:]:
            command, _, shown = part.partition("\n")
            while command.endswith("\\"):
                more, _, shown = shown.partition("\n")
                command = command[:-1] + more.lstrip("> ")
            if re.match(r"\w+=", command):
                variables += self.real(command) + "\n"
                continue
            self.compare_soon(sample, command, shown.rstrip("\n"), variables + self.real(command),
                              10 if command.startswith("curl ") else 1)
            if command.startswith("zkq submit"):
                self.settle()

    def settle(self):
        """People do not type as fast as this: what was submitted runs by then, if it can."""
        for _ in range(20):
            code, output = self.bash("zkq status --json")
            if code != 0 or '"waiting":0' in output:
                break

    def commands(self, sample):
        for command in sample.text.split("\n"):
            if re.match(r"(sudo )?zkq-(dispatcher|worker)\b", command) and "--check-config" not in command:
                self.daemon(sample, command)
                continue
            code, output = self.bash(self.real(command))
            if code != 0:
                raise AssertionError("%s: %s: exit %d: %s" % (sample, command, code, output))

    def daemon(self, sample, command):
        """Up, and down again by SIGTERM."""
        process = subprocess.Popen(["bash", "-c", "exec " + self.real(command)], cwd=self.folder, text=True,
                                   env=dict(self.environment, STATE_DIRECTORY=tempfile.mkdtemp(dir=self.folder)),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said, up = [], False
        try:
            for line in process.stderr:
                said.append(line)
                up = re.search(UP, line)
                if up:
                    break
            process.terminate()
            said += process.communicate(timeout=SECONDS)[1].splitlines(True)
        finally:
            process.kill()
        if not up or process.returncode != 0:
            raise AssertionError("%s: %s: exit %d: %s" % (sample, command, process.returncode, "".join(said)))

    def tasks(self, sample):
        code, output = self.bash("zkq submit --file=- --dry-run", sample.text + "\n")
        if code != 0:
            raise AssertionError("%s: %s" % (sample, output))

    def cli(self, sample):
        for part in re.split(r"(?m)^(?=(?:create|get|ls|set|delete) )", sample.text):
            command, _, shown = part.partition("\n")
            if command:
                self.compare_soon(sample, command, shown.rstrip("\n"), "zkCli.sh " + self.real(command), 10)

    def conf(self, sample):
        check_config(self.folder, sample.text + "\n", self.environment)

    def program(self, sample):
        base = tempfile.mktemp(dir=self.folder)
        with open(base + ".c", "w", encoding="utf-8") as file:
            file.write(self.real(sample.text.replace("127.0.0.1:2181", self.hosts)))
        code, output = self.bash("cc -Wall -Wextra -Werror -I%s/include -o %s %s.c -L%s/.libs -lzkq" % (
            TOP, base, base, stories.OPTIONS.build))
        if code == 0:
            code, output = self.bash("LD_LIBRARY_PATH=%s/.libs %s" % (stories.OPTIONS.build, base))
        if code != 0:
            raise AssertionError("%s: %s" % (sample, output))

    def prometheus(self, sample):
        check_prometheus(self.folder, sample.text + "\n")

    def unknown(self, sample):
        raise AssertionError("%s: what is it? %s" % (sample, sample.text))

    def metrics(self):
        """The page of a daemon names what it serves, and nothing else."""
        with urllib.request.urlopen("http://%s/metrics" % self.address(self.page[:-2]), timeout=SECONDS) as answer:
            served = set(re.findall(r"(?m)^# TYPE (\S+)", answer.read().decode()))
        if served != described_metrics(self.page):
            raise AssertionError("%s: metrics served, or described, only: %s" % (
                self.page, " ".join(sorted(served ^ described_metrics(self.page)))))

    def run(self, todo):
        for sample in todo:
            getattr(self, sample.kind())(sample)
        if self.page.endswith(".8"):
            self.metrics()


class Samples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.exceptions = dict(EXCEPTIONS)
        cls.todo, cls.without = {}, []
        for path in pages():
            page = os.path.basename(path)
            found, examples = samples_of(path)
            if page.endswith((".1", ".8")) and not examples:
                cls.without.append(page)
            for sample in found:
                excepted = [key for key in EXCEPTIONS if key[0] == page and sample.text.startswith(key[1])]
                for key in excepted:
                    cls.exceptions.pop(key, None)
                if not excepted:
                    cls.todo.setdefault(page, []).append(sample)

    def test_every_exception_is_one(self):
        self.assertEqual(self.exceptions, {}, "not in the pages any more")

    def test_every_command_has_one(self):
        self.assertEqual(self.without, [], "no sample in EXAMPLES")

    def test_a_wrong_sample_is_found(self):
        place = Place.__new__(Place)
        place.names = {}
        sample = Sample("page", 1, "")
        place.compare(sample, "", "default.1.k3v9q7xa2m4t  DONE  3 s\n...", "default.7.aaaabbbbcccc   DONE  4.25 s\nxyz\n")
        self.assertEqual(place.names, {"default.1.k3v9q7xa2m4t": "default.7.aaaabbbbcccc"})
        for shown, output in (("good", "bad"), ("3 tasks", "4 tasks"), ("default.1.k3v9q7xa2m4t", "default.7.aaaabbbbcccd"),
                              ("a\nb", "a"), ("a", "a\nb"), ("exit 1", "exit 2"), ("DONE", "DONE "  "x")):
            with self.assertRaises(AssertionError, msg=shown):
                place.compare(sample, "", shown, output)

    def test_configuration_file(self):
        """etc/zkq.conf with each of its keys in force."""
        with open(TOP + "/etc/zkq.conf", encoding="utf-8") as file:
            text = re.sub(r"(?m)^;([a-z-]+ = *\S)", r"\1", file.read())
        self.assertGreater(len(re.findall(r"(?m)^[a-z-]+ =", text)), 10)
        with tempfile.TemporaryDirectory() as folder:
            check_config(folder, text, os.environ)

    def test_alerts(self):
        with open(TOP + "/etc/zkq-alerts.yml", encoding="utf-8") as file, tempfile.TemporaryDirectory() as folder:
            check_prometheus(folder, file.read())

    def test_samples(self):
        pages_to_run = {page: todo for page, todo in self.todo.items() if page in ONLY} if ONLY else self.todo
        with Cluster() as cluster:
            tools(cluster)
            places = [Place(cluster, page) for page in pages_to_run]
            for place in places:
                place.start()

            def run(place):
                begin = time.monotonic()
                try:
                    place.prepare()
                    place.run(pages_to_run[place.page])
                except (AssertionError, subprocess.SubprocessError, OSError, KazooException) as error:
                    return "%s: %s" % (type(error).__name__, error)
                print("  %-20s %.1f s" % (place.page, time.monotonic() - begin))
                return None
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                faults = [fault for fault in pool.map(run, places) if fault]
            print("  %d samples of %d pages, %d exceptions" % (sum(map(len, pages_to_run.values())), len(places), len(EXCEPTIONS)))
            # Nothing that they did is to be kept: no time for an end in good order.
            for daemon in cluster.daemons:
                daemon.kill()
        if faults:
            self.fail("\n" + "\n".join(faults))


def tools(cluster):
    """What samples call: the links that an installation makes, zkCli without its log, mail."""
    folder = cluster.folder + "/bin"
    os.makedirs(folder)
    for path in glob.glob(TOP + "/man/zkq-*.1"):
        os.symlink(stories.OPTIONS.build + "/zkq", os.path.join(folder, os.path.basename(path)[:-2]))
    for name, text in (
            ("zkCli.sh", '%s -server "$ZKQ_ZK" "$@" 2>&1 | grep -v -E "%s"' % (CLI, CLI_LOG)),
            ("mail", "cat > mail"), ("sudo", 'exec "$@"')):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n%s\n" % text)
        os.chmod(os.path.join(folder, name), 0o755)


ONLY = [word for word in os.environ.get("ZKQ_PAGES", "").split()]     # for a person who mends one page

if __name__ == "__main__":
    sys.exit(stories.main(__name__))
