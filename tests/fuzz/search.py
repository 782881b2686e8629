#!/usr/bin/python3 -B
"""Looks for inputs that break a fuzz target, in a build configured with --enable-fuzzing CC=clang.

usage: search.py BUILD TARGET|all [OPTION OF LIBFUZZER...]
       search.py --keep BUILD TARGET|all

The search begins with the corpus and what earlier ones found, and keeps what is new in BUILD/found/TARGET; a failure
leaves BUILD/found/TARGET-crash-*. Without options it ends after 10^7 executions. --keep puts the smallest inputs that reach
all that was reached into corpus/TARGET.found, which make check replays.
"""
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT_BYTES = 24 * 1024      # of each target: enough for most of them, and the tree stays small

# The longest input that is worth trying, and the words that inputs are made of.
TARGETS = {
    'answer': (1000, 'http'),
    'conf': (600, 'conf'),
    'dump': (500, 'json'),
    'duration': (64, 'duration'),
    'http': (1000, 'http'),
    'json': (500, 'json'),
    'message': (700, 'json'),
    'names': (300, 'names'),
    'options': (400, 'conf'),
    'record': (1000, 'json'),
    'report': (1000, 'json'),
    'table': (64, 'terminal'),
    'task': (1000, 'json'),
    'terminal': (64, 'terminal'),
    'wire': (500, 'names'),
}


def unpack(packed, folder):
    """Of each input: its length, a newline, its bytes, a newline."""
    if not os.path.exists(packed):
        return
    with open(packed, 'rb') as file:
        number = 0
        for line in iter(file.readline, b''):
            with open(os.path.join(folder, 'kept%04d' % number), 'wb') as single:
                single.write(file.read(int(line)))
            file.read(1)
            number += 1


def pack(folder, packed):
    """At most KEPT_BYTES; which of them is always the same choice."""
    inputs = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), 'rb') as file:
            inputs.append(file.read())
    random.Random(1).shuffle(inputs)
    room, chosen = KEPT_BYTES, []
    for data in inputs:
        if len(data) + 8 <= room:
            chosen.append(data)
            room -= len(data) + 8
    with open(packed, 'wb') as file:
        for data in sorted(chosen, key=lambda data: (len(data), data)):
            file.write(b'%d\n%s\n' % (len(data), data))
    return len(chosen), len(inputs)


def environment(build):
    """With a locale that has a decimal comma and other letters, where one can be made."""
    places = os.path.join(build, 'found', 'locale')
    if not os.path.exists(places + '/tr_TR.UTF-8') and shutil.which('localedef'):
        os.makedirs(places, exist_ok=True)
        subprocess.run(['localedef', '-i', 'tr_TR', '-f', 'UTF-8', places + '/tr_TR.UTF-8'], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
    return dict(os.environ, LOCPATH=places + ':/usr/lib/locale',
                ASAN_OPTIONS='malloc_context_size=2:quarantine_size_mb=4:' + os.environ.get('ASAN_OPTIONS', ''))


def search(build, target, options):
    longest, words = TARGETS[target]
    found = os.path.join(build, 'found', target)
    os.makedirs(found, exist_ok=True)
    unpack(os.path.join(HERE, 'corpus', target + '.found'), found)
    command = [os.path.join(build, 'tests/fuzz/fuzz_' + target), '-max_len=%d' % longest,
               '-dict=' + os.path.join(HERE, 'words', words), '-artifact_prefix=%s-' % found, '-print_final_stats=1']
    print('== fuzz_' + target, flush=True)
    return subprocess.run(command + (options or ['-runs=10000000']) + [found, os.path.join(HERE, 'corpus', target)],
                          env=environment(build), check=False).returncode


def keep(build, target):
    found, least = (os.path.join(build, 'found', target + end) for end in ('', '.least'))
    shutil.rmtree(least, ignore_errors=True)
    os.makedirs(least)
    subprocess.run([os.path.join(build, 'tests/fuzz/fuzz_' + target), '-set_cover_merge=1', least, found],
                   env=environment(build), stderr=subprocess.DEVNULL, check=True)
    print('%s: %d of %d inputs' % ((target,) + pack(least, os.path.join(HERE, 'corpus', target + '.found'))))


def main(arguments):
    keeping = arguments[:1] == ['--keep']
    arguments = arguments[keeping:]
    if len(arguments) < 2 or arguments[1] not in ['all', *TARGETS]:
        sys.exit(__doc__)
    build = os.path.abspath(arguments[0])
    failed = 0
    for target in TARGETS if arguments[1] == 'all' else [arguments[1]]:
        if keeping:
            keep(build, target)
        else:
            failed |= search(build, target, arguments[2:]) != 0
    return int(failed)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
