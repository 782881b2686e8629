"""table: bad input of every kind, and what becomes of it. One row each; rows.py says what the kinds of rows mean.

The rows that need no ZooKeeper are run by make check (tests/bad/offline), the others by tests/real/bad.py on a real server
with real daemons. Nothing here may crash or hang a program, touch another task, or be lost without a word.
"""
import os
import socket

import acts
from rows import Command, Configuration, Job, NotApplicable, Situation, Stranger, Task, section

VALID = '{"argv":["true"],"env":{"A":"\\u00fc\\n"},"time_limit":5.5,"noop":false,"cwd":null}'
ID = "default.1.aaa"
TASKS = ID + "|f|done|0|||ok"
DONE = {"state": "done", "exit": 0}

# ======== the text of a task ========

section("task text: JSON")
NotApplicable("a line that is empty", "lines without text are passed over; a file without tasks adds none, and says so")
Task("nothing at all", b"", "empty", only="inbox")
Task("no data, not even of length 0", None, "empty", only="inbox")
Task("a string", '"x"', "not JSON: '[' or '{' expected")
Task("a number", "1", "not JSON: '[' or '{' expected")
Task("null", "null", "not JSON: '[' or '{' expected")
Task("an empty array", "[]", "not a JSON object")
Task("an array of a task", "[%s]" % VALID, "not a JSON object")
for length in range(1, len(VALID)):
    Task("a task cut after byte %d" % length, VALID[:length], "not JSON: ")
Task("the task that was cut", VALID, None, DONE)
Task("text behind it", VALID + "x", "not JSON: end of file expected")
Task("a second task behind it", VALID + VALID, "not JSON: end of file expected")
Task("a byte order mark", "\ufeff" + VALID, "not JSON: '[' or '{' expected near '\\xef\\xbb\\xbf'",
     inbox_why="not JSON: '[' or '{' expected")
Task("a comment", "/* x */" + VALID, "not JSON")
Task("single quotes", "{'argv':['true']}", "not JSON: string or '}' expected")
Task("a comma too many", '{"argv":["true"],}', "not JSON: string or '}' expected")
Task("60,000 nested arrays", "[" * 60000, "not JSON: maximum parsing depth reached")
Task("nested objects", '{"argv":' * 3000, "not JSON: maximum parsing depth reached")
Task("deep below an unknown key", '{"argv":["true"],"x":%s%s}' % ("[" * 20000, "]" * 20000), "maximum parsing depth reached")
Task("a key twice", '{"argv":["true"],"argv":["false"]}', "not JSON: duplicate object key near '\"argv\"'")
Task("a key twice, deeper", '{"argv":["true"],"env":{"A":"1","A":"2"}}', "not JSON: duplicate object key")
Task("an unknown key", '{"argv":["true"],"later":{"x":[1,null]}}', None, DONE)
Task("bytes that are not UTF-8", b'{"argv":["\xff"]}', "not JSON: unable to decode byte 0xff")
Task("overlong UTF-8", b'{"argv":["\xc0\xaf"]}', "not JSON: unable to decode byte 0xc0")
Task("a surrogate as UTF-8", b'{"argv":["\xed\xa0\x80"]}', "not JSON: unable to decode byte 0xed")
Task("half a surrogate pair", '{"argv":["\\ud800"]}', "not JSON: invalid Unicode")
Task("NUL behind it", VALID.encode() + b"\0", "holds a NUL byte", inbox_why="not JSON: a NUL byte")
Task("\\u0000 in a string", '{"argv":["a\\u0000b"]}', "a string holds \\u0000 (line 1, column 19): bytes with NUL go into")
Task("64 zeros", b"\0" * 64, "a NUL byte", inbox_why="not JSON: a NUL byte")
Task("lines end with CR alone", '{"argv":["true"]}\r{"argv":["true"]}\r', "not JSON: end of file expected")
Task("a version to come", '{"v":2,"argv":["true"]}', "v: must be 1")
Task("a version in words", '{"v":"1","argv":["true"]}', "v: must be 1")

section("task text: the type of each field")
WRONG = {"number": "7", "string": '"7"', "boolean": "true", "array": "[]", "object": "{}"}
FIELDS = {
    "argv": (("number", "string", "boolean", "array", "object"), "argv: must be an array of strings, not empty"),
    "argv_base64": (("number", "string", "boolean", "array", "object"), "argv_base64: must be an array of strings, not empty"),
    "noop": (("number", "string", "array", "object"), "noop: must be true or false"),
    "name": (("number", "boolean", "array", "object"), "name: must be a string"),
    "cwd": (("number", "boolean", "array", "object"), "cwd: must be a string"),
    "env": (("number", "string", "boolean", "array"), "env: must be an object of strings"),
    "stdin": (("number", "boolean", "array", "object"), "stdin: must be a string"),
    "stdin_base64": (("number", "boolean", "array", "object"), "stdin_base64: must be a string"),
    "time_limit": (("string", "boolean", "array", "object"), "time_limit: must be a number of seconds from 0.001 to 1000000000"),
    "kill_grace": (("string", "boolean", "array", "object"), "kill_grace: must be a number of seconds from 0 to 1000000000"),
    "retries": (("string", "boolean", "array", "object"), "retries: must be a whole number from 0 to 1000"),
    "priority": (("string", "boolean", "array", "object"), "priority: must be a whole number from 0 to 9"),
    "by": (("number", "boolean", "array", "object"), "by: must be a string"),
    "at": (("number", "boolean", "array", "object"), "at: must be a string"),
    "key": (("number", "boolean", "array", "object"), "key: must be a string"),
}
for field, (kinds, why) in FIELDS.items():
    for kind in kinds:
        base = "" if field.startswith("argv") else '"argv":["true"],'
        Task("%s is %s %s" % (field, "an" if kind[0] in "ao" else "a", kind), '{%s"%s":%s}' % (base, field, WRONG[kind]), why)

section("task text: numbers")
for field, low, high in (("time_limit", "0.001", "1000000000"), ("kill_grace", "0", "1000000000"), ("retries", "0", "1000"),
                         ("priority", "0", "9")):
    whole = field in ("retries", "priority")
    range_why = "%s: must be a %s from %s to %s" % (field, "whole number" if whole else "number of seconds", low, high)
    for number, reason in (("-1", range_why), ("2147483648", range_why), ("9007199254740993", range_why),
                           ("9223372036854775808", "not JSON: too big integer"), ("1e400", "not JSON: real number overflow"),
                           ("NaN", "not JSON: invalid token"), ("Infinity", "not JSON: invalid token"), ("007", "not JSON: invalid token"),
                           (".5", "not JSON: invalid token"), ("+1", "not JSON: invalid token"), ("0x10", "not JSON: '}' expected")):
        Task("%s %s" % (field, number), '{"argv":["true"],"%s":%s}' % (field, number), reason)
