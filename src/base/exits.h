/*
 * exits.h: exit codes, the same in every program; each manual page lists those that it uses.
 * The names of sysexits.h with our meaning beside them; 124-127 as timeout(1) and the shell have them.
 */
#ifndef ZKQ_BASE_EXITS_H
#define ZKQ_BASE_EXITS_H

enum {
	EXIT_OK = 0,
	EXIT_NO = 1,		/* the answer is no: nothing found, ended already, some ids failed */
	EXIT_USAGE = 64,	/* wrong usage */
	EXIT_DATA = 65,		/* a task, an id or a file is invalid */
	EXIT_NO_INPUT = 66,	/* a file cannot be opened */
	EXIT_UNAVAILABLE = 69,	/* ZooKeeper or another part is not reachable; nothing was sent */
	EXIT_SOFTWARE = 70,	/* our own mistake */
	EXIT_SYSTEM = 71,	/* the system refused something: memory, processes, sockets */
	EXIT_IO = 74,		/* cannot write stdout or read a file */
	EXIT_TEMPORARY = 75,	/* outcome unknown, or refused for now */
	EXIT_NOT_ALLOWED = 77,
	EXIT_CONFIG = 78,	/* configuration or installation is wrong; no tree at this root */

	/* Of commands that exit as a task did: wait, run, submit --wait. */
	EXIT_WAITED = 124,	/* waiting timed out; the task goes on */
	EXIT_OURS = 125,	/* no task's exit code: one of the above, or a task that has none */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
	EXIT_SIGNAL = 128,	/* plus the number of the signal */
};

#endif
