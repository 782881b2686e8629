/* zkq status: lists tasks, and says who leads and how many workers there are. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/exits.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/info.h"

#define CHUNK 250	/* ids asked for at once */

static const char *queue, *states, *worker;
static bool ended, only_failed, limit_given;
static int limit;
static int64_t since_ms;

static const struct option_row options[] = {
	{ .letter = 'Q', .name = "queue", .argument = "NAME", .kind = OPTION_TEXT, .into = &queue,
	    .help = "tasks of this queue (all queues)" },
	{ .letter = 's', .name = "state", .argument = "STATE[,...]", .kind = OPTION_TEXT, .into = &states,
	    .help = "tasks in these states: waiting, running, done, ..." },
	{ .letter = 'W', .name = "worker", .argument = "NAME", .kind = OPTION_TEXT, .into = &worker,
	    .help = "tasks that this worker has or had" },
	{ .letter = 'a', .name = "all", .kind = OPTION_FLAG, .into = &ended,
	    .help = "ended tasks, too, while their results are kept" },
	{ .name = "failed", .kind = OPTION_FLAG, .into = &only_failed, .help = "ended tasks that are not DONE" },
	{ .name = "since", .argument = "TIME", .kind = OPTION_TIME, .into = &since_ms, .preset = "0",
	    .help = "ended tasks that ended within TIME; 0 = any" },
	{ .letter = 'n', .name = "limit", .argument = "N", .kind = OPTION_NUMBER, .into = &limit, .preset = "100",
	    .given = &limit_given, .max = 100000000, .help = "at most N tasks; 0 = no limit" },
	{ 0 },
};

static struct {
	struct table *table;
	struct jsonout json;
	int shown, matching, live, failed;
	char leader[96];
	int dispatchers, workers, draining, lost;
	int64_t waiting, running, results, dead, inbox;
	int code;
	const struct ids *ids;
	struct named {
		int error;
		struct zkq_info info;	/* its texts are its own */
	} named[CHUNK];		/* of the ids asked for at once */
	struct ids chosen;	/* live tasks that a filter let through: their labels are still to be read */
	struct ids chosen_ended;	/* ended ones, oldest first, when only the latest are wanted */
	bool worker_known;
} state;

static const char *const live_states[] = { "waiting", "running", NULL };
static const char *const ended_states[] = { "done", "failed", "timeout", "cancelled", "lost", "dead", "discarded", NULL };

/* Whether word is in the list "a,b,c", in any case; the letters of tables (R, W ...) are not taken: they collide. */
static bool
listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");

		if (n == len && strncasecmp(p, word, n) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

static bool
any_listed(const char *list, const char *const *words)
{
	for (; *words; words++)
		if (listed(list, *words))
			return true;
	return false;
}

/* Returns 0, or the exit code after having said which state there is not. */
static int
check_states(void)
{
	char word[64];

	for (const char *p = states; p; p = *p ? p + 1 : NULL) {
		size_t n = strcspn(p, ",");

		snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), p);
		if (!*word || (!any_listed(word, live_states) && !any_listed(word, ended_states)))
			return cli_usage("option '--state': '%s': waiting, running, done, failed, timeout, cancelled, lost, dead or "
			    "discarded is wanted", word);
		p += n;
	}
	return 0;
}

/* Whether what the options ask for can be among the ended tasks. */
static bool
wants_ended(void)
{
	return ended || only_failed || since_ms > 0 || (states && any_listed(states, ended_states));
}

static bool
wanted(const struct zkq_info *info)
{
	bool done = info->state && strcmp(info->state, "done") == 0;

	if (states && !(info->state && listed(states, info->state)))
		return false;
	if (worker && !(info->worker && strcmp(info->worker, worker) == 0))
		return false;
	if (only_failed && (!info->ended || done))
		return false;
	if (since_ms > 0 && info->ended && info->ended_ms < cli_wall() - since_ms)
		return false;
	return true;
}

static void
add(const struct zkq_info *info)
{
	state.shown++;
	if (settings.json) {
		jsonout_object(&state.json, NULL);
		info_json(&state.json, info);
		jsonout_end(&state.json);
	} else {
		info_row(state.table, info);
	}
}

/* A whole list names no live task, that would cost a read for each: of those that a filter lets through the ids are
 * kept, for a second look. */