Task("priority 0.1", '{"argv":["true"],"priority":0.1}', "priority: must be a whole number")
Task("priority 1e0: a whole number is written as one", '{"argv":["true"],"priority":1e0}', "priority: must be a whole number")
Task("time limit 0", '{"argv":["true"],"time_limit":0}', "time_limit: must be a number of seconds from 0.001")
Task("time limit 0.0001", '{"argv":["true"],"time_limit":0.0001}', "time_limit: must be a number of seconds from 0.001")
Task("time limit of 31 years", '{"argv":["true"],"time_limit":1e9}', None, DONE)
Task("time limit of 32 years", '{"argv":["true"],"time_limit":1000000001}', "time_limit: must be a number of seconds from 0.001")
Task("grace 0 and -0", '{"argv":["true"],"kill_grace":-0}', None, DONE)
Task("1,001 retries", '{"argv":["true"],"retries":1001}', "retries: must be a whole number from 0 to 1000")
NotApplicable("number of attempts 0", "there is no such field: retries counts from 0; the crash limit is not the task's to choose")

section("task text: commands")
Task("no command", '{"name":"x"}', "argv: missing")
Task("an empty command", '{"argv":[""]}', "argv: the command is empty")
Task("null among the arguments", '{"argv":["true",null]}', "argv: must be an array of strings, not empty")
Task("100,000 arguments", '{"argv":[%s]}' % ",".join(['"a"'] * 100000),
     "400010 bytes of JSON: at most 65536 are allowed", inbox_why="larger than 64 KiB")
Task("16,000 arguments", '{"argv":["true",%s]}' % ",".join(['"a"'] * 16000), None, DONE)
Task("an argument of 1 MiB", '{"argv":["%s"]}' % ("x" * 1048576), "longer than any task may be", only="file")
Task("an argument of 600,000 bytes", '{"argv":["%s"]}' % ("x" * 600000), "larger than 512 KiB", inbox_why="larger than 524288 bytes")
Task("twice, plain and in base64", '{"argv":["true"],"argv_base64":["YQ=="]}', "argv: given twice, plain and in base64")
Task("base64 of NUL", '{"argv_base64":["AA=="]}', "argv_base64: must be base64 of bytes without NUL")
Task("no base64", '{"argv_base64":["Y!=="]}', "argv_base64: must be base64 of bytes without NUL")
Task("base64 of bytes that are not UTF-8", '{"argv_base64":["dHJ1ZQ==","//4="]}', None, DONE)
Task("a shell text", '{"shell":"ls"}', 'shell: write "argv":["/bin/sh","-c",...] instead')
Task("a command that is not there", '{"argv":["/nonexistent/program"]}', None, {"state": "failed", "exit": 127})
Task("a command that is a directory", '{"argv":["/tmp"]}', None, {"state": "failed", "exit": 126})
Task("shell words as arguments", '{"argv":["test","$(false); `false` | \\n false","=","x"]}', None, {"state": "failed", "exit": 1})

section("task text: environment, directory, input")
Task("= in a name", '{"argv":["true"],"env":{"A=B":"c"}}', "env: names are letters, digits and _")
Task("an empty name", '{"argv":["true"],"env":{"":"c"}}', "env: names are letters, digits and _")
Task("a name that begins with a digit", '{"argv":["true"],"env":{"1A":"c"}}', "env: names are letters, digits and _")
Task("a name of ours", '{"argv":["true"],"env":{"ZKQ_FENCE":"0"}}', "do not begin with ZKQ_")
Task("a value that is no string", '{"argv":["true"],"env":{"A":1}}', "env: must be an object of strings")
Task("LD_PRELOAD reaches the task, as any command would", '{"argv":["sh","-c","test $LD_PRELOAD = /none.so"],"env":{"LD_PRELOAD":"/none.so"}}',
     None, DONE)
Task("10,000 variables", '{"argv":["true"],"env":{%s}}' % ",".join('"V%d":"x"' % i for i in range(10000)),
     "bytes of JSON: at most 65536 are allowed", inbox_why="larger than 64 KiB")
Task("4,000 variables", '{"argv":["sh","-c","test $V3999 = x"],"env":{%s}}' % ",".join('"V%d":"x"' % i for i in range(4000)), None, DONE)
NotApplicable("environment larger than execve takes", "a task is at most 64 KiB, execve takes at least 128 KiB")
Task("a relative directory", '{"argv":["true"],"cwd":"here"}', "cwd: must be an absolute path")
Task("an empty directory name", '{"argv":["true"],"cwd":""}', "cwd: must be an absolute path")
Task("a directory name of 5,000 bytes", '{"argv":["true"],"cwd":"/%s"}' % ("x" * 5000), "cwd: must be an absolute path of at most 4095")
for path in ("/nonexistent", "/etc/passwd", "/proc/self/fd/3"):
    Task("directory %s" % path, '{"argv":["true"],"cwd":"%s"}' % path, None, {"state": "failed"})
Task("input twice", '{"argv":["cat"],"stdin":"a","stdin_base64":"YQ=="}', "stdin: given twice, plain and in base64")
Task("input that is no base64", '{"argv":["cat"],"stdin_base64":"!"}', "stdin_base64: must be base64")
Task("input of 64 KiB + 1", '{"argv":["cat"],"stdin":"%s"}' % ("x" * 65537), "stdin: longer than 65536 bytes")
Task("input of 64 KiB: counted in the inbox", '{"argv":["cat"],"stdin":"%s"}' % ("x" * 65536), None, inbox_why="larger than 64 KiB",
     only="inbox")
Task("input of 60,000 bytes that nobody reads", '{"argv":["true"],"stdin":"%s"}' % ("x" * 60000), None, DONE)

section("task text: size")


def sized(size):
    return '{"argv":["true"],"name":"x","x":"%s"}' % ("x" * (size - 35))


assert len(sized(65536)) == 65536
Task("one byte below the limit", sized(65535), None, DONE)
Task("at the limit", sized(65536), None, DONE)
Task("one byte above the limit", sized(65537), "65537 bytes of JSON: at most 65536 are allowed", inbox_why="larger than 64 KiB")
Task("1,000,000 bytes in the inbox", sized(1000000), "larger than 512 KiB", inbox_why="larger than 524288 bytes")
NotApplicable("1,048,375 bytes and more in the inbox", "the server cuts the stranger off before there is a znode")
NotApplicable("gzip bombs", "nothing is ever compressed")

section("task text: user, dependencies, start time")
NotApplicable("user unknown, uid 0, -1, 4294967295, with a colon", "a task runs as its worker's user; there is no such field")
NotApplicable("dependencies unknown, on itself, in a circle", "not in this version; on the command line --after is refused")
NotApplicable("start time in the past, in summer time's gap, leap seconds, zones", "not in this version; --at and --in are refused")
NotApplicable("cron lines", "not in this version")

section("task text: names and labels")
for title, text in (("an escape sequence", "e\\u001b[2J"), ("a carriage return", "a\\rb"), ("a C1 control", "\\u0085"), ("DEL", "\\u007f"),
                    ("129 bytes", "x" * 129)):
    Task("name with %s" % title, '{"argv":["true"],"name":"%s"}' % text, "name: must be at most 128 bytes without control characters")
for title, text in (("direction turned round", "\\u202eabc"), ("zero width", "\\u200b"), ("HTML and quotes", "<b onload=x>\\\"'"),
                    ("a spreadsheet's formula", "=cmd()"), ("nothing", "")):
    Task("name with %s" % title, '{"argv":["true"],"name":"%s"}' % text, None, DONE)
