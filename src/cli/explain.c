/* zkq explain: why tasks run or do not, by the rules of the dispatcher. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"

#define CHUNK 250	/* ids asked for at once */
#define LABEL 10

static struct ids ids;
static int chunk_first, failed;
static bool begun;
static struct jsonout json;

static void
print_safe(const char *text)
{
	terminal_write(stdout, text, strlen(text), false);
}

static void
label(const char *text)
{
	printf("%-*s", LABEL, text);
}

/* ---- JSON ---- */

static void
count_json(const char *key, int64_t count)
{
	if (count >= 0)
		jsonout_number(&json, key, count);
}

static void
workers_json(const struct zkq_explanation *all)
{
	jsonout_array(&json, "workers");
	for (int i = 0; i < all->worker_count; i++) {
		const struct zkq_candidate *one = &all->workers[i];

		jsonout_object(&json, NULL);
		jsonout_string(&json, "worker", one->worker);
		jsonout_string(&json, "reason", one->reason);
		jsonout_number(&json, "slots", one->slots);
		jsonout_number(&json, "running", one->running);
		jsonout_number(&json, "claims", one->claims);
		jsonout_bool(&json, "next", one->next);
		jsonout_end(&json);
	}
	jsonout_end(&json);
}

static void
add_json(const struct zkq_explanation *all)
{
	info_json(&json, all->info);
	jsonout_string(&json, "remedy", all->remedy);
	jsonout_array(&json, "paths");
	for (int i = 0; i < all->path_count; i++)
		jsonout_string(&json, NULL, all->paths[i]);
	jsonout_end(&json);
	count_json("higher", all->higher);
	count_json("before", all->before);
	count_json("behind", all->behind);
	if (!all->info->ended)
		jsonout_bool(&json, "leads", all->leads);
	if (all->lost_after_ms > 0)
		jsonout_seconds(&json, "lost_after_seconds", all->lost_after_ms);
	if (all->higher >= 0)
		workers_json(all);
}

/* ---- text ---- */

static void
print_since(const char *words, int64_t since_ms)
{
	char text[DURATION_SIZE];
	int64_t age_ms = cli_wall() - since_ms;

	if (since_ms > 0)
		printf("%s%s", words, duration_short(age_ms < 1000 ? 0 : age_ms, text));
}

static void
print_paths(const struct zkq_explanation *all)
{
	for (int i = 0; i < all->path_count; i++) {
		label(i ? "" : "In tree");
		print_safe(all->paths[i]);
		putchar('\n');
	}
}

static void
print_line(const struct zkq_explanation *all)
{
	if (all->higher < 0)
		return;
	label("In line");
	if (all->higher == 0 && all->before == 0)
		fputs("it is the first one", stdout);
	else if (all->before >= 0)
		printf("%lld of a higher priority and %lld of its own go first", (long long)all->higher, (long long)all->before);
	else
		printf("%lld of a higher priority go first", (long long)all->higher);
	if (all->behind > 0)
		printf(", %lld come after it", (long long)all->behind);
	putchar('\n');
}

static void
print_workers(const struct zkq_explanation *all)
{
	bool first_goes = all->higher == 0 && all->before == 0;

	if (all->higher < 0)
		return;
	if (!all->worker_count)
		printf("%-*snone is registered\n", LABEL, "Workers");
	for (int i = 0; i < all->worker_count; i++) {
		const struct zkq_candidate *one = &all->workers[i];

		label(i ? "" : "Workers");
		print_safe(one->worker);
		if (one->reason)
			printf("  %s", one->reason);
		else
			printf("  %s", !first_goes ? "has room, for those that go first" : one->next ? "would be given it" : "has room");
		printf("  (%d of %d slots run, %d claim%s)\n", one->running, one->slots, one->claims, one->claims == 1 ? "" : "s");
	}
}

static void
print_live(const struct zkq_explanation *all)
{
	const struct zkq_info *info = all->info;
	char after[DURATION_SIZE];

	print_line(all);
	print_workers(all);
	if (info->worker && all->lost_after_ms > 0) {
		label("If lost");
		print_safe(info->worker);
		printf(" being lost, others get it %s after the leader saw that\n", duration_short(all->lost_after_ms, after));
	}
	if (all->remedy)
		printf("%-*s%s\n", LABEL, "To run", all->remedy);
	if (!all->leads && info->worker)
		printf("%-*snobody leads: what its worker loses stays where it is\n", LABEL, "Leader");
}

/* "default.1.k3v9q7xa2m4t  frame  WAITING  (NoSlot)  since 40s". */
static void
print_head(const struct zkq_info *info)
{
	char state[32];

	print_safe(info->id);
	fputs("  ", stdout);
	print_safe(info->name ? info->name : "-");
	printf("  %s", info_state(info, state));
	if (info->reason)
		printf("  (%s)", info->reason);
	if (info->worker) {
		fputs("  on ", stdout);
		print_safe(info->worker);
		print_since(" since ", info->claimed_ms);
		printf("  attempt %d  fence %s", info->attempt, info->fence ? info->fence : "-");
	} else {
		print_since("  since ", info->submitted_ms);
	}
	putchar('\n');
}

static void
print_text(const struct zkq_explanation *all)
{
	const struct zkq_info *info = all->info;

	if (begun)
		putchar('\n');
	if (info->ended) {
		info_print_line(info);
		label("More");
		printf("zkq show %s", info->id);
		printf(info->started_ms > 0 ? "; zkq logs %s\n" : "\n", info->id);
	} else {
		print_head(info);
		print_live(all);
	}
	print_paths(all);
}

/* ---- the command ---- */

static void
take(void *context, int index, int error, const struct zkq_explanation *all)
{
	const char *id = ids.items[chunk_first + index];

	(void)context;
	error = cli_id_error(id, error);
	if (settings.json) {
		jsonout_object(&json, NULL);
		if (error == ZKQ_OK)
			add_json(all);
		else
			info_json_error(&json, id, error);
		jsonout_end(&json);
	} else if (error == ZKQ_OK) {
		print_text(all);
		begun = true;
	}
	if (error == ZKQ_OK)
		return;
	failed = failed ? failed : cli_error_exit(error);
	cli_say_id(id, error);
}

static int
explain(int argc, char **argv)
{
	struct zkq *handle;
	int code = cli_ids(argv, true, &ids);

	(void)argc;
	if (code == 0)
		code = cli_open_ids(&handle, &ids);
	if (code)
		return code;
	if (settings.json)
		info_json_begin(&json, "zkq.explain/1");
	int error = ZKQ_OK;
	for (; chunk_first < ids.count && error == ZKQ_OK; chunk_first += CHUNK) {
		int count = ids.count - chunk_first < CHUNK ? ids.count - chunk_first : CHUNK;

		error = zkq_explain_wait(handle, (const char *const *)ids.items + chunk_first, count, cli_left(), take, NULL);
	}
	if (settings.json) {
		jsonout_end(&json);
		info_json_finish(&json, error == ZKQ_OK);
	}
	code = error == ZKQ_OK ? failed : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	cli_ids_free(&ids);
	return code;
}

const struct command command_explain = {
	.name = "explain",
	.program = "zkq-explain",
	.about = "why tasks run or do not: place in line, workers, what to do",
	.usage = "zkq explain [OPTIONS] ID...",
	.notes = "'-' reads ids from standard input. It reads the tree and needs no dispatcher. The reasons are described\n"
	    "in zkq-status(1).",
	.manual = "zkq-explain(1)",
	.anywhere = true,
	.reads = true,
	.run = explain,
};
