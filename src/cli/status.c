/* zkq status: lists tasks, and says who leads and how many workers there are. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/output.h"
#include "cli/cli.h"
#include "cli/info.h"
#include "cli/listing.h"

#define CHUNK 250	/* ids asked for at once */
#define FAILED_WITHIN_MS 3600000	/* failures that are shown beside the active tasks: so long ago, */
#define FAILED_SHOWN 10		/* so many, */
#define FAILED_LOOKED 500	/* among so many of the newest results: each is a read; looked for elsewhere: --failed */
#define STATES_MAX 16
#define LINES_LEFT 5		/* of a terminal that is redrawn: header, summary, hints */

static const char *queue, *states, *worker;
static bool ended, only_failed, limit_given, watching;
static int limit;
static int64_t since_ms, watch_ms;

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
	{ .letter = 'n', .name = "limit", .argument = "N", .kind = OPTION_NUMBER, .into = &limit, .preset = "50",
	    .given = &limit_given, .max = 100000000, .help = "at most N tasks; 0 = no limit" },
	{ .letter = 'w', .name = "watch", .argument = "TIME", .bare = "2s", .kind = OPTION_TIME, .into = &watch_ms,
	    .given = &watching, .min = 100, .max = 86400000, .help = "again and again, each TIME (2s)" },
	{ 0 },
};

static struct {
	struct listing listing;
	int shown, shown_failed, matching;
	struct zkq_list_counts ended;
	char leader[96];
	int dispatchers, workers, draining, lost;
	int64_t waiting, running, results, dead, inbox;
	int code;
	struct info_kept named[CHUNK];	/* of the ids asked for at once */
	bool named_known;	/* one of the ids is that of a task */
	bool worker_known;
	int left, error;	/* of the questions asked at once */
} state;

static const char *const live_states[] = { "waiting", "running", "stopping", NULL };
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
			return cli_usage("option '--state': '%s': waiting, running, stopping, done, failed, timeout, cancelled, lost, dead or "
			    "discarded is wanted", word);
		p += n;
	}
	return 0;
}

/* Neither ids nor options that say which tasks: what is active, and what has failed of late. */
static bool
plain(void)
{
	return !states && !ended && !only_failed && since_ms == 0;
}

static bool
wanted(const struct zkq_info *info)
{
	bool done = info->state && strcmp(info->state, "done") == 0;

	if (states && !(info->state && listed(states, info->state)))
		return false;
	if (worker && !(info->worker && strcmp(info->worker, worker) == 0))
		return false;
	if (queue && strcmp(info->queue, queue) != 0)
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
	state.shown_failed += info->ended && strcmp(info->state, "done") != 0;
	if (settings.json) {
		jsonout_object(&state.listing.json, NULL);
		info_json(&state.listing.json, info);
		jsonout_end(&state.listing.json);
	} else {
		info_row(state.listing.table, info);
	}
}

/* ---- named ones ---- */

/* Answers come in any order and are shown in that of the ids. */
static void
take_named(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	info_keep(&state.named[index], error, info);
}

static void
show_named(const char *id, const struct info_kept *named)
{
	int error = cli_id_error(id, named->error);

	if (error == ZKQ_OK) {
		state.named_known = true;
		if (wanted(&named->info) && (!limit_given || limit == 0 || state.shown < limit))
			add(&named->info);
		return;
	}
	if (settings.json) {
		jsonout_object(&state.listing.json, NULL);
		info_json_error(&state.listing.json, id, error);
		jsonout_end(&state.listing.json);
	}
	state.code = state.code ? state.code : cli_error_exit(error);
	cli_say_id(id, error);
}

static int
list_named(struct zkq *handle, const struct ids *ids)
{
	int error = ZKQ_OK;

	for (int first = 0; first < ids->count && error == ZKQ_OK; first += CHUNK) {
		int count = ids->count - first < CHUNK ? ids->count - first : CHUNK;

		for (int i = 0; i < count; i++)
			state.named[i].error = ZKQ_ECANCELLED;
		error = zkq_get_wait(handle, (const char *const *)ids->items + first, count, cli_left(), take_named, NULL);
		for (int i = 0; i < count; i++) {
			show_named(ids->items[first + i], &state.named[i]);
			info_forget(&state.named[i]);
		}
	}
	return error;
}

/* ---- all ---- */