Task("an empty key", '{"argv":["true"],"key":""}', "key: must be 1 to 1024 bytes")
Task("a key of 1,025 bytes", '{"argv":["true"],"key":"%s"}' % ("k" * 1025), "key: must be 1 to 1024 bytes")
Task("control characters in by", '{"argv":["true"],"by":"\\u001b[2J"}', None, DONE)
Task("a queue in the text", '{"argv":["true"],"queue":"other"}', "queue: all lines go to one: --queue=NAME", only="file")

# ======== the command line ========

# A call of each command that prints or does something.
CALLS = {
    "submit": "submit true", "run": "run true", "status": "status", "show": "show " + ID, "logs": "logs " + ID, "wait": "wait --json " + ID,
    "cancel": "cancel " + ID, "results": "results " + ID, "worker list": "worker list", "queue list": "queue list",
    "queue show": "queue show default", "queue create": "queue create --json new", "queue pause": "queue pause --json default",
    "queue resume": "queue resume --json default", "dev": "dev --help",
    "ping": "ping", "doctor": "doctor", "purge": "purge --help", "explain": "explain --help", "update": "update --help",
    "admin export": "admin export --help", "admin import": "admin import --help", "admin fsck": "admin fsck --help",
}
AS_TASK = ("run", "wait")	# exit as a task did: 125 for all that is not a task's
SUBMITTED = TASKS + "\ndefault.1.tok000000001|f|done|0|||ok"

section("command line: ids")
LOOK = {"show": 65, "wait": 125, "cancel": 65, "results": 65, "logs": 65, "status": 65}
for word, code in LOOK.items():
    strict = word in ("wait", "cancel", "logs")
    for title, text in (("empty", ""), (".", "."), ("..", ".."), ("with a slash", "a/b"), ("in upper case", "DEFAULT.1.abc"),
                        ("with a blank at its end", ID + " "), ("of look-alike letters", "d\u0435fault.1.abc"),
                        ("with a negative segment", "default.-1.abc"), ("with three dots", ID + ".x"), ("without a token", "default.1."),
                        ("without a segment", "default..aaa"), ("of 10,000 letters", "x" * 10000), ("with ESC", "default.1.a\x1b[2J"),
                        ("with a new line", "default.1.a\nb"), ("that is not UTF-8", b"default.1.\xff"),
                        ("with a segment beyond 32 bits", "default.4294967296.k3v9q7xa2m4t"), ("with a segment 01", "default.01.aaa"),
                        ("with a token of 65", "default.1." + "x" * 65)):
        Command("%s: an id %s" % (word, title), ["$FAKE", word, text], code, r"no task id: '.*' \(ids look like", tasks=TASKS)
    if strict:
        for title, text in (("of 64 letters", "x" * 64), ("%00", "%00"), ("with a blank", "a b"), ("that looks like an option", "-")):
            Command("%s: an id %s" % (word, title), ["$FAKE", word, "--", text], 0 if text == "-" and word != "logs" else 64 if text == "-" else code,
                    None if text == "-" and word != "logs" else "an id is missing|one task at a time|no task id", tasks=TASKS)
    Command("%s: /dev/zero as ids" % word, "exec $FAKE %s - < /dev/zero" % word, code, "standard input, line 1: holds a NUL byte")
    Command("%s: a line of 300 letters as id" % word, ["$FAKE", word, "-"], code, "line 1: longer than any line", stdin=b"x" * 300)
Command("results: an id that CSV must quote", ["$FAKE", "results", "--no-header", 'a,b"c'], 1, "no such task", out=r'^"a,b""c",,unknown,,,\n$',
        tasks=TASKS)
Command("show: a name of the inbox that is not there", ["$FAKE", "show", "x" * 128], 1, "no such task", tasks=TASKS)
NotApplicable("a chosen id that is used already", "ids are made by zkq; --key makes a submit repeatable")

section("command line: tasks")
Command("100,000 arguments", ["$ZKQ", "submit", "--dry-run", "true"] + ["x"] * 100000, 65, "invalid task: 400[0-9]+ bytes of JSON: at most 65536")
Command("an argument of 128 KiB", ["$ZKQ", "submit", "--dry-run", "x" * 131000], 65, "invalid task: 131[0-9]+ bytes of JSON")
NotApplicable("an argument of 1 MiB on the command line", "the kernel takes 128 KiB; in a file it is refused, above")
Command("an argument that is not UTF-8", ["$ZKQ", "submit", "--dry-run", "ls", b"\xff\xfe"], 0, None, out='"argv_base64":\\["bHM=","//4="\\]')
for option, word in (("-n", "name"), ("-C", "cwd"), ("--key", "key")):
    Command("%s that is not UTF-8" % word, ["$ZKQ", "submit", "--dry-run", option, b"/\xff", "true"], 65, "invalid task: %s: not UTF-8" % word)
Command("a variable that is not UTF-8", ["$ZKQ", "submit", "--dry-run", "-e", b"A=\xff", "true"], 65, "invalid task: env: not UTF-8")
Command("an empty key, as of an unset variable", ["$ZKQ", "submit", "--dry-run", "--key=", "true"], 65, "invalid task: key: must be 1 to 1024")
Command("a key of 100,000 letters", ["$ZKQ", "submit", "--dry-run", "--key=" + "k" * 100000, "true"], 65, "key: must be 1 to 1024")
Command("an empty name: none", ["$ZKQ", "submit", "--dry-run", "-n", "", "/bin/true"], 0, None, out='"name":"true"')
Command("a name with ESC", ["$ZKQ", "submit", "--dry-run", "-n", "e\x1b[2J", "true"], 65, "name: must be at most 128 bytes without control")
Command("a program whose name is no label", ["$ZKQ", "submit", "--dry-run", "/x/\x1b[2J"], 0, None, out='^(?!.*"name")')
Command("no command", ["$ZKQ", "submit"], 64, "a command is missing; try 'zkq submit --help'")
Command("an empty command", ["$ZKQ", "submit", ""], 64, "the command is empty; try")
Command("a variable twice: the later one", ["$ZKQ", "submit", "--dry-run", "-e", "A=1", "-e", "A=2", "true"], 0, None, out='"env":{"A":"2"}')
Command("a variable of ours", ["$ZKQ", "submit", "--dry-run", "-e", "ZKQ_ID=1", "true"], 65, "do not begin with ZKQ_")
Command("10,000 variables", ["$ZKQ", "submit", "--dry-run"] + ["-eV%d=x" % i for i in range(10000)] + ["true"], 65, "at most 65536 are allowed")
for text in ("", "=x", "1A=x", "A-B=x", "\u00e9=x"):
    Command("a variable %r" % text, ["$ZKQ", "submit", "--dry-run", "-e", text, "true"], 64, "not of the form NAME or NAME=VALUE; try")
for text in ("x", "/" + "x" * 5000):
    Command("a directory %s" % text[:8], ["$ZKQ", "submit", "--dry-run", "-C", text, "true"], 64 if text == "x" else 65, "absolute path")
for option in ("--retries=1", "--after=" + ID, "--at=tomorrow", "--in=-1s", "--slots=0", "--mem=1e400", "--array=5-1", "--label=\x1b"):
    Command("of a later version: " + option.partition("=")[0], ["$ZKQ", "submit", "--dry-run", option, "true"], 64, "is not in this version yet")