static void
take_listed(void *context, int index, int error, const struct zkq_info *info)
{
	const bool *filter = context;

	(void)index;
	if (error != ZKQ_OK || !info || !wanted(info))
		return;
	state.matching++;
	if (*filter && info->ended && limit > 0) {
		cli_ids_add(&state.chosen_ended, info->id);
		return;
	}
	if (limit > 0 && state.shown + state.chosen.count >= limit)
		return;
	if (*filter && !info->ended && info->id)
		cli_ids_add(&state.chosen, info->id);
	else
		add(info);
}

/* With a filter all ended tasks come, oldest first, since who asks cannot know how many pass: of those that do the ids
 * are kept, and the latest are read again. */
static void
choose_latest(void)
{
	for (int i = state.chosen_ended.count; i > 0 && state.chosen.count < limit; i--)
		cli_ids_add(&state.chosen, state.chosen_ended.items[i - 1]);
	cli_ids_free(&state.chosen_ended);
}

/* Answers come in any order and are shown in that of the ids: this keeps one. */
static void
take_named(void *context, int index, int error, const struct zkq_info *info)
{
	struct named *to = &state.named[index];

	(void)context;
	to->error = error;
	if (error != ZKQ_OK)
		return;
	to->info = *info;
	to->info.id = memory_string(info->id);
	to->info.queue = memory_string(info->queue);
	to->info.name = memory_string(info->name);
	to->info.state = memory_string(info->state);
	to->info.reason = memory_string(info->reason);
	to->info.worker = memory_string(info->worker);
	to->info.fence = memory_string(info->fence);
	to->info.task_json = memory_string(info->task_json);
	to->info.json = NULL;
	if (info->tail) {
		char *tail = memory_new(info->tail_size + 1);

		memcpy(tail, info->tail, info->tail_size);
		to->info.tail = tail;
	}
}

static void
forget_named(struct named *named)
{
	const struct zkq_info *info = &named->info;
	const char *const texts[] = { info->id, info->queue, info->name, info->state, info->reason, info->worker, info->fence,
		info->task_json, info->tail };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		free((char *)texts[i]);
	memset(named, 0, sizeof *named);
}

static void
show_named(const char *id, const struct named *named)
{
	const struct zkq_info *info = &named->info;
	bool chosen = state.ids == &state.chosen;

	if (named->error == ZKQ_OK) {
		/* The chosen ones were there a moment ago; by now they may have changed. */
		bool here = wanted(info) && (chosen || !queue || strcmp(info->queue, queue) == 0);

		if (here && (chosen || !limit_given || limit == 0 || state.shown < limit))
			add(info);
		return;
	}
	if (chosen)
		return;		/* its result has been removed meanwhile */
	if (settings.json) {
		jsonout_object(&state.json, NULL);
		info_json_error(&state.json, id, named->error);
		jsonout_end(&state.json);
	}
	state.code = state.code ? state.code : cli_error_exit(named->error);
	cli_say_id(id, named->error);
}

static void
take_dispatcher(void *context, const struct zkq_dispatcher_info *info)
{
	(void)context;
	state.dispatchers++;
	if (info->leads)
		snprintf(state.leader, sizeof state.leader, "%s", info->name ? info->name : "?");
}

static void
take_worker(void *context, const struct zkq_worker_info *info)
{
	(void)context;
	if (worker && strcmp(info->name, worker) == 0)
		state.worker_known = true;
	if (strcmp(info->state, "lost") == 0)
		state.lost++;
	else
		state.workers++;
	if (strcmp(info->state, "draining") == 0)
		state.draining++;
}

static void
take_queue(void *context, const struct zkq_queue_info *info)
{
	(void)context;
	if (queue && strcmp(info->name, queue) != 0)
		return;
	state.waiting += info->waiting;
	state.running += info->running;
	state.results += info->results;
	state.dead += info->dead;
	state.inbox += info->inbox;
}

/* "4 waiting, 2 running, 1,204 results. leader d1, 6 workers (1 draining)." */
static void
print_summary(void)
{
	char leader[200], inbox[64] = "", dead[64] = "", more[96] = "";

	terminal_safe(state.leader, strlen(state.leader), leader, sizeof leader);
	if (state.inbox > 0)
		snprintf(inbox, sizeof inbox, ", %lld in the inbox", (long long)state.inbox);
	if (state.dead > 0)
		snprintf(dead, sizeof dead, ", %lld dead letters", (long long)state.dead);
	printf("%s%lld waiting, %lld running%s, %lld results kept%s. ", table_rows(state.table) ? "\n" : "",
	    (long long)state.waiting, (long long)state.running, inbox, (long long)state.results, dead);
	if (state.draining || state.lost)
		snprintf(more, sizeof more, " (%d draining, %d lost)", state.draining, state.lost);
	if (*state.leader)
		printf("leader %s, ", leader);
	else
		printf("no leader: %s, ", state.dispatchers ? "an election is going on" : "no dispatcher is up");
	printf("%d worker%s%s.\n", state.workers, state.workers == 1 ? "" : "s", more);
}

