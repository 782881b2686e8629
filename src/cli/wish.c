/* Requests in the tree: made in chunks, told one by one; what is not done in time stands, and that is said. */
#include "config.h"

#include "cli/wish.h"

#include <stdio.h>

#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"

#define CHUNK 250		/* requests made at once */
#define ALONE_MS 1000		/* without a dispatcher nobody will answer: time for the requests alone */

static struct {
	const struct wish *wish;
	const struct ids *ids;
	int first;
	int dispatchers;
	bool late[CHUNK];	/* requested, not fulfilled in time */
	int code;
	struct jsonout json;
} state;

static void
count_dispatcher(void *context, const struct zkq_dispatcher_info *info)
{
	(void)context;
	(void)info;
	state.dispatchers++;
}

/* What weighs more remains: a real failure over a request that stands, and that over an answer "no". */
static void
merge(int code)
{
	bool real = state.code != EXIT_OK && state.code != EXIT_NO && state.code != EXIT_TEMPORARY;

	if (code != EXIT_OK && !real && !(code == EXIT_NO && state.code != EXIT_OK))
		state.code = code;
}

void
wish_take(void *context, int index, int error, const struct zkq_info *info)
{
	const char *id = state.ids->items[state.first + index];

	(void)context;
	error = cli_id_error(id, error);
	state.late[index] = error == ZKQ_ETIMEOUT;
	merge(state.wish->tell(&state.json, id, error, info));
}

/* Dispatchers that died a moment before are known to be gone when the time is over. */
static void
say_late(struct zkq *handle, int count)
{
	bool counted = false;

	for (int i = 0; i < count; i++) {
		if (!state.late[i])
			continue;
		state.late[i] = false;
		if (settings.json || settings.quiet)
			continue;
		if (!counted) {
			int before = state.dispatchers;

			counted = true;
			state.dispatchers = 0;
			if (before > 0 && zkq_dispatchers_wait(handle, 2000, count_dispatcher, NULL) != ZKQ_OK)
				state.dispatchers = before;
		}
		printf("%s  %s\n", state.ids->items[state.first + i],
		    state.dispatchers == 0 ? state.wish->alone : state.wish->late);
	}
}

static int
time_for_answer(void)
{
	int left = cli_left();

	return state.dispatchers == 0 && left > ALONE_MS ? ALONE_MS : left;
}

static int
ask_all(struct zkq *handle)
{
	const struct ids *ids = state.ids;
	int error = zkq_dispatchers_wait(handle, cli_left(), count_dispatcher, NULL);

	for (; state.first < ids->count && error == ZKQ_OK; state.first += CHUNK) {
		int count = ids->count - state.first < CHUNK ? ids->count - state.first : CHUNK;

		error = state.wish->ask(handle, (const char *const *)ids->items + state.first, count, time_for_answer());
		say_late(handle, count);
		if (error == ZKQ_ETIMEOUT || error == ZKQ_EENDED || error == ZKQ_ENOENT || error == ZKQ_EBUSY)
			error = ZKQ_OK;		/* of single ids: the callback was told */
	}
	return error;
}

int
wish_run(const struct wish *wish, char **argv)
{
	struct zkq *handle;
	struct ids ids;
	int code = cli_ids(argv, false, &ids);

	if (code == 0)
		code = cli_open_ids(&handle, &ids);
	if (code)
		return code;
	state.wish = wish;
	state.ids = &ids;
	if (settings.json)
		info_json_begin(&state.json, wish->schema);
	int error = ask_all(handle);
	if (settings.json) {
		jsonout_end(&state.json);
		info_json_finish(&state.json, error == ZKQ_OK || state.first > CHUNK);
	}
	code = error == ZKQ_OK ? state.code : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	cli_ids_free(&ids);
	return code;
}