section("command line: queues")
for name in ("", "A", "a" * 33, "../x", "a/b", "a b", "a\nb", ".", "..", "\u00e9", "-a", "a" * 100000):
    Command("submit to queue %r" % name[:40], ["$ZKQ", "submit", "--dry-run", "--queue=" + name, "true"], 64, "a queue name is at most 32 of")
Command("submit to a queue that is not UTF-8", ["$ZKQ", "submit", "--dry-run", b"--queue=\xff", "true"], 64, "'\\\\xff': a queue name is")
NotApplicable("reserved names of queues (pending, dead, zookeeper)", "none is reserved: a queue's folder holds nothing but queues; see the real rows")

section("command line: options")
Command("an unknown option", ["$ZKQ", "status", "--bogus"], 64, "unknown or ambiguous option '--bogus'; try 'zkq status --help'")
Command("an ambiguous abbreviation", ["$ZKQ", "submit", "--k", "x", "true"], 64, "ambiguous option '--k'")
Command("an abbreviation", ["$ZKQ", "submit", "--dry-r", "--time-l", "5s", "true"], 0, None, out='"time_limit":5.0')
Command("an option twice: the later one", ["$ZKQ", "submit", "--dry-run", "-t", "5s", "-t", "6s", "true"], 0, None, out='"time_limit":6.0')
Command("options behind the command are the command's", ["$ZKQ", "submit", "--dry-run", "ls", "--bogus", "-l"], 0, None, out='"ls","--bogus","-l"')
Command("-- before the command", ["$ZKQ", "submit", "--dry-run", "--", "-x", "--y"], 0, None, out='"argv":\\["-x","--y"\\]')
Command("- is a command", ["$ZKQ", "submit", "--dry-run", "-"], 0, None, out='"argv":\\["-"\\]')
Command("-- and nothing", ["$ZKQ", "wait", "--"], 125, "an id is missing")
Command("a flag with a value", ["$ZKQ", "submit", "--dry-run=1", "true"], 64, "option '--dry-run' takes no argument")
Command("a value that is missing", ["$ZKQ", "status", "--timeout"], 64, "option '--timeout' needs an argument")
Command("an option of one letter that is no letter", ["$ZKQ", "submit", "-\u00e9"], 64, "unknown option '-\\\\xc3'")
Command("an option with ESC", ["$ZKQ", "submit", "--\x1b[2J"], 64, "option '--\\\\x1b\\[2J'")
Command("an option of 100,000 letters", ["$ZKQ", "submit", "--" + "x" * 100000], 64, "^.{100,900}; try 'zkq submit --help'\n$")
Command("a value of 100,000 letters", ["$ZKQ", "submit", "-p", "9" * 100000, "true"], 64, "^.{100,900}: a number from 0 to 9 is wanted; try")
Command("an unknown command", ["$ZKQ", "sumbit"], 64, "no command 'sumbit'; try 'zkq --help'")
Command("a command with ESC", ["$ZKQ", "\x1b[2J"], 64, "no command '\\\\x1b\\[2J'")
Command("an empty command word", ["$ZKQ", ""], 64, "no command ''")
Command("no words at all: the list of commands", ["$ZKQ"], 64, "^Usage: zkq COMMAND", lines=None)
Command("not even a name of the program", ["/usr/bin/python3", "-c", "import os, ctypes; ctypes.CDLL(None).execve(os.environb[b'FAKE'], "
        "(ctypes.c_char_p * 1)(), None)"], 64, "^Usage: zkq COMMAND", lines=None)
for text in ("", "-1", "0", "1e3", "99999999999999999999s", "10x", "1 s", "nan", "inf", "1m1h", "0x10", "\u0661s", "1" * 5000):
    Command("a time %r" % text[:24], ["$ZKQ", "submit", "--dry-run", "--time-limit=" + text, "true"], 64, "option '--time-limit': '.*': .*; try")
for text in ("", "-1", "10", "0x1", "1.0", "007x", "99999999999999999999", " 1"):
    Command("a number %r" % text, ["$ZKQ", "submit", "--dry-run", "--priority=" + text, "true"], 64, "a number from 0 to 9 is wanted")
for text in ("", " ", ",", ":", ":1", "a:", "a:b", "a:99999", "a:0", "a:-1", "[::1", "/a", "a//b", "a/..", "a,,b", "http://x:1", "a b:1",
             "\u00e9:1", "a\x1b:1", "h" * 5000, "a:1/zookeeper"):
    Command("servers %r" % text[:16], ["$ZKQ", "submit", "--dry-run", "--zk=" + text, "true"], 78,
            "cannot use servers '.*' with root '/zkq': host\\[:port\\]")
for text in ("", "/", "//", "a", "/a/", "/a//b", "/a/.", "/a/..", "/\n", "/zookeeper", "/zookeeper/x", "/" + "x" * 300, "/\x1b[2J"):
    Command("root %r" % text[:16], ["$ZKQ", "submit", "--dry-run", "--root=" + text, "true"], 78, "cannot use .*root '.*a path such as /zkq")

section("command line: standard input and files")
Command("input closed", "exec $ZKQ submit --dry-run -i - true <&-", 74, "cannot read standard input: Bad file descriptor")
Command("input from /dev/zero", "exec $ZKQ submit --dry-run -i - true < /dev/zero", 65, "standard input: more than 64 KiB: let the task fetch it")
Command("input of 64 KiB + 1", ["$ZKQ", "submit", "--dry-run", "-i", "-", "true"], 65, "more than 64 KiB", stdin=b"x" * 65537)
Command("input of 64 KiB", ["$ZKQ", "submit", "--dry-run", "-i", "-", "true"], 0, None, out='"stdin":"x{65536}"', stdin=b"x" * 65536)
Command("input of 64 KiB of NUL", ["$ZKQ", "submit", "--dry-run", "-i", "-", "true"], 0, None, out='"stdin_base64":"A', stdin=b"\0" * 65536)
Command("input that comes slowly", "(printf a; sleep 0.2; printf b) | $ZKQ submit --dry-run -i - true", 0, None, out='"stdin":"ab"')
Command("input that is a directory", ["$ZKQ", "submit", "--dry-run", "-i", "/", "true"], 74, "cannot read /: Is a directory")
Command("input that is missing", ["$ZKQ", "submit", "--dry-run", "-i", "/nonexistent", "true"], 66, "cannot open /nonexistent: No such file")
Command("tasks from /dev/zero", "exec $ZKQ submit --dry-run --file=- < /dev/zero", 65, "line 1: longer than any task may be")
Command("tasks from a closed input", "exec $ZKQ submit --dry-run --file=- <&-", 74, "cannot read standard input")
Command("tasks from a directory", ["$ZKQ", "submit", "--dry-run", "--file=/"], 74, "cannot read /: Is a directory")
Command("tasks from a missing file", ["$ZKQ", "submit", "--dry-run", "--file=/nonexistent"], 66, "cannot open /nonexistent")
Command("tasks: one bad line in a thousand, nothing is sent", "exec $ZKQ submit --file=$DIR/tasks", 65, "tasks, line 700: argv: missing",
        files={"tasks": '{"argv":["true"]}\n' * 699 + "{}\n" + '{"argv":["true"]}\n' * 300})
