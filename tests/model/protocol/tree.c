#include "tree.h"

#include <string.h>

void
tree_init(struct state *state)
{
	memset(state, 0, sizeof *state);
	state->segment[0] = SEGMENT_OPEN;
	state->results[0] = RESULTS_OPEN;
	for (int dispatcher = 0; dispatcher < DISPATCHERS; dispatcher++)
		state->candidate[dispatcher] = (uint8_t)(dispatcher + 1);
	state->leader = 1;
	state->phase = PHASE_NOTHING;
	for (int worker = 0; worker < WORKERS; worker++) {
		struct folder *folder = &state->folder[tree_folder(worker, 1)];

		state->life[worker] = state->process[worker] = 1;
		folder->flags = FOLDER_THERE | FOLDER_LIVE | FOLDER_LEASE;
		folder->version = 1;
	}
	for (int submitter = 0; submitter < SUBMITTERS; submitter++)
		if (setup_task(submitter, 0) == NO_TASK)
			state->step[submitter] = FINISHED;
	for (int fault = 0; fault < FAULTS; fault++)
		state->budget[fault] = (uint8_t)setup.budget[fault];
}

int
tree_tail(const struct state *state)
{
	int tail = setup.segments - 1;

	while (tail >= 0 && !tree_segment_there(state->segment[tail]))
		tail--;
	return tail;
}

int
tree_registered(const struct state *state, int worker)
{
	for (int life = 1; life <= setup.lives; life++)
		if (tree_has(state, tree_folder(worker, life), FOLDER_LIVE))
			return life;
	return 0;
}

static int
numbers(const uint8_t set[4])
{
	return set[0] | set[1] << 4 | set[2] << 8 | set[3] << 12;
}

static void
put(uint8_t set[4], int n)
{
	set[n / 4] |= (uint8_t)(1 << n % 4);
}

bool
tree_resolved(const struct state *state, int folder, int n)
{
	return numbers(state->folder[folder].resolved) >> n & 1;
}

bool
tree_returned(const struct state *state, int folder, int n)
{
	return numbers(state->folder[folder].returned) >> n & 1;
}

void
tree_resolve(struct state *state, int folder, int n, bool returned)
{
	put(state->folder[folder].resolved, n);
	if (returned)
		put(state->folder[folder].returned, n);
}

int
tree_highest_resolved(const struct state *state, int folder)
{
	int n = NUMBER_MAX;

	while (n > 0 && !tree_resolved(state, folder, n))
		n--;
	return n;
}

void
tree_unclaim(struct state *state, int task)
{
	memset(&state->task[task].claim, 0, sizeof state->task[task].claim);
	state->task[task].run = 0;
	state->task[task].flags &= (uint8_t)~(TASK_KILL | TASK_STARTED);
}

void
tree_record_run(struct state *state, int task)
{
	state->task[task].runs = state->task[task].run;
}
