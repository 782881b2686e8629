#include "invariant.h"

#include "tree.h"

static const char *
task_broken(const struct state *state, int index)
{
	const struct task *task = &state->task[index];
	int running = 0;

	for (int worker = 0; worker < WORKERS; worker++)
		running += state->attempt[worker][index] == ATTEMPT_RUNS;
	if (task->claim.folder && task->place != PLACE_TASKS && index != setup.removable)
		return "a claim for a task that is not live";
	if (task->flags & TASK_ACCEPTED && task->place == PLACE_NONE)
		return "an accepted task is lost";
	if (task->place == PLACE_TASKS && !tree_segment_there(state->segment[task->segment]))
		return "a segment was deleted under a task";
	if (running > 1 && setup_exclusive(index))
		return "two copies of an exclusive task run at once";
	if (index == setup.atmostonce && task->starts > 1)
		return "an at-most-once task was started twice";
	return NULL;
}

const char *
invariant_broken(const struct state *state)
{
	int open = 0;

	for (int task = 0; task < setup.tasks; task++) {
		const char *broken = task_broken(state, task);

		if (broken)
			return broken;
	}
	for (int folder = 0; folder < setup_folders(); folder++)
		if (tree_has(state, folder, FOLDER_LIVE) && !tree_has(state, folder, FOLDER_THERE))
			return "a registered worker without its folder";
	for (int segment = 0; segment < setup.segments; segment++)
		open += state->segment[segment] == SEGMENT_OPEN;
	if (setup.atomicroll && open != 1)
		return "not exactly one open segment";
	return NULL;
}

bool
invariant_drained(const struct state *state)
{
	for (int submitter = 0; submitter < SUBMITTERS; submitter++)
		if (state->step[submitter] != FINISHED)
			return false;
	for (int task = 0; task < setup.tasks; task++)
		if (state->task[task].place == PLACE_TASKS || state->task[task].claim.folder ||
		    state->task[task].flags & TASK_CANCEL)
			return false;
	for (int segment = 0; segment < setup.segments; segment++)
		if (state->segment[segment] == SEGMENT_CLOSED)
			return false;
	for (int folder = 0; folder < setup_folders(); folder++)
		if (tree_has(state, folder, FOLDER_THERE) && !tree_has(state, folder, FOLDER_LIVE))
			return false;
	return true;
}