Command("ids from a closed input", "exec $FAKE wait - <&-", 125, "cannot read standard input")
Command("ids from a directory", "exec $FAKE results - < /", 74, "cannot read standard input: Is a directory")
Command("variables from /dev/zero", ["$ZKQ", "submit", "--dry-run", "--env-file=/dev/zero", "true"], 65, "/dev/zero, line 1: holds a NUL byte")
Command("variables in a line of 200,000", ["$ZKQ", "submit", "--dry-run", "--env-file=v", "true"], 65, "v, line 1: longer than any line",
        files={"v": "A=" + "x" * 200000})
Command("variables in a line without =", ["$ZKQ", "submit", "--dry-run", "--env-file=v", "true"], 65, "v, line 2: not of the form NAME=VALUE",
        files={"v": "A=1\nB\n"})
Command("variables with CR LF", ["$ZKQ", "submit", "--dry-run", "--env-file=v", "true"], 0, None, out='{"A":"1","B":"2"}', files={"v": "A=1\r\nB=2\r\n"})
Command("a credential file that is empty", "exec $ZKQ status --auth-file=$DIR/c", 78, "holds no credential: digest:user:password", files={"c": ""})
Command("a credential file of NULs", ["$ZKQ", "status", "--auth-file=/dev/zero"], 78, "too long for a credential|holds no credential")
Command("a credential file of 2,000 bytes", "exec $ZKQ status --auth-file=$DIR/c", 78, "too long for a credential", files={"c": "digest:a:" + "x" * 2000})
Command("a credential file that others can read", "chmod 644 $DIR/c; exec $ZKQ status --auth-file=$DIR/c", 78, "others can read it: chmod 600",
        files={"c": "digest:a:b"})
Command("a credential of another form", "exec $ZKQ status --auth-file=$DIR/c", 78, "not of the form digest:user:password", files={"c": "a:b\n"})
Command("a credential in the environment of another form", ["$ZKQ", "status"], 78, "ZKQ_AUTH: not of the form", env={"ZKQ_AUTH": "digest::x"})
Command("nobody listens", ["$ZKQ", "status", "--timeout=100ms"], 69, "cannot reach ZooKeeper at 127.0.0.1:1 in 100ms; try again")
Command("nobody listens, submitting", ["$ZKQ", "submit", "--timeout=100ms", "true"], 69, "in 100ms; nothing was sent: try again")

section("command line: output that cannot be written")


def output_rows(word, call):
    """Rows for one command; offline asks for those of commands that CALLS does not know yet."""
    code = 125 if word in AS_TASK else 74	# what exits as a task does has one code for all failures of its own
    more = {"tasks": SUBMITTED, "fake": "leaders=1", "out": None}
    lines = None if word in ("submit", "run", "logs", "queue create") and not call.endswith("--help") else 1	# they also say what they did
    Command("zkq %s to a full disk" % word, "exec $FAKE %s > /dev/full" % call, code, "cannot write standard output", lines=lines, **more)
    Command("zkq %s with output closed" % word, "exec $FAKE %s >&-" % call, code, "cannot write standard output", lines=lines, **more)
    Command("zkq %s with everything closed" % word, "exec $FAKE %s <&- >&- 2>&-" % call, code, None, **more)


for word, call in CALLS.items():
    output_rows(word, call)
    Command("zkq %s --help to a full disk" % word, "exec $FAKE %s --help > /dev/full" % word, 125 if word in AS_TASK else 74,
            "cannot write standard output")
for program in ("ZKQ", "WORKER", "DISPATCHER"):
    for option in ("--help", "--version", "--check-config"):
        Command("%s %s to a full disk" % (program.lower(), option), "exec $%s %s > /dev/full" % (program, option), 74, "cannot write standard output")
Command("a reader that goes away", "{ $FAKE results --no-header -; echo code $? >&2; } | head -1", 0, "^code 0\n$", out="^default", tasks=TASKS,
        stdin=(ID + "\n").encode() * 20000)

section("command line: the newer commands")
Command("explain: no id", ["$FAKE", "explain", "a.b"], 65, "no task id: 'a.b' \\(ids look like")
Command("update: nothing to change", ["$FAKE", "update", ID], 64, "nothing to change: --priority or --time-limit is needed; try")
Command("update: no id", ["$FAKE", "update", "-p", "1", "a.b"], 65, "no task id: 'a.b'")
Command("update: a priority of 10", ["$FAKE", "update", "-p", "10", ID], 64, "a number from 0 to 9 is wanted")
Command("update: a time limit that is none", ["$FAKE", "update", "-t", "x", ID], 64, "option '--time-limit': 'x'")
Command("admin: without a word", ["$FAKE", "admin"], 64, "no command 'admin': there are export, import, fsck; try")
Command("admin: an unknown word", ["$FAKE", "admin", "bogus"], 64, "no command 'admin bogus': there are export, import, fsck; try")
for word in ("import", "export", "fsck"):
    Command("admin %s: an operand" % word, ["$FAKE", "admin", word, "x"], 64, "'x': no operand is taken")
Command("purge: no path", ["$FAKE", "purge"], 64, "option '--path' is missing; try")
Command("purge: nobody to ask", ["$FAKE", "purge", "--path=/a"], 64, "there is nobody to ask: --yes, or --dry-run, is wanted")
Command("purge: a rate of 0", ["$FAKE", "purge", "--rate=0", "--path=/a"], 64, "a number from 1 to 10000000")
for path in ("", "x", "/", "/a//b", "/a/", "/a/..", "/zookeeper", "/zookeeper/quota", "/a\x1b"):
    Command("purge: path %r" % path, ["$ZKQ", "purge", "--yes", "--path=" + path], 64, "path", real=True)
for word in ("ping", "doctor"):
    Command("%s: an operand" % word, ["$FAKE", word, "x"], 64, "'x': no operand is taken")
Command("ping: a time that is none", ["$FAKE", "ping", "--wait=x"], 64, "option '--wait': 'x'")
for text in ("x", "0", "400d"):
    Command("queue pause --for=%s" % text, ["$FAKE", "queue", "pause", "--for=" + text, "default"], 64, "option '--for': '%s'" % text)
Command("status: unknown fields", ["$FAKE", "status", "-o", "bogus"], 64, "no field 'bogus'; there are: id, name")
Command("status: a time that is none", ["$FAKE", "status", "--since=x"], 64, "option '--since': 'x'")
Command("a home that is missing is not made", "HOME=$DIR/none $FAKE submit -q true && ! test -e $DIR/none", 0, None, out="^default", tasks=SUBMITTED)

section("command line: locale and terminal")
for locale in ("C", "POSIX", "tr_TR.UTF-8", "xx_YY", "\u00e9", "C.UTF-8"):
    Command("locale %s" % locale, ["$FAKE", "status", "-a", "--state=DONE"], 0, None, out=ID + " ", tasks=TASKS, env={"LC_ALL": locale, "LANG": locale})
    Command("locale %s, an error" % locale, ["$ZKQ", "submit", "-p", "\u0130I", "true"], 64, "option '--priority': '\u0130I': a number", env={"LC_ALL": locale})
