#!/usr/bin/python3
"""examples: the programs of this folder are built as their first lines say, with pkg-config, and run on a cluster of zkq dev.
What pkg-config says and the name of the shared library are looked at, too. Run by make check; skips (77) what is absent."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.environ.get("top_srcdir", "."))
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
sys.path.insert(0, os.path.join(SOURCE, "tests/real"))
import zkserver  # noqa: E402

LINES = 1000
failures = []


def expect(what, condition, detail=""):
    if not condition:
        failures.append("%s: %s" % (what, str(detail)[-1000:]))


def run(*arguments, **more):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False, **more)


def pkg_config(*arguments):
    """As it will be when installed, but for the two folders."""
    return run("pkg-config", "--define-variable=libdir=" + BUILD + "/.libs", "--define-variable=includedir=" + SOURCE + "/include",
               *arguments, env=dict(os.environ, PKG_CONFIG_PATH=BUILD + "/src/lib"))


def package():
    done = pkg_config("--modversion", "zkq")
    version = run(BUILD + "/zkq", "--version").stdout.split()[2:3]
    expect("version", [done.stdout.strip()] == version, "%r, the program says %r" % (done.stdout, version))
    done = pkg_config("--libs", "zkq")
    expect("libs", done.stdout.split() == ["-L%s/.libs" % BUILD, "-lzkq"], done.stdout + done.stderr)
    done = pkg_config("--libs", "--static", "zkq")
    expect("static", {"-lzookeeper_mt", "-ljansson"} <= set(done.stdout.split()), done.stdout + done.stderr)
    done = run("objdump", "-p", BUILD + "/.libs/libzkq.so")
    expect("soname", re.search(r"SONAME +libzkq\.so\.0\n", done.stdout), done.stdout[:2000])


def flags():
    """A library built with sanitizers wants programs that are."""
    shown = run("nm", "-D", BUILD + "/.libs/libzkq.so").stdout
    return ["-fsanitize=address,undefined"] if "__asan_init" in shown else []


def build(source, folder, *packages):
    name = os.path.basename(source)[:-2]
    words = pkg_config("--cflags", "--libs", "zkq", *packages).stdout.split()
    done = run(*shlex.split(os.environ.get("CC", "cc")), "-Wall", "-Wextra", "-Werror", "-g", *flags(),
               source, *words, "-o", "%s/%s" % (folder, name))
    expect("build " + name, done.returncode == 0, done.stderr)


def header_in_cxx(folder):
    if not shutil.which("c++"):
        return
    with open(folder + "/header.cc", "w", encoding="ascii") as file:
        file.write("#include <zkq.h>\nint main() { return zkq_version() == 0; }\n")
    done = run("c++", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I" + SOURCE + "/include",
               folder + "/header.cc")
    expect("header in C++", done.returncode == 0, done.stderr)


def exported():
    """Every function of the header is exported, and the manual names every asynchronous one."""
    with open(SOURCE + "/include/zkq.h", encoding="utf-8") as file:
        header = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    declared = set(re.findall(r"^\w[\w *]*?\b(zkq_\w+)\(", header, re.MULTILINE)) - {"zkq_submit_fn"}
    declared = {name for name in declared if not name.endswith("_fn")}
    with open(SOURCE + "/src/lib/libzkq.sym", encoding="ascii") as file:
        listed = set(file.read().split())
    expect("header and list of symbols", declared == listed, sorted(declared ^ listed))
    with open(SOURCE + "/man/zkq.3", encoding="utf-8") as file:
        page = set(re.findall(r"\.Fn (zkq_\w+)", file.read()))
    expect("manual", page <= listed, sorted(page - listed))
    missing = {name for name in listed if name + "_wait" in listed} - page
    expect("manual has", not missing, sorted(missing))


def manual(folder):
    """The program of zkq(3)."""
    with open(SOURCE + "/man/zkq.3", encoding="utf-8") as file:
        text = re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed", file.read(), re.DOTALL | re.MULTILINE)[1]
    with open(folder + "/manual.c", "w", encoding="utf-8") as file:
        file.write(text.replace("\\e", "\\"))
    build(folder + "/manual.c", folder)


def on_a_cluster(folder):
    environment = dict(os.environ, PATH="%s:%s:%s" % (folder, BUILD, os.environ["PATH"]), LD_LIBRARY_PATH=BUILD + "/.libs",
                       TMPDIR=folder)
    for name in ("ZKQ_ZK", "ZKQ_ROOT", "ZKQ_AUTH"):
        environment.pop(name, None)

    def story(script):
        return run("zkq", "dev", "--quiet", "--", "sh", "-c", script, env=environment, stdin=subprocess.DEVNULL)
    done = story("""
        loop echo hello > one; echo $? >> one
        loop sh -c 'echo no; exit 3' > two; echo $? >> two
        seq %d | sed 's/^/echo /' | load > ids; echo $? > three
        zkq wait --timeout 60s - < ids; echo $? >> three
        zkq results - < ids > results
    """.replace(" > ", " > %s/" % folder).replace(" >> ", " >> %s/" % folder).replace(" < ", " < %s/" % folder) % LINES)

    def text(name):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return file.read()
    expect("zkq dev", done.returncode == 0, done.stdout + done.stderr)
    expect("loop", re.fullmatch(r"default\.\d+\.[a-z0-9]{12} done exit 0\nhello\n0\n", text("one")), text("one") + done.stderr)
    expect("loop, failing", re.fullmatch(r"default\.\d+\.[a-z0-9]{12} failed exit 3\nno\n1\n", text("two")),
           text("two") + done.stderr)
    expect("load", text("three") == "0\n0\n", text("three") + done.stderr)
    ids = text("ids").split()
    expect("ids", len(set(ids)) == LINES, len(ids))
    # The ids are in the order of the lines: the n-th task printed n.
    rows = re.findall(r'^(\S+?),sh,done,0,[0-9.]*,"?(\d+)$', text("results"), re.MULTILINE)
    expect("results", rows == [(ids[i], str(i + 1)) for i in range(len(ids))], text("results")[:300])
    done = run(folder + "/load", env=dict(environment, ZKQ_ZK="two words"), stdin=subprocess.DEVNULL)
    expect("load, no server", done.returncode == 69 and done.stderr.startswith("load: two words: "), done.stderr)


def main():
    if not shutil.which("pkg-config"):
        print("skipped: pkg-config is missing")
        return 77
    if not os.path.exists(BUILD + "/.libs/libzkq.so"):
        print("skipped: no shared library was built")
        return 77
    with tempfile.TemporaryDirectory(prefix="zkq-examples-") as folder:
        package()
        exported()
        build(SOURCE + "/tests/examples/loop.c", folder, "libevent_core")
        build(SOURCE + "/tests/examples/load.c", folder)
        manual(folder)
        header_in_cxx(folder)
        what = zkserver.missing()
        if not failures and what:
            print("built; not run: %s is missing" % what)
            return 77
        if not failures:
            on_a_cluster(folder)
    for failure in failures:
        print("FAIL " + failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