static void
take_listed(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	(void)index;
	if (error == ZKQ_OK && info)
		add(info);
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

static void
part_done(void *context, int error, int total)
{
	(void)context;
	(void)total;
	state.left--;
	state.error = state.error ? state.error : error;
}

static void
list_done(void *context, int error, int total)
{
	state.matching = total;
	part_done(context, error, total);
}

/* The words of the list "a,b,c" in lower case, in words, which borrow from buffer. */
static void
split_states(char *buffer, size_t size, const char *words[STATES_MAX + 1])
{
	int count = 0;
	char *rest = buffer;

	snprintf(buffer, size, "%s", states);
	for (char *p = buffer; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	while (rest && count < STATES_MAX)
		words[count++] = strsep(&rest, ",");
	words[count] = NULL;
}

/* What the options choose. texts and words hold what it points to. */
static struct zkq_list_options
choice(char *texts, size_t size, const char *words[STATES_MAX + 1], int most)
{
	struct zkq_list_options chosen = { .size = sizeof chosen, .queue = queue, .worker = worker, .limit = most,
		.failed = only_failed, .counts = &state.ended };

	if (states) {
		split_states(texts, size, words);
		chosen.states = words;
	}
	if (plain()) {
		chosen.ended = chosen.failed = 1;
		chosen.since_ms = cli_wall() - FAILED_WITHIN_MS;
		chosen.ended_limit = FAILED_SHOWN;
		chosen.newest = FAILED_LOOKED;
	} else if (only_failed || (states && !any_listed(states, live_states))) {
		chosen.ended = 2;
	} else if (ended || since_ms > 0 || (states && any_listed(states, ended_states))) {
		chosen.ended = 1;
	}
	if (since_ms > 0)
		chosen.since_ms = cli_wall() - since_ms;
	return chosen;
}

static int
asked(int error)
{
	state.left += error == ZKQ_OK;
	return error;
}

/* Everything at once: it takes as long as the longest of the answers. */
static int
list_all(struct zkq *handle, int most, bool for_ever)
{
	char texts[256];
	const char *words[STATES_MAX + 1];
	struct zkq_list_options chosen = choice(texts, sizeof texts, words, most);

	int error = asked(zkq_list(handle, &chosen, take_listed, list_done, NULL));
	error = error ? error : asked(zkq_dispatchers(handle, take_dispatcher, part_done, NULL));
	error = error ? error : asked(zkq_workers(handle, take_worker, part_done, NULL));
	error = error ? error : asked(zkq_queues(handle, take_queue, part_done, NULL));
	state.error = state.error ? state.error : error;
	while (state.left > 0 && (for_ever || !cli_over()))
		cli_turn(handle, for_ever ? -1 : cli_left(), -1);
	return state.left > 0 ? ZKQ_ETIMEOUT : state.error;
}

/* ---- what is printed ---- */

/* ", 2 failed in the last hour", and of how many results when that is not of all. */
static void
failures(char *text, size_t size)
{
	const struct zkq_list_counts *counts = &state.ended;

	if (counts->partial && counts->matching)
		snprintf(text, size, ", at least %d failed in the last hour (%d results looked at)", counts->matching, counts->looked);
	else if (counts->partial)
		snprintf(text, size, ", no failure in the last hour (%d results looked at)", counts->looked);
	else if (counts->matching)
		snprintf(text, size, ", %d failed in the last hour", counts->matching);
}

/* "4 waiting, 2 running, 1204 results kept. leader d1, 6 workers (1 draining)." */
static void
print_summary(void)
{
	char leader[200], inbox[64] = "", dead[64] = "", more[96] = "", failed[96] = "";

	terminal_safe(state.leader, strlen(state.leader), leader, sizeof leader);
	if (state.inbox > 0)
		snprintf(inbox, sizeof inbox, ", %lld in the inbox", (long long)state.inbox);
	if (plain())
		failures(failed, sizeof failed);
	if (state.dead > 0)
		snprintf(dead, sizeof dead, ", %lld dead letters", (long long)state.dead);
	printf("%s%lld waiting, %lld running%s%s, %lld results kept%s. ", state.shown ? "\n" : "",
	    (long long)state.waiting, (long long)state.running, inbox, failed, (long long)state.results, dead);
	if (state.draining || state.lost)
		snprintf(more, sizeof more, " (%d draining, %d lost)", state.draining, state.lost);
	if (*state.leader)
		printf("leader %s, ", leader);
	else
		printf("no leader: %s, ", state.dispatchers ? "an election is going on" : "no dispatcher is up");
	printf("%d worker%s%s.\n", state.workers, state.workers == 1 ? "" : "s", more);
}

/* What to do when there is nothing to see, or nobody to do it. */
static void
print_hints(void)
{
	char daemon[CLI_DAEMON_OPTIONS], of[64] = "";

	if (queue)
		terminal_safe(queue, strlen(queue), of, sizeof of);
	if (!state.shown && !plain())
		puts("No tasks match.");
	else if (!state.shown && state.results + state.dead > 0)
		printf("No active tasks. What has ended:  zkq status --all\n");
	else if (!state.shown && !state.inbox)
		printf("No tasks yet. A first one:  zkq submit %s%s%s-- uname -a\n", queue ? "-Q " : "", of, queue ? " " : "");
	print_summary();
	if (!state.dispatchers)
		printf("Nothing is given out without one:  zkq-dispatcher %s\n", cli_daemon_options(daemon));
	if (!state.workers)
		printf("No task can run. On a worker's host:  zkq-worker %s\n", cli_daemon_options(daemon));
}

/* What a limit left out; that of failures in a plain list is another one. */
static void
print_more(void)
{
	int more = state.matching - state.shown;
	int failed = plain() ? state.ended.matching - state.shown_failed : 0;

	if (more > failed)
		printf("... and %d more (--limit=0 shows all)\n", more - failed);
	if (failed > 0)
		printf("... and %d more that failed (--failed shows all)\n", failed);
}

static void
print(bool named, bool good)
{
	struct jsonout *json = &state.listing.json;

	listing_rows(&state.listing, good);
	if (settings.json && !named) {
		jsonout_number(json, "matching", state.matching);
		jsonout_string(json, "leader", *state.leader ? state.leader : NULL);
		jsonout_number(json, "dispatchers", state.dispatchers);
		jsonout_number(json, "workers", state.workers);
		jsonout_number(json, "workers_draining", state.draining);
		jsonout_number(json, "workers_lost", state.lost);
		jsonout_number(json, "waiting", state.waiting);
		jsonout_number(json, "running", state.running);
		jsonout_number(json, "results", state.results);
		jsonout_number(json, "dead", state.dead);
		jsonout_number(json, "inbox", state.inbox);
		if (plain()) {
			jsonout_number(json, "failed_last_hour", state.ended.matching);
			jsonout_bool(json, "failed_all_seen", !state.ended.partial);
		}
	}
	if (!settings.json && !named && !settings.quiet && !settings.no_header && good) {
		print_more();
		print_hints();
	}
	listing_end(&state.listing, good);
}

/* On a terminal that is redrawn, no more than it holds. */
static int
rows_at_most(void)
{
	struct winsize size;

	if (!watching || limit_given || settings.json || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 ||
	    size.ws_row <= LINES_LEFT + 1)
		return limit;
	int room = size.ws_row - LINES_LEFT - (plain() ? FAILED_SHOWN / 2 : 0);
	return room < 1 ? 1 : room < limit ? room : limit;
}

/* One look. again: it is not the first one. */
static int
look(struct zkq *handle, const struct ids *ids, bool again)
{
	int code = state.code;

	memset(&state, 0, sizeof state);
	state.code = again ? code : EXIT_OK;
	code = listing_begin(&state.listing, "zkq.status/1", info_columns, INFO_COLUMNS);
	if (code)
		return code;
	int error = ids->given ? list_named(handle, ids) : list_all(handle, rows_at_most(), again);
	if (again && error == ZKQ_OK && !settings.json)
		fputs(isatty(STDOUT_FILENO) ? "\x1b[H\x1b[2J" : "\n", stdout);
	print(ids->given, error == ZKQ_OK);
	if (error == ZKQ_OK && !ids->given && worker && state.shown == 0 && !state.worker_known)
		cli_say("no worker %s is registered now, and no task names it", worker);
	return error == ZKQ_OK ? state.code : cli_fail_error(error, error == ZKQ_ENOQUEUE ? queue : NULL, NULL);
}

/* Until something fails, or, of tasks that are named, none is there any more. */
static int
look_again_and_again(struct zkq *handle, const struct ids *ids)
{
	int code = EXIT_OK;

	if (isatty(STDOUT_FILENO) && !settings.json)
		fputs("\x1b[H\x1b[2J", stdout);
	for (bool again = false; (code == EXIT_OK || code == EXIT_NO) && !output_broken(); again = true) {
		code = look(handle, ids, again);
		fflush(stdout);
		if (ids->given && !state.named_known)
			break;
		int64_t next_ms = cli_now() + watch_ms;
		while (cli_now() < next_ms)
			cli_turn(handle, next_ms - cli_now(), -1);
		cli_restart();
	}
	return code;
}

static int
status(int argc, char **argv)
{
	struct zkq *handle;
	struct ids ids = { 0 };
	int code = states ? check_states() : 0;

	if (code == 0)
		code = cli_check_queue(queue);
	if (code == 0 && argc > 0)
		code = cli_ids(argv, true, &ids);
	if (code == 0)
		code = listing_check(info_columns, INFO_COLUMNS);
	if (code == 0)
		code = cli_open_ids(&handle, &ids);
	if (code == 0) {
		code = watching ? look_again_and_again(handle, &ids) : look(handle, &ids, false);
		zkq_close(handle);
	}
	cli_ids_free(&ids);
	return code;
}

const struct command command_status = {
	.name = "status",
	.program = "zkq-status",
	.about = "list tasks",
	.usage = "zkq status [OPTIONS] [ID...]",
	.notes = "Without ids: the live tasks in order of start, and what has failed of late. With options that choose\n"
	    "among ended tasks: these after the live ones, the latest first unless --limit=0. It reads the tree and\n"
	    "needs no dispatcher. Why tasks wait: zkq-status(1), and zkq explain.",
	.manual = "zkq-status(1)",
	.options = options,
	.anywhere = true,
	.reads = true,
	.run = status,
};