static int
list_named(struct zkq *handle, const struct ids *ids)
{
	int error = ZKQ_OK;

	state.ids = ids;
	for (int first = 0; first < ids->count && error == ZKQ_OK; first += CHUNK) {
		int count = ids->count - first < CHUNK ? ids->count - first : CHUNK;

		for (int i = 0; i < count; i++)
			state.named[i].error = ZKQ_ECANCELLED;
		error = zkq_get_wait(handle, (const char *const *)ids->items + first, count, cli_left(), take_named, NULL);
		for (int i = 0; i < count; i++) {
			show_named(ids->items[first + i], &state.named[i]);
			forget_named(&state.named[i]);
		}
	}
	return error;
}

static int
list_all(struct zkq *handle)
{
	bool filter = states || worker || only_failed || since_ms > 0;
	int total = 0;
	int error = zkq_list_wait(handle, queue, wants_ended(), filter ? 0 : limit, cli_left(),
	    take_listed, &filter, &total);

	if (!filter && total > state.matching)
		state.matching = total;
	if (error == ZKQ_OK)
		choose_latest();
	if (error == ZKQ_OK && state.chosen.count > 0)
		error = list_named(handle, &state.chosen);
	if (error == ZKQ_OK)
		error = zkq_dispatchers_wait(handle, cli_left(), take_dispatcher, NULL);
	if (error == ZKQ_OK)
		error = zkq_workers_wait(handle, cli_left(), take_worker, NULL);
	if (error == ZKQ_OK)
		error = zkq_queues_wait(handle, cli_left(), take_queue, NULL);
	return error;
}

static void
print(bool named, bool good)
{
	if (settings.json) {
		jsonout_end(&state.json);
		if (!named) {
			jsonout_number(&state.json, "matching", state.matching);
			jsonout_string(&state.json, "leader", *state.leader ? state.leader : NULL);
			jsonout_number(&state.json, "dispatchers", state.dispatchers);
			jsonout_number(&state.json, "workers", state.workers);
			jsonout_number(&state.json, "workers_draining", state.draining);
			jsonout_number(&state.json, "workers_lost", state.lost);
			jsonout_number(&state.json, "waiting", state.waiting);
			jsonout_number(&state.json, "running", state.running);
			jsonout_number(&state.json, "results", state.results);
			jsonout_number(&state.json, "dead", state.dead);
			jsonout_number(&state.json, "inbox", state.inbox);
		}
		info_json_finish(&state.json, good);
		return;
	}
	if (table_rows(state.table))
		info_print(state.table);
	if (named || settings.quiet || !good)
		return;
	if (state.matching > state.shown)
		printf("... and %d more (--limit=0 shows all)\n", state.matching - state.shown);
	print_summary();
}

static int
status(int argc, char **argv)
{
	struct zkq *handle;
	struct ids ids = { 0 };
	bool named = argc > 0;
	int code = states ? check_states() : 0;

	if (code == 0)
		code = cli_check_queue(queue);
	if (code == 0 && named)
		code = cli_ids(argv, true, &ids);

	if (code == 0)
		code = cli_open(&handle, true);
	if (code) {
		cli_ids_free(&ids);
		return code;
	}
	state.table = info_table();
	if (settings.json)
		info_json_begin(&state.json, "zkq.status/1");
	int error = named ? list_named(handle, &ids) : list_all(handle);
	print(named, error == ZKQ_OK);
	if (error == ZKQ_OK && !named && worker && state.matching == 0 && !state.worker_known)
		cli_say("no worker %s is registered now, and no task names it", worker);
	code = error == ZKQ_OK ? state.code : cli_fail_error(error, error == ZKQ_ENOQUEUE ? queue : NULL, NULL);
	zkq_close(handle);
	table_free(state.table);
	cli_ids_free(&state.chosen);
	cli_ids_free(&ids);
	return code;
}

const struct command command_status = {
	.name = "status",
	.program = "zkq-status",
	.about = "list tasks",
	.usage = "zkq status [OPTIONS] [ID...]",
	.notes = "Without ids: the live tasks in order of start, then, when asked for, the ended ones,\n"
	    "the latest first unless --limit=0. It reads the tree and needs no dispatcher.",
	.manual = "zkq-status(1)",
	.options = options,
	.anywhere = true,
	.reads = true,
	.run = status,
};