for columns in ("0", "1", "100000", "-5", "x", "", "99999999999999999999"):
    Command("COLUMNS=%s" % columns, ["$FAKE", "status", "-a"], 0, None, out=ID, tasks=TASKS, env={"COLUMNS": columns, "TERM": "dumb"})
for term in ("", "dumb", "x" * 5000, "\x1b[2J"):
    Command("TERM=%r" % term[:8], ["$FAKE", "status", "-a", "--color=auto"], 0, None, out="^[^\x1b]*$", tasks=TASKS, env={"TERM": term})
NotApplicable("TERM and COLUMNS on a terminal", "tests/cli/commands looks at what reaches one")

# ======== files and environment ========

section("files: configuration")


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)


def writable_by_all(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("[zookeeper]\nroot = /a\n")
    os.chmod(path, 0o666)


Configuration("empty", b"")
Configuration("CR LF", b"[zookeeper]\r\nroot = /a\r\n")
Configuration("a byte order mark", b"\xef\xbb\xbf[zookeeper]\nroot = /a\n")
Configuration("missing", lambda path: None, ": cannot open it: No such file")
Configuration("a directory", os.mkdir, ": is a directory, not a file")
Configuration("a FIFO", make_fifo, ": is a FIFO, not a file")
Configuration("a socket", make_socket, ": cannot open it: No such device")
Configuration("a link to itself", lambda path: os.symlink(path, path), ": cannot open it: Too many levels of symbolic links")
Configuration("writable by everybody", writable_by_all, ": everybody can write it: chmod o-w /")
Configuration("a NUL", b"[zookeeper]\nroot = /a\0b\n", ":2: has a NUL character: not a text file")
Configuration("a line of 1 MiB", b"[zookeeper]\nroot = /" + b"x" * 1048576 + b"\n", ":2: longer than [0-9]+ characters")
Configuration("1 MiB of comments", b"; x\n" * 262144, ": larger than 256 kB")
Configuration("an unknown key", "[zookeeper]\nrooot = /a\n", ":2: unknown key 'rooot' in \\[zookeeper\\]; is 'root' meant\\?")
Configuration("an unknown section", "[zookeper]\nroot = /a\n", ":1?2: unknown section \\[zookeper\\]")
Configuration("a key twice", "[zookeeper]\nroot = /a\nroot = /b\n", ":3: 'root' stands already in line 2")
Configuration("a key before any section", "root = /a\n", ":1: 'root' stands before the first \\[section\\]")
Configuration("a key without value", "[zookeeper]\nroot =\n", ":2: 'root' has no value")
Configuration("no key", "[zookeeper]\nnonsense\n", ":2: neither \\[section\\] nor key = value")
Configuration("a section that is not closed", "[zookeeper\nroot = /a\n", ":1: neither")
Configuration("ESC in a key", "[zookeeper]\nro\x1b[2Jot = /a\n", ":2: unknown key 'ro\\\\x1b\\[2Jot'")
Configuration("a wrong word", "[log]\nlog-level = loud\n", ":2: log-level = loud: error, warning, info or debug", ("WORKER", "DISPATCHER"))
Configuration("a wrong unit", "[worker]\ndrain-deadline = 10x\n", ":2: drain-deadline = 10x: ", ("WORKER",))
Configuration("a number too large", "[worker]\nslots = 99999999999999999999\n", ":2: slots = 9+: a number from 1 to 4096", ("WORKER",))
Configuration("a time too large", "[worker]\ndrain-deadline = 99999999999999999999s\n", ":2: drain-deadline = 9+s: ", ("WORKER",))
Configuration("a queue twice", "[worker]\nqueues = a,b,a\n", ":2: queues = a,b,a: a queue stands twice", ("WORKER",))
Configuration("servers of another form", "[zookeeper]\nzk = a:b\n", ":2: zk = a:b: not HOST", ("WORKER", "DISPATCHER"))
Configuration("root in ZooKeeper's own", "[zookeeper]\nroot = /zookeeper/x\n", ":2: root = /zookeeper/x: not an absolute path", ("WORKER", "DISPATCHER"))
NotApplicable("include loops", "files do not include others")
NotApplicable("a configuration file of another owner", "whoever starts a program names the file; that others can write it is refused")

section("environment: daemons that cannot start")
for program, call in (("worker", "$WORKER --name=w --state-dir=$DIR/s"), ("dispatcher", "$DISPATCHER")):
    Command("%s: 4 files may be open" % program, "ulimit -n 4; exec " + call, 71, "no more than 4 files may be open, 64 are needed: raise ulimit -n")
    Command("%s: 60 files may be open" % program, "ulimit -n 60; exec " + call, 71, "no more than 60 files may be open")
    Command("%s: an operand" % program, "exec %s x" % call, 64, "x: no operand is expected; try")
    Command("%s: a credential file that is missing" % program, "exec %s --auth-file=/nonexistent" % call, 78, "cannot open /nonexistent")
    Command("%s: a credential file that others can read" % program, "chmod 644 $DIR/c; exec %s --auth-file=$DIR/c" % call, 78, "others can read it",
            files={"c": "digest:a:b"})
    Command("%s: a credential of another form" % program, "exec " + call, 78, "ZKQ_AUTH: not of the form", env={"ZKQ_AUTH": "nonsense"})
    Command("%s: a credential too long" % program, "exec " + call, 78, "ZKQ_AUTH: too long", env={"ZKQ_AUTH": "digest:a:" + "x" * 3000})
    Command("%s: an empty credential file" % program, "exec %s --auth-file=$DIR/c" % call, 78, "holds no credential", files={"c": "\n"})
    for text in ("", "nonsense:99999", "1.2.3.4:-1", "h:", "h:+1", "x:y:z", "::1::", "[h]:1", "[::1", "::1.2.3.4.5"):
        for check in ("", " --check-config"):
            Command("%s: HTTP at %r%s" % (program, text, check), "exec %s '--http-address=%s'%s" % (call, text, check), 64,
                    "'--http-address': '.*': not HOST")
    Configuration("%s: HTTP at x:y:z" % program, "[%s]\nhttp-address = x:y:z\n" % program, ":2: http-address = x:y:z: not HOST",
                  (program.upper(),))
    for text in ("h", ":0", "h:65535", "::1", "[::1]", "[::1]:0", "::ffff:1.2.3.4", "fe80::1%eth0"):
        Configuration("%s: HTTP at %s" % (program, text), "[%s]\nhttp-address = %s\n" % (program, text), None, (program.upper(),))
for program in ("ZKQ", "WORKER", "DISPATCHER"):
    AUTH = {"ZKQ_AUTH": "digest:anna\x1b:SECRET"}
    CHECK = "chmod 600 $DIR/c; exec $%s --check-config --config=/dev/null" % program
    FILES = {"c": "digest:bert:SECRET\n", "conf": "[zookeeper]\nauth-file = c\n"}
    Command("%s: credential in effect: none" % program, CHECK, out="^; no credential\n", files=FILES)
    Command("%s: credential in effect: ZKQ_AUTH" % program, CHECK, env=AUTH, files=FILES,
            out="(?s)\\A(?!.*SECRET); credential of user anna\\\\x1b ; ZKQ_AUTH\n")
    Command("%s: credential in effect: a file" % program, CHECK + " --auth-file=$DIR/c", files=FILES,
            out="(?s)\\A(?!.*SECRET); credential of user bert ; /[^\n;]*/c\n")
    Command("%s: credential in effect: a file before ZKQ_AUTH" % program, CHECK + " --auth-file=$DIR/c", env=AUTH, files=FILES,
            out="(?s)\\A(?!.*SECRET); credential of user bert ; /[^\n;]*/c; ZKQ_AUTH is set, too, and not used\n")
    NAMED = "chmod 600 $DIR/c; cd $DIR; exec $%s --check-config --config=conf" % program
    Command("%s: credential in effect: a file of the configuration" % program, NAMED, files=FILES, out="; credential of user bert ; c\n")
    Command("%s: credential in effect: ZKQ_AUTH before the configuration" % program, NAMED, env=AUTH, files=FILES,
            out="(?s); credential of user anna\\\\x1b ; ZKQ_AUTH\n.*; auth-file is not used: ZKQ_AUTH goes before\n")
    Command("%s: credential in effect: an option before ZKQ_AUTH" % program, NAMED + " --auth-file=c", env=AUTH, files=FILES,
            out="; credential of user bert ; c; ZKQ_AUTH is set, too, and not used\n")
Command("zkq: the configuration as JSON", "exec $ZKQ --check-config --json --config=/dev/null --root=/a", env={"ZKQ_AUTH": "digest:anna:SECRET"},
        out="(?s)\\A(?!.*SECRET){\"schema\":\"zkq.config/1\",\"items\":\\[.*{\"section\":\"zookeeper\",\"key\":\"root\",\"value\":\"/a\",\"from\":\"option\"}"
            ".*\"key\":\"auth-file\",\"value\":null,\"from\":null.*\\],\"credential\":{\"user\":\"anna\",\"from\":\"ZKQ_AUTH\"}}\n\\Z")
Command("zkq: the configuration as JSON, no credential", "exec $ZKQ --check-config --json", out="\"credential\":null}\n$")
Command("zkq: 4 files may be open", "ulimit -n 4; exec $ZKQ status --timeout=100ms", 69, "cannot reach ZooKeeper.*Too many open files")
for name in ("", "a.b", "x" * 65, "a/b", "\x1b[2J", "\u00e9"):
    Command("worker name %r" % name[:8], ["$WORKER", "--name=" + name], 64, "a worker name is at most 64 letters")
for name in ("", "x" * 129, "\x1b[2J", "\u202e", b"\xff"):
    Command("dispatcher name %r" % (name[:8],), ["$DISPATCHER", b"--name=" + (name if isinstance(name, bytes) else name.encode())], 64,
            "a name is 1 to 128 bytes of UTF-8 without control characters")
for option, why in (("--slots=0", "a number from 1 to 4096"), ("--slots=4097", "a number from 1 to 4096"), ("--queues=a,,b", "a queue name is"),
                    ("--queues=", "a queue name is"), ("--queues=a,a", "a queue stands twice"), ("--lost-after=1ms", "too short to renew a lease in"),
                    ("--lost-after=25h", "a time from"), ("--session-timeout=1ms", "a time from 500ms"), ("--state-dir=", "the path of a directory"),
                    ("--work-dir=", "the path of a directory"), ("--state-dir=/" + "x" * 2000, "too long")):
    Command("worker %s" % option[:24], ["$WORKER", "--name=w", option], 64, why)
for thing, make in (("a file", "echo > $DIR/x"), ("a FIFO", "mkfifo $DIR/x"), ("a link to itself", "ln -s x $DIR/x"),
                    ("a link to nothing", "ln -s gone $DIR/x")):
    Command("state directory: %s" % thing, make + "; exec $WORKER --name=w --state-dir=$DIR/x", 78, "cannot use the state directory /")
    Command("work directory: %s" % thing, make + "; exec $WORKER --name=w --state-dir=$DIR/s --work-dir=$DIR/x", 78, "cannot use the work directory /")
Command("state directory: its logs are a FIFO", "mkdir $DIR/x; mkfifo $DIR/x/logs; exec $WORKER --name=w --state-dir=$DIR/x", 78,
        "cannot use the state directory /.*: Not a directory")
NotApplicable("state directory: its logs are a link", "to a larger disk, say: the directory is the worker's own, and nobody else's to link in")
Command("state directory below /proc", ["$WORKER", "--name=w", "--state-dir=/proc/x"], 78, "cannot use the state directory /proc/x")

# ======== strangers' znodes ========

section("strangers: the inbox")
Stranger("a task with a child", acts.with_child, "'with-child' in the inbox is set aside: it cannot be deleted: not empty")
Stranger("a task that nobody may read", acts.unreadable, "'unreadable' in the inbox is set aside: not allowed")
Stranger("both", acts.unreadable_with_child, "'unremovable' in the inbox is set aside: not allowed")
Stranger("an ephemeral task", acts.ephemeral)
Stranger("ephemeral tasks whose session ends", acts.session_ends)
Stranger("a container", acts.container)
NotApplicable("TTL znodes", "servers refuse them unless told otherwise; to the leader one is a task that somebody deletes, below")
Stranger("odd names", acts.odd_names)
Stranger("a name of 300 kB", acts.long_name)
Stranger("a name of 129 bytes", acts.name_of_129, "in the inbox is set aside: its name is too long")
NotApplicable("a path of 900 kB", "one level is what a stranger can add to ours: a name, above; the server cuts off what is larger than 1 MB")
NotApplicable("a sequence number beyond 2^31", "a folder that saw 2^31 creates; the names that it would give are among the odd names")
Stranger("many at once", acts.many)
Stranger("rewritten before they are moved", acts.rewritten)
Stranger("deleted before they are read", acts.deleted)
Task("1,000,000 bytes that are not text", b"\xff" * 1000000, "", only="inbox", inbox_why="larger than 524288 bytes")

section("strangers: the rest of the tree")
Stranger("names that belong nowhere", acts.junk)
Stranger("children below a running task", acts.children_below_task)
Stranger("grandchildren below a running task", acts.grandchild_below_task)
Stranger("forged sequence numbers", acts.forged_sequence)
Stranger("claims of a worker that never was", acts.unknown_worker)
Stranger("what nobody may read, and reports of other shapes", acts.hidden,
         "its folder of incarnation abcd1234 may not be listed: it is empty, and left alone")
Stranger("junk in a worker's folder", acts.junk_in_worker_folder, "is no claim; it is left alone")
Stranger("workers that are none", acts.bogus_workers)
Stranger("a candidate that is no session's", acts.stranger_leads, "is no session's; it is a stranger's and is removed")
NotApplicable("the epoch znode deleted or made again", "there is none: a leader's own candidate is its proof")
Situation("a result without a task", acts.result_without_task)
Situation("a root whose parent is missing", acts.no_parent)
Situation("a root of somebody else's", acts.foreign_root)
Situation("a root of a newer format", acts.newer_format)
Situation("a root that may only be read", acts.read_only)
Situation("names of queues that sound reserved", acts.queue_names)
UNKNOWN = "default.0.zzzzzzzzzzzz"
for words in ("status", "show " + UNKNOWN, "results " + UNKNOWN, "cancel " + UNKNOWN, "logs " + UNKNOWN, "queue list", "worker list", "submit true", "submit --file=-",
              "queue create x", "queue pause x", "queue show x"):
    Command("zkq %s: no tree at this root" % words.split(" default")[0], "exec $ZKQ %s --root=/nowhere" % words if words != "submit true" else
            "exec $ZKQ submit --root=/nowhere true", 78, "no zkq tree here; a dispatcher makes it when it first runs", real=True, out=None,
            stdin=b'{"argv":["true"]}\n', lines=2 if words == "submit --file=-" else 1)
Command("zkq wait: no tree at this root", ["$ZKQ", "wait", "--root=/nowhere", UNKNOWN], 125, "no zkq tree here", real=True)
Command("zkq run: no tree at this root", ["$ZKQ", "run", "--root=/nowhere", "true"], 125, "no zkq tree here", real=True)
Command("a chroot that is not there", "exec $ZKQ status --zk=$ZKQ_ZK/none", 78, "no zkq tree here", real=True)
Command("an unknown queue", ["$ZKQ", "submit", "-Q", "defualt", "true"], 65, "defualt: no such queue; is 'default' meant\\?", real=True)
for name in ("", "A", "a/b", "..", "q" * 33, "a\x1b"):
    Command("zkq queue create %r" % name[:8], ["$ZKQ", "queue", "create", name], 65, "not a name for a queue", real=True)
Command("zkq queue create: there already", ["$ZKQ", "queue", "create", "default"], 1, "default: there already", real=True)
Command("zkq show: unknown", ["$ZKQ", "show", UNKNOWN], 1, "no such task", real=True)
Command("zkq cancel: unknown", ["$ZKQ", "cancel", UNKNOWN], 1, "no such task", real=True)
Command("zkq logs: unknown", ["$ZKQ", "logs", UNKNOWN], 1, "no such task", real=True)
Command("zkq wait: unknown", ["$ZKQ", "wait", UNKNOWN], 125, "no such task", real=True)

# ======== processes ========

section("jobs: how they end")
for code in (0, 1, 2, 124, 125, 126, 127, 128, 129, 255):
    Job("exit %d" % code, {"argv": ["sh", "-c", "exit %d" % code]}, {"state": "failed" if code else "done", "exit": code, "signal": None})
for number in range(1, 65):
    if number in (17, 18, 23, 28):
        Job("signal %d: nothing" % number, {"argv": ["sh", "-c", "kill -%d $$; exit 4" % number]}, {"state": "failed", "exit": 4, "signal": None})
    elif number in (19, 20, 21, 22):
        Job("signal %d: stopped until its time limit" % number, {"argv": ["sh", "-c", "kill -%d $$; exit 4" % number], "time_limit": 0.3,
            "kill_grace": 0.2}, {"state": lambda state: state in ("timeout", "failed"), "exit": lambda code: code in (None, 4)})
    else:
        Job("signal %d" % number, {"argv": ["sh", "-c", "kill -%d $$; exit 4" % number]}, {"state": "failed", "exit": None, "signal": number})
Job("stopped and continued", {"argv": ["sh", "-c", "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 3"]}, {"state": "failed", "exit": 3})
Job("closes its pipes and lives on", {"argv": ["sh", "-c", "exec <&- >&- 2>&-; sleep 0.3; exit 7"]}, {"state": "failed", "exit": 7})
Job("a left-over child writes on", {"argv": ["sh", "-c", "(sleep 30; echo late) & echo early"]}, {"state": "done", "tail": "early\n"})
Job("a left-over child in a session of its own", {"argv": ["sh", "-c", "setsid sleep 60 > /dev/null 2>&1 & echo x"]}, {"state": "done"})
Job("never reads its input", {"argv": ["sleep", "0.2"], "stdin": "x" * 60000}, {"state": "done"})
Job("ignores SIGTERM", {"argv": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], "time_limit": 0.2, "kill_grace": 0.3},
    {"state": "timeout", "signal": 9})
