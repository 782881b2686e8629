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
	swap(&state->next_n[0], &state->next_n[setup.lives], (size_t)setup.lives);
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
	swap_claim(&state->assign_claim);
	swap_claim(&state->late_claim);
}

/* While a new leader has read one worker and not yet the other they are not alike. */
static bool
workers_are_alike(const struct state *state)
{
	bool odd_order = !setup.claimsfirst || !setup.nextn;
	int read = state->phase - PHASE_TAKING_OVER;

	return read != 2 && !(odd_order && (read == 1 || read == 3));
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
	if (!workers_are_alike(state))
		return;
	other = *state;
	swap_workers(&other);
	if (memcmp(&other, state, sizeof other) < 0)
		*state = other;
}

void
canonical(struct state *state)
{
	for (int index = 0; index < setup.tasks; index++) {
		struct task *task = &state->task[index];

		if (index != setup.atmostonce)
			task->starts = 0;
		if (setup.returned || task->place == PLACE_GONE)
			task->retries = 0;
		if (task->place != PLACE_TASKS)
			task->seq = 0;
	}
	if (!setup.fifo)
		state->newest = 0;
	/* Versions are only compared with that of the sight. */
	for (int index = 0; index < setup_folders(); index++) {
		struct folder *folder = &state->folder[index];

		if (!folder->version)
			continue;
		if (state->sight[index])
			state->sight[index] = state->sight[index] == folder->version + 1 ? 3 : 1;
		folder->version = 2;
	}
	if (setup.symmetry)
		merge_symmetric(state);
}
