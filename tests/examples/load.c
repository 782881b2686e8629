/*
 * load.c: reads commands from standard input, one a line, and submits them, a shell for each, as fast as they are accepted.
 *
 *     cc load.c $(pkg-config --cflags --libs zkq) -o load
 *     seq 100000 | sed 's/^/echo /' | ZKQ_ZK=127.0.0.1:2181 ./load > ids
 *
 * Prints an id for each, in the order of the lines. A batch costs about as much as a single task, so lines are sent BATCH at
 * once, and several batches are under way while more lines are read. A queue that is full is waited for. Exits 0 when all are
 * accepted; 75 when of some it is not known, 1 when some were refused.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <zkq.h>

#define BATCH 250
#define BATCHES 8		/* under way at once */
#define FULL_PAUSE_MS 200
#define SAID_MAX 10		/* of more failures only the exit code tells */

struct batch {
	char *lines[BATCH];
	const char *argv[BATCH][4];
	struct zkq_task tasks[BATCH];
	char ids[BATCH][ZKQ_ID_SIZE];
	int count, open;	/* tasks; those without an answer */
	int full;		/* how many were refused because the queue was full: to be sent again */
	char again[BATCH];	/* which */
};

static struct zkq *zkq;
static struct batch batches[BATCHES];
static int refused, unknown;

/* Runs the handle until something happens, at most limit_ms when that is not negative. */
static void
turn(int limit_ms)
{
	struct pollfd fd = { .fd = zkq_fd(zkq), .events = POLLIN };
	int ms = zkq_timeout(zkq);

	if (limit_ms >= 0 && (ms < 0 || ms > limit_ms))
		ms = limit_ms;
	poll(&fd, 1, ms);
	zkq_dispatch(zkq);
}

static void
on_submitted(void *context, int index, int error, const char *id, int existed, const char *text)
{
	struct batch *batch = context;

	(void)existed;
	batch->open--;
	snprintf(batch->ids[index], ZKQ_ID_SIZE, "%s", id);
	if (error == ZKQ_EFULL) {
		batch->full++;
		batch->again[index] = 1;
		return;
	}
	refused += error != ZKQ_OK && error != ZKQ_EUNKNOWN;
	unknown += error == ZKQ_EUNKNOWN;
	if (error != ZKQ_OK && refused + unknown <= SAID_MAX)
		fprintf(stderr, "load: %s: %s%s%s\n", batch->lines[index], zkq_strerror(error), text ? ": " : "",
		    text ? text : "");
}

/* Reads lines into the batch; 0 at the end of the input. */
static int
fill(struct batch *batch)
{
	size_t room = 0;

	memset(batch, 0, sizeof *batch);
	while (batch->count < BATCH) {
		char **line = &batch->lines[batch->count];
		ssize_t len = getline(line, &room, stdin);

		if (len < 0) {
			free(*line);
			*line = NULL;
			break;
		}
		room = 0;	/* the next line gets memory of its own */
		if (len && (*line)[len - 1] == '\n')
			(*line)[len - 1] = '\0';
		const char **argv = batch->argv[batch->count];
		argv[0] = "sh";
		argv[1] = "-c";
		argv[2] = *line;
		batch->tasks[batch->count++] = (struct zkq_task){ .size = sizeof batch->tasks[0], .argv = argv, .priority = -1,
			.kill_grace_ms = -1 };
	}
	return batch->count;
}

static void
send_all(struct batch *batch)
{
	int invalid;
	int error = zkq_submit(zkq, NULL, batch->tasks, batch->count, on_submitted, batch, &invalid);

	if (error == ZKQ_OK) {
		batch->open = batch->count;
		return;
	}
	refused += batch->count;
	if (invalid >= 0)
		fprintf(stderr, "load: %s: %s\n", batch->lines[invalid], zkq_strerror(error));
	else
		fprintf(stderr, "load: %s\n", zkq_strerror(error));
}

/* Waits for the answers, sends again what found the queue full, prints the ids. */
static void
finish(struct batch *batch)
{
	while (batch->open || batch->full) {
		while (batch->open)
			turn(-1);
		if (!batch->full)
			break;
		poll(NULL, 0, FULL_PAUSE_MS);
		batch->full = 0;
		for (int i = 0; i < batch->count; i++) {
			if (!batch->again[i])
				continue;
			int error = zkq_submit_wait(zkq, NULL, &batch->tasks[i], -1, batch->ids[i]);
			batch->again[i] = error == ZKQ_EFULL;
			batch->full += error == ZKQ_EFULL;
			refused += error != ZKQ_OK && error != ZKQ_EFULL && error != ZKQ_EUNKNOWN;
			unknown += error == ZKQ_EUNKNOWN;
		}
	}
	for (int i = 0; i < batch->count; i++) {
		if (batch->ids[i][0])
			puts(batch->ids[i]);
		free(batch->lines[i]);
	}
	batch->count = 0;
}

int
main(void)
{
	struct zkq_options options = { .size = sizeof options, .hosts = getenv("ZKQ_ZK"), .root = getenv("ZKQ_ROOT"),
		.auth = getenv("ZKQ_AUTH") };
	int at = 0;

	if (!options.hosts)
		options.hosts = "127.0.0.1:2181";
	int error = zkq_open(&options, &zkq);
	if (error == ZKQ_OK)
		error = zkq_connect_wait(zkq, 10000);
	if (error != ZKQ_OK) {
		fprintf(stderr, "load: %s: %s\n", options.hosts, zkq_strerror(error));
		zkq_close(zkq);
		return 69;
	}
	/* A ring: the oldest batch is finished before its place is used again. */
	for (finish(&batches[at]); fill(&batches[at]); finish(&batches[at])) {
		send_all(&batches[at]);
		turn(0);
		at = (at + 1) % BATCHES;
	}
	for (int i = 1; i < BATCHES; i++)
		finish(&batches[(at + i) % BATCHES]);
	zkq_close(zkq);
	return unknown ? 75 : refused ? 1 : 0;
}