Job("4 files may be open", {"argv": ["sh", "-c", "ulimit -n 4; exec true"]}, {"state": "done"})
Job("files of no size", {"argv": ["sh", "-c", "ulimit -f 0; exec dd if=/dev/zero of=too-large bs=1k count=64"]}, {"state": "failed", "signal": 25})
Job("1 MiB of memory", {"argv": ["sh", "-c", "ulimit -v 1024; exec sort /etc/passwd"]}, {"state": "failed"})
Job("a command too long for execve's taste", {"argv": ["true"] + ["x" * 1000] * 60}, {"state": "done"})

section("jobs: what they print")
Job("NULs", {"argv": ["head", "-c", "3000", "/dev/zero"]}, {"state": "done", "stdout_bytes": 3000})
Job("1 MB without a new line", {"argv": ["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"]}, {"state": "done", "stdout_bytes": 1000000})
Job("bytes that are not UTF-8", {"argv": ["printf", "\\377\\376\\300\\257"]}, {"state": "done", "stdout_bytes": 4})
Job("escape sequences", {"argv": ["printf", "\\033[2J\\033]0;x\\007\\r\\n"]}, {"state": "done", "stdout_bytes": 12})
Job("half a character at the end", {"argv": ["printf", "a\\303"]}, {"state": "done", "stdout_bytes": 2})
NotApplicable("10 GB of output", "tests of the log files and of HTTP do that with files that hold nothing")

