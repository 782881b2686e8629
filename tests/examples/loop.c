/*
 * loop.c: submits a task and reads its result inside a program that has an event loop of its own, here libevent's.
 *
 *     cc loop.c $(pkg-config --cflags --libs zkq libevent_core) -o loop
 *     ZKQ_ZK=127.0.0.1:2181 ./loop uname -a
 *
 * Nothing in it blocks: a timer of the program goes on while the task runs. Exits 0 when the task is done, else 1.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zkq.h>

struct program {
	struct event_base *base;
	struct zkq *zkq;
	struct event *readable, *due;	/* of the handle */
	int ticks;			/* what else the program does */
	int failed;
};

/* After every zkq_dispatch() and every asynchronous call: when is the next dispatch due? */
static void
schedule(struct program *program)
{
	int ms = zkq_timeout(program->zkq);
	struct timeval after = { ms / 1000, ms % 1000 * 1000 };

	if (ms < 0)
		evtimer_del(program->due);
	else
		evtimer_add(program->due, &after);
}

static void
on_event(evutil_socket_t fd, short what, void *context)
{
	struct program *program = context;

	(void)fd;
	(void)what;
	zkq_dispatch(program->zkq);
	schedule(program);
}

static void
on_tick(evutil_socket_t fd, short what, void *context)
{
	struct program *program = context;

	(void)fd;
	(void)what;
	program->ticks++;
}

static void
on_result(void *context, int index, int error, const struct zkq_info *info)
{
	struct program *program = context;

	(void)index;
	if (error != ZKQ_OK) {
		fprintf(stderr, "loop: %s\n", zkq_strerror(error));
	} else {
		printf("%s %s exit %d\n", info->id, info->state, info->exit_code);
		fwrite(info->tail, 1, info->tail_size, stdout);
		program->failed = strcmp(info->state, "done") != 0;
	}
	event_base_loopbreak(program->base);
}

static void
on_submitted(void *context, int index, int error, const char *id, int existed, const char *text)
{
	struct program *program = context;

	(void)index;
	(void)existed;
	if (error == ZKQ_OK)
		error = zkq_wait(program->zkq, &id, 1, on_result, program);
	if (error == ZKQ_OK)
		return;
	fprintf(stderr, "loop: %s%s%s\n", zkq_strerror(error), text ? ": " : "", text ? text : "");
	event_base_loopbreak(program->base);
}

int
main(int argc, char **argv)
{
	struct program program = { .failed = 1 };
	struct zkq_options options = { .size = sizeof options, .hosts = getenv("ZKQ_ZK"), .root = getenv("ZKQ_ROOT"),
		.auth = getenv("ZKQ_AUTH") };
	struct zkq_task task = { .size = sizeof task, .argv = (const char *const *)argv + 1, .priority = -1,
		.kill_grace_ms = -1 };
	struct timeval second = { 1, 0 };

	if (argc < 2) {
		fputs("usage: loop COMMAND...\n", stderr);
		return 64;
	}
	if (!options.hosts)
		options.hosts = "127.0.0.1:2181";
	int error = zkq_open(&options, &program.zkq);
	program.base = event_base_new();
	if (error != ZKQ_OK || !program.base) {
		fprintf(stderr, "loop: %s\n", zkq_strerror(error));
		return 1;
	}
	program.readable = event_new(program.base, zkq_fd(program.zkq), EV_READ | EV_PERSIST, on_event, &program);
	program.due = evtimer_new(program.base, on_event, &program);
	struct event *tick = event_new(program.base, -1, EV_PERSIST, on_tick, &program);
	event_add(program.readable, NULL);
	event_add(tick, &second);
	error = zkq_submit(program.zkq, NULL, &task, 1, on_submitted, &program, NULL);
	if (error == ZKQ_OK) {
		schedule(&program);
		event_base_dispatch(program.base);
	} else {
		fprintf(stderr, "loop: %s\n", zkq_strerror(error));
	}
	event_free(tick);
	event_free(program.due);
	event_free(program.readable);
	zkq_close(program.zkq);
	event_base_free(program.base);
	return program.failed;
}
