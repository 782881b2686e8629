#include "canonical.h"

#include <string.h>

#include "tree.h"

static void
swap(void *a, void *b, size_t size)
{
	uint8_t *x = a, *y = b;

	for (size_t i = 0; i < size; i++) {
		uint8_t byte = x[i];

		x[i] = y[i];
		y[i] = byte;
	}
}

/* The same life of the other worker. */
static void
swap_claim(struct claim *claim)
{
	int folder = claim_folder(*claim);

	if (folder >= 0)
		*claim = claim_of((folder + setup.lives) % setup_folders(), claim->n);
}

static void
swap_workers(struct state *state)
{
	swap(&state->folder[0], &state->folder[setup.lives], sizeof state->folder[0] * (size_t)setup.lives);
	swap(&state->given[0], &state->given[setup.lives], (size_t)setup.lives);
	swap(&state->missing[0], &state->missing[setup.lives], (size_t)setup.lives);
	swap(&state->sight[0], &state->sight[setup.lives], (size_t)setup.lives);
	swap(&state->worker[0], &state->worker[1], 1);
	swap(&state->life[0], &state->life[1], 1);
	swap(&state->process[0], &state->process[1], 1);
	swap(state->attempt[0], state->attempt[1], sizeof state->attempt[0]);
	swap(state->held[0], state->held[1], sizeof state->held[0]);
	for (int task = 0; task < setup.tasks; task++) {
		swap_claim(&state->task[task].claim);
		swap_claim(&state->memory[task].claim);
		for (int worker = 0; worker < WORKERS; worker++)
			swap_claim(&state->held[worker][task]);
	}
	if (state->phase == PHASE_CLAIMS_0 || state->phase == PHASE_CLAIMS_1)
		state->phase = PHASE_CLAIMS_0 + PHASE_CLAIMS_1 - state->phase;
	if (state->unsettled)
		state->unsettled = (uint8_t)((state->unsettled - 1 + setup.lives) % setup_folders() + 1);
	swap_claim(&state->assign_claim);
	swap_claim(&state->late_claim);
}

static void
merge_symmetric(struct state *state)
{
	struct state other;

	if (state->leader == 2 || (!state->leader && state->candidate[0] > state->candidate[1])) {
		swap(&state->candidate[0], &state->candidate[1], 1);
		if (state->leader)
			state->leader = (uint8_t)(3 - state->leader);
	}
	other = *state;
	swap_workers(&other);
	if (memcmp(&other, state, sizeof other) < 0)
		*state = other;
}

/* Versions are only compared with those of sights. */
static uint8_t
freshness(uint8_t version_plus_1, const struct folder *folder)
{
	return !version_plus_1 ? 0 : version_plus_1 == folder->version + 1 ? 3 : 1;
}

static void
merge_task(struct state *state, int index)
{
	struct task *task = &state->task[index];
	struct memory *memory = &state->memory[index];

	if (index != setup.atmostonce)
		task->starts = 0;
	if (!setup.runs || task->place != PLACE_TASKS)
		task->run = task->runs = task->ran = 0;
	if (!(task->flags & TASK_CANCEL))
		memory->wish = 0;
	if (memory->knows == KNOWS_OVER && task->place != PLACE_TASKS)
		memory->knows = KNOWS_NOTHING;
}

void
canonical(struct state *state)
{
	for (int task = 0; task < setup.tasks; task++)
		merge_task(state, task);
	for (int index = 0; index < setup_folders(); index++) {
		struct folder *folder = &state->folder[index];

		if (!folder->version)
			continue;
		state->sight[index] = freshness(state->sight[index], folder);
		state->missing[index] = freshness(state->missing[index], folder);
		folder->version = 2;
	}
	for (int submitter = 0; submitter < SUBMITTERS; submitter++) {
		struct flight *flight = &state->flight[submitter];

		if (flight->task && state->segment[flight->segment] != SEGMENT_OPEN && setup.segcheck)
			memset(flight, 0, sizeof *flight);	/* it will be refused, now and for ever */
	}
	if (setup.symmetry)
		merge_symmetric(state);
}