section("daemons: their surroundings")
for title, text, more in (("garbage", "garbage", {}), ("too long", "/" + "x" * 500, {}), ("of nobody", "@zkq-nobody", {"WATCHDOG_USEC": "abc"}),
                          ("a watchdog of 1 us", "@zkq-nobody", {"WATCHDOG_USEC": "1"}), ("a watchdog of 0", "@zkq-nobody", {"WATCHDOG_USEC": "0"}),
                          ("LISTEN_FDS lies", "", {"LISTEN_FDS": "99", "LISTEN_PID": "1"})):
    Situation("service manager: " + title, acts.manager(text, **more))
for title, when in (("before 1970", "@1960-01-01 00:00:00"), ("after 2038", "@2040-06-01 00:00:00"), ("that stands", "2026-01-01 00:00:00")):
    Situation("a clock " + title, acts.clock(when))
Situation("a state directory on a full disk", acts.full_disk)
Situation("what is left of earlier lives is torn", acts.torn_lives)
Situation("a job that kills its supervisor", acts.kills_its_supervisor, quick=False)
NotApplicable("reload while the file is invalid", "tests/real/config.py: the daemon keeps what it had and says what is wrong")
NotApplicable("pid files", "there are none: a lock that ends with the process, and a pid with its start time")
NotApplicable("PID reuse", "a process is known by pid, start time and boot id; tests/unit and tests/real/leaving.py")
NotApplicable("log file is a link, a FIFO, a directory", "daemons log to standard error; output files are made below a directory held open")
NotApplicable("a spool with 1,000,000 files", "there is none: output files are removed with their life, tests/unit/test_oldlogs")
NotApplicable("fork bombs, out of memory", "the operator's limits (cgroup, ulimit) apply to the worker; see zkq-worker(8)")
