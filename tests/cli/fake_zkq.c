/*
 * A libzkq without a server, for tests of the commands: what it answers stands in the environment.
 *
 * ZKQ_FAKE: words "name=number": open connect submit get list wait cancel follow workers dispatchers queues pause ping doctor purge export import fsck: the
 * error that the call returns (submit, cancel: that the callback gets); mute=1: submits are never answered;
 * refuse_from=N: tasks from the N-th submitted on get the error of submit; existed=1; leaders=N; hang=1: following never ends; leave=1: they are gone when asked for again; again=N: what is followed is started again; size=N errsize=N dropped=N: bytes of output; slow=1: a cancel times out;
 * looked=N: a list looked at so many results, and not at all; recent=1: what has ended did so just now; none=1: a queue in which nothing ever was.
 * ZKQ_FAKE_TASKS: lines "id|name|state|exit|signal|reason|tail": tasks that exist; exit and signal may be empty.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "zkq.h"

#define SUBMITS_MAX 100000

struct answer {
	zkq_submit_fn *callback;
	void *context;
	int index, number;
};

struct zkq {
	int fd;
	struct answer answers[SUBMITS_MAX];
	int count, done, submitted;
	const char *const *wait_ids;
	char **wait_copy;
	int wait_count;
	zkq_info_fn *wait_callback;
	void *wait_context;
};

static int
knob(const char *name)
{
	const char *text = getenv("ZKQ_FAKE");
	size_t len = strlen(name);

	for (const char *p = text; p && *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			return atoi(p + len + 1);
	return 0;
}

const char *
zkq_strerror(int error)
{
	static const char *const words[] = { "ok", "unreachable", "outcome unknown", "no answer in time", "malformed", "no such queue",
		"queue full", "not allowed", "no tree", "not found", "too large", "no memory", "ended already", "system", "cancelled" };

	return error <= 0 && -error < (int)(sizeof words / sizeof words[0]) ? words[-error] : "?";
}

const char *
zkq_version(void)
{
	return "0.0.0-fake";
}

int
zkq_open(const struct zkq_options *options, struct zkq **handle)
{
	int error = knob("open");

	if (!options->hosts || strchr(options->hosts, ' '))
		error = ZKQ_EHOSTS;
	*handle = error ? NULL : calloc(1, sizeof **handle);
	if (*handle)
		(*handle)->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return error;
}

void
zkq_close(struct zkq *handle)
{
	if (!handle)
		return;
	for (; handle->done < handle->count; handle->done++) {
		struct answer *answer = &handle->answers[handle->done];

		answer->callback(answer->context, answer->index, ZKQ_ECANCELLED, NULL, 0, NULL);
	}
	for (int i = 0; i < handle->wait_count; i++)
		free(handle->wait_copy[i]);
	free(handle->wait_copy);
	close(handle->fd);
	free(handle);
}

int
zkq_fd(const struct zkq *handle)
{
	return handle->fd;
}

int
zkq_timeout(const struct zkq *handle)
{
	return handle->done < handle->count && !knob("mute") ? 0 : -1;
}

/* ---- tasks ---- */

/* Fills info from the row of id; the strings are static. */
static int
look_up(const char *id, struct zkq_info *info)
{
	static char line[4096];
	char *field[7] = { NULL };

	memset(info, 0, sizeof *info);
	for (const char *p = getenv("ZKQ_FAKE_TASKS"); p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t len = strcspn(p, "\n");

		if (len >= sizeof line || strncmp(p, id, strlen(id)) != 0 || p[strlen(id)] != '|')
			continue;
		memcpy(line, p, len);
		line[len] = '\0';
		char *rest = line;
		for (int i = 0; i < 7; i++)
			field[i] = rest ? strsep(&rest, "|") : "";
		info->id = field[0];
		info->queue = "default";
		info->name = field[1];
		info->state = field[2];
		info->ended = strchr("wrsh", field[2][0]) == NULL || strcmp(field[2], "done") == 0;
		info->dead = strcmp(field[2], "dead") == 0;
		info->exit_code = field[3] && *field[3] ? atoi(field[3]) : -1;
		info->signal = field[4] && *field[4] ? atoi(field[4]) : 0;
		info->reason = field[5] && *field[5] ? field[5] : NULL;
		info->tail = field[6] && *field[6] ? field[6] : NULL;
		info->tail_size = info->tail ? strlen(info->tail) : 0;
		info->worker = strcmp(field[2], "waiting") == 0 ? NULL : "w1";
		info->attempt = info->worker ? 1 : 0;
		info->priority = 5;
		info->submitted_ms = 1795158667123LL;
		info->started_ms = info->worker ? 1795158668000LL : 0;
		info->ended_ms = info->ended ? 1795158669500LL : 0;
		if (info->ended && knob("recent"))
			info->ended_ms = (int64_t)time(NULL) * 1000;
		info->claimed_ms = info->worker && !info->ended ? (int64_t)time(NULL) * 1000 - 65000 : 0;
		info->fence = info->claimed_ms ? "0123456789abcdef0123456789abcdef" : NULL;
		info->run_seconds = 1.5;
		info->cpu_seconds = 0.25;
		info->max_rss_bytes = 3250000;
		info->log_complete = 1;
		info->stdout_bytes = (uint64_t)knob("size");
		info->stderr_bytes = (uint64_t)knob("errsize");
		info->dropped_bytes = (uint64_t)knob("dropped");
		info->task_json = "{\"v\":1,\"argv\":[\"./frame.sh\",\"1\xe2\x80\xae" "7\"],\"cwd\":null}";
		return ZKQ_OK;
	}
	return ZKQ_ENOENT;
}

static void
tell(zkq_info_fn *callback, void *context, int index, const char *id)
{
	struct zkq_info info;
	int error = look_up(id, &info);

	callback(context, index, error, error == ZKQ_OK ? &info : NULL);
}

void
zkq_dispatch(struct zkq *handle)
{
	while (handle->done < handle->count && !knob("mute")) {
		struct answer *answer = &handle->answers[handle->done++];
		int from = knob("refuse_from"), error = answer->number >= from ? knob("submit") : ZKQ_OK;
		char id[ZKQ_ID_SIZE];

		snprintf(id, sizeof id, "default.1.tok%09d", answer->number);
		answer->callback(answer->context, answer->index, error, error == ZKQ_OK || error == ZKQ_EUNKNOWN ? id : "",
		    knob("existed"), error == ZKQ_EFULL ? "200000 tasks wait" : NULL);
	}
	for (int i = 0; i < handle->wait_count; i++) {
		struct zkq_info info;
		char *id = handle->wait_copy[i];

		if (id && (look_up(id, &info) != ZKQ_OK || info.ended)) {
			tell(handle->wait_callback, handle->wait_context, i, id);
			free(id);
			handle->wait_copy[i] = NULL;
		}
	}
}

int
zkq_connect_wait(struct zkq *handle, int timeout_ms)
{
	(void)handle;
	(void)timeout_ms;
	return knob("connect");
}

const char *
zkq_state_text(struct zkq *handle)
{
	(void)handle;
	return knob("unresolved") ? "connecting: cannot be resolved" : "connecting";
}

int
zkq_submit(struct zkq *handle, const char *queue, const struct zkq_task *tasks, int count, zkq_submit_fn *callback,
    void *context, int *invalid)
{
	(void)queue;
	(void)tasks;
	(void)invalid;
	for (int i = 0; i < count && handle->count < SUBMITS_MAX; i++) {
		handle->submitted++;
		handle->answers[handle->count++] = (struct answer){ callback, context, i, handle->submitted };
	}
	return ZKQ_OK;
}

int
zkq_task_json(struct zkq *handle, const struct zkq_task *task, char **json)
{
	(void)handle;
	if (task->json && (task->json[0] != '{' || !strstr(task->json, "\"argv\""))) {
		*json = strdup(task->json[0] != '{' ? "no JSON object" : "argv: missing");
		return ZKQ_EINVAL;
	}
	if (task->json)
		*json = strdup(task->json);
	else if (asprintf(json, "{\"argv\":[\"%s\"],\"priority\":%d,\"input\":%zu}", task->argv[0], task->priority,
	    task->input_size) < 0)
		return ZKQ_ENOMEM;
	return ZKQ_OK;
}

void
zkq_free(void *memory)
{
	free(memory);
}

int
zkq_wait(struct zkq *handle, const char *const *ids, int count, zkq_info_fn *callback, void *context)
{
	if (knob("wait"))
		return knob("wait");
	handle->wait_copy = calloc((size_t)count, sizeof *handle->wait_copy);
	for (int i = 0; i < count; i++)
		handle->wait_copy[i] = strdup(ids[i]);
	handle->wait_count = count;
	handle->wait_callback = callback;
	handle->wait_context = context;
	uint64_t one = 1;
	return write(handle->fd, &one, sizeof one) == (ssize_t)sizeof one ? ZKQ_OK : ZKQ_ESYSTEM;
}

/* The submitted task's fate is the row "default.1.tok...". */
int
zkq_wait_wait(struct zkq *handle, const char *id, int timeout_ms, zkq_info_fn *callback, void *context)
{
	struct zkq_info info;

	(void)handle;
	(void)timeout_ms;
	if (knob("wait"))
		return knob("wait");
	if (look_up(id, &info) == ZKQ_OK && !info.ended)
		return ZKQ_ETIMEOUT;
	tell(callback, context, 0, id);
	return ZKQ_OK;
}

int
zkq_follow_wait(struct zkq *handle, const char *id, int timeout_ms, zkq_output_fn *output, zkq_info_fn *done,
    void *context, int *missed)
{
	if (knob("follow"))
		return knob("follow");
	*missed = knob("missed");
	output(context, 1, "out \xc3", 5);
	while (knob("hang"))
		poll(NULL, 0, 1000);
	output(context, 1, "\xa4\n", 2);
	if (knob("again"))
		output(context, 0, NULL, (size_t)knob("again"));
	output(context, 2, "err\n", 4);
	output(context, 1, NULL, 0);
	output(context, 2, NULL, 0);
	return zkq_wait_wait(handle, id, timeout_ms, done, context);
}

/* Of both streams, what is asked for; source=N is where it came from. */
int
zkq_output_wait(struct zkq *handle, const char *id, const struct zkq_output_options *options, int timeout_ms,
    zkq_output_fn *output, zkq_info_fn *done, void *context, enum zkq_output_source *source)
{
	char text[64];

	(void)timeout_ms;
	if (knob("output"))
		return knob("output");
	*source = knob("source") ? (enum zkq_output_source)(knob("source") - 1) : ZKQ_OUTPUT_WORKER;
	snprintf(text, sizeof text, "follow=%d lines=%d attempt=%d \x1b[2J\n", options->follow, options->lines,
	    options->attempt);
	if (*source != ZKQ_OUTPUT_NONE && options->streams != 2)
		output(context, 1, text, strlen(text));
	if (*source != ZKQ_OUTPUT_NONE && options->streams != 1)
		output(context, 2, "err\n", 4);
	output(context, 1, NULL, 0);
	output(context, 2, NULL, 0);
	return options->follow ? zkq_wait_wait(handle, id, -1, done, context) : zkq_get_wait(handle, &id, 1, -1, done, context);
}

int
zkq_get_wait(struct zkq *handle, const char *const *ids, int count, int timeout_ms, zkq_info_fn *callback,
    void *context)
{
	(void)handle;
	(void)timeout_ms;
	for (int i = 0; knob("get") && i < count; i++)
		callback(context, i, knob("get"), NULL);
	if (knob("get"))
		return knob("get");
	/* In any order: callers must not rely on one. */
	for (int i = count - 1; i >= 0; i--)
		tell(callback, context, i, ids[i]);
	return ZKQ_OK;
}

static int
among(const char *const *words, const char *word)
{
	for (; words && *words; words++)
		if (strcmp(*words, word) == 0)
			return 1;
	return 0;
}

static int
chosen(const struct zkq_list_options *how, const struct zkq_info *info)
{
	if (info->ended ? !how->ended || (how->failed && strcmp(info->state, "done") == 0) ||
	    info->ended_ms < how->since_ms : how->ended == 2)
		return 0;
	if (how->worker && (!info->worker || strcmp(info->worker, how->worker) != 0))
		return 0;
	return !how->states || among(how->states, info->state);
}

/* Live ones in the order of the rows, then ended ones: the last rows first under a limit, which are the latest. */
int
zkq_list(struct zkq *handle, const struct zkq_list_options *how, zkq_info_fn *callback, zkq_done_fn *done, void *context)
{
	char ids[100][ZKQ_ID_SIZE];
	int count = 0, given = 0, given_ended = 0, total = 0;
	int error = how->queue && strcmp(how->queue, "default") != 0 ? ZKQ_ENOQUEUE : knob("list");

	(void)handle;
	for (const char *p = getenv("ZKQ_FAKE_TASKS"); !error && p && *p; p += strcspn(p, "\n"), p += *p == '\n')
		snprintf(ids[count++], sizeof ids[0], "%.*s", (int)strcspn(p, "|"), p);
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < count; i++) {
			struct zkq_info info;
			int at = pass && how->limit ? count - 1 - i : i;

			if (look_up(ids[at], &info) != ZKQ_OK || info.ended != pass || !chosen(how, &info))
				continue;
			total++;
			if (pass && how->counts)
				how->counts->matching++;
			if (pass && how->ended_limit ? given_ended < how->ended_limit : !how->limit || given < how->limit) {
				callback(context, given++, ZKQ_OK, &info);
				given_ended += pass;
			}
		}
	}
	if (how->counts && knob("looked")) {
		how->counts->looked = knob("looked");
		how->counts->partial = 1;
	}
	if (done)
		done(context, error, total);
	return ZKQ_OK;
}

int
zkq_find_wait(struct zkq *handle, const char *text, int timeout_ms, zkq_match_fn *callback, void *context, int *total)
{
	const char *dot = strrchr(text, '.');

	(void)handle;
	(void)timeout_ms;
	*total = 0;
	for (const char *p = getenv("ZKQ_FAKE_TASKS"); !knob("find") && p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char id[ZKQ_ID_SIZE];

		snprintf(id, sizeof id, "%.*s", (int)strcspn(p, "|"), p);
		const char *token = strrchr(id, '.');
		if (!token || strncmp(dot ? id : token + 1, text, strlen(text)) != 0)
			continue;
		callback(context, id, 0);
		++*total;
	}
	return knob("find");
}

/* A waiting task waits behind two others, and w1 has a free slot; of one that runs the worker is lost after 30 s. */
int
zkq_explain_wait(struct zkq *handle, const char *const *ids, int count, int timeout_ms, zkq_explain_fn *callback,
    void *context)
{
	static const struct zkq_candidate workers[] = { { "w1", NULL, 4, 1, 3, 1 }, { "w2", "Draining", 4, 0, 1, 0 } };
	static const char *const paths[] = { "/zkq/queues/default/tasks/1/5.x", "/zkq/queues/default/classes/x" };

	(void)handle;
	(void)timeout_ms;
	for (int i = 0; !knob("get") && i < count; i++) {
		struct zkq_info info;
		int error = look_up(ids[i], &info);
		struct zkq_explanation all = { .info = &info, .paths = paths, .path_count = 2, .higher = -1, .before = -1,
			.behind = -1, .leads = knob("leaders") };

		if (error == ZKQ_OK && !info.ended && info.worker) {
			all.lost_after_ms = 30000;
		} else if (error == ZKQ_OK && !info.ended) {
			all.higher = 0;
			all.before = knob("before");
			all.behind = 14;
			all.workers = workers;
			all.worker_count = 2;
			all.remedy = "a slot must get free";
		}
		callback(context, i, error, error == ZKQ_OK ? &all : NULL);
	}
	return knob("get");
}

int
zkq_cancel_wait(struct zkq *handle, const char *const *ids, int count, const char *reason, int timeout_ms,
    zkq_info_fn *callback, void *context)
{
	(void)handle;
	(void)reason;
	(void)timeout_ms;
	if (knob("cancel"))
		return knob("cancel");
	for (int i = 0; i < count; i++) {
		struct zkq_info info;
		int error = look_up(ids[i], &info);

		if (error == ZKQ_OK && !info.ended)
			error = ZKQ_ETIMEOUT;
		else if (error == ZKQ_OK && strcmp(info.state, "cancelled") != 0)
			error = ZKQ_EENDED;
		callback(context, i, error, error == ZKQ_OK || error == ZKQ_EENDED ? &info : NULL);
	}
	return ZKQ_OK;
}

int
zkq_ping_wait(struct zkq *handle, int timeout_ms, zkq_ping_fn *callback, void *context)
{
	struct zkq_ping_info info = { .server = "10.0.0.1:2181", .session_timeout_ms = 10000, .round_trip_ms = 1.25,
		.tree = !knob("notree"), .queues = !knob("noqueue"), .candidates = knob("leaders") };

	(void)handle, (void)timeout_ms;
	if (knob("leaders")) {
		info.leader = "d1";
		info.leader_host = "host\0331";
		info.candidate_since_ms = 1795158668000LL;
	}
	if (knob("ping") == 0)
		callback(context, &info);
	return knob("ping");
}

int
zkq_doctor_wait(struct zkq *handle, int flags, int timeout_ms, zkq_finding_fn *found, void *context)
{
	(void)handle, (void)timeout_ms;
	found(context, &(struct zkq_finding){ ZKQ_LEVEL_OK, "session", "session", flags ? "no write" : "fine", NULL });
	for (int i = 0; i < knob("warnings"); i++)
		found(context, &(struct zkq_finding){ ZKQ_LEVEL_WARNING, "queues", "queue \033[2J", "paused", "zkq queue resume x" });
	for (int i = 0; i < knob("errors"); i++)
		found(context, &(struct zkq_finding){ ZKQ_LEVEL_ERROR, "leader", "dispatcher", "nobody leads", "start one" });
	return knob("doctor");
}

int
zkq_purge_check(struct zkq *handle, const char *path)
{
	(void)handle;
	return path[0] != '/' || !path[1] ? ZKQ_EINVAL : strcmp(path, "/zkq") == 0 ? ZKQ_EEXIST : ZKQ_OK;
}

int
zkq_purge_wait(struct zkq *handle, const char *path, const struct zkq_purge_options *options, int timeout_ms,
    zkq_purge_fn *callback, void *context)
{
	struct zkq_purge_progress progress = { .found = 20 };

	(void)timeout_ms;
	if (!options->force && zkq_purge_check(handle, path) == ZKQ_EEXIST)
		return ZKQ_EEXIST;
	for (int i = 0; i < knob("refused") && !options->dry_run; i++) {
		progress.refused++;
		progress.path = "/app/\033[2Jx";
		progress.error = ZKQ_ENOAUTH;
		callback(context, &progress);
	}
	progress.path = NULL;
	progress.deleted = options->dry_run ? 0 : knob("deleted");
	callback(context, &progress);
	return knob("purge");
}

int
zkq_export_wait(struct zkq *handle, int timeout_ms, zkq_line_fn *line, zkq_count_fn *counted, void *context, int *denied)
{
	(void)handle, (void)timeout_ms;
	counted(context, 1000);
	*denied = knob("denied");
	for (int i = 0; i < 3 && !knob("export"); i++)
		if (line(context, "{}", 2))
			return ZKQ_ECANCELLED;
	return knob("export");
}

int
zkq_import_wait(struct zkq *handle, int flags, int timeout_ms, zkq_source_fn *source, void *context, struct zkq_import_info *info)
{
	size_t len;

	(void)handle, (void)timeout_ms;
	memset(info, 0, sizeof *info);
	while (source(context, &len))
		info->created++;
	info->lost = flags & ZKQ_IMPORT_FORCE;
	if (knob("import") == ZKQ_EINVAL) {
		info->line = 7;
		strcpy(info->why, "nonsense");
	}
	if (knob("import") == ZKQ_ENOENT)
		strcpy(info->why, "/a is missing");
	return knob("import");
}

int
zkq_fsck_wait(struct zkq *handle, int flags, int timeout_ms, zkq_finding_fn *found, zkq_count_fn *counted, void *context,
    struct zkq_fsck_info *info)
{
	(void)handle, (void)timeout_ms, (void)counted;
	memset(info, 0, sizeof *info);
	info->repaired = flags & ZKQ_FSCK_REPAIR;
	info->errors = knob("errors") - info->repaired;
	if (flags & ZKQ_FSCK_REPAIR)
		found(context, &(struct zkq_finding){ ZKQ_LEVEL_OK, "claim", "/zkq/\033[2J", "is for nothing", "delete it" });
	for (int i = 0; i < info->errors; i++)
		found(context, &(struct zkq_finding){ ZKQ_LEVEL_ERROR, "place", "/zkq/x", "is in two places", "--repair: delete it" });
	return knob("fsck");
}

int
zkq_update_wait(struct zkq *handle, const char *const *ids, int count, const struct zkq_update *update, int timeout_ms,
    zkq_info_fn *callback, void *context)
{
	(void)handle;
	(void)timeout_ms;
	if (knob("update"))
		return knob("update");
	if (knob("priority") && update->priority != knob("priority") - 1)
		return ZKQ_EINVAL;
	for (int i = 0; i < count; i++) {
		struct zkq_info info;
		int error = look_up(ids[i], &info);

		if (error == ZKQ_OK && info.ended)
			error = ZKQ_EENDED;
		else if (error == ZKQ_OK && strcmp(info.state, "running") == 0)
			error = ZKQ_EBUSY;
		else if (error == ZKQ_OK && knob("late"))
			error = ZKQ_ETIMEOUT;
		callback(context, i, error, error == ZKQ_EENDED ? &info : NULL);
	}
	return ZKQ_OK;
}

int
zkq_workers_wait(struct zkq *handle, int timeout_ms, zkq_worker_fn *callback, void *context)
{
	struct zkq_worker_info up = { .name = "w1", .host = "node07", .version = "1.0", .state = "up", .slots = 4, .running = 1,
		.claims = 3, .load1 = 1.5, .mem_total_bytes = 1000, .mem_free_bytes = 390, .disk_free_bytes = 5ULL << 30,
		.reported_ms = 1200, .since_ms = 1795158667123LL, .lost_after_ms = 30000, .queues = "default,\x1b[2J" };
	struct zkq_worker_info lost = { .name = "w2", .state = "lost", .slots = 4, .claims = 2, .load1 = -1, .reported_ms = -1,
		.lost_after_ms = 30000 };

	(void)handle;
	(void)timeout_ms;
	if (knob("workers"))
		return knob("workers");
	callback(context, &up);
	callback(context, &lost);
	return ZKQ_OK;
}

int
zkq_workers(struct zkq *handle, zkq_worker_fn *callback, zkq_done_fn *done, void *context)
{
	done(context, zkq_workers_wait(handle, 0, callback, context), 2);
	return ZKQ_OK;
}

int
zkq_dispatchers_wait(struct zkq *handle, int timeout_ms, zkq_dispatcher_fn *callback, void *context)
{
	struct zkq_dispatcher_info info = { .name = "d1", .host = "disp1", .leads = 1, .since_ms = 1795158667123LL };

	(void)handle;
	(void)timeout_ms;
	static int calls;
	int leaders = calls++ > 0 && knob("leave") ? 0 : knob("leaders");
	for (int i = 0; i < leaders; i++)
		callback(context, &info);
	return knob("dispatchers");
}

int
zkq_dispatchers(struct zkq *handle, zkq_dispatcher_fn *callback, zkq_done_fn *done, void *context)
{
	done(context, zkq_dispatchers_wait(handle, 0, callback, context), 1);
	return ZKQ_OK;
}

int
zkq_queues_wait(struct zkq *handle, int timeout_ms, zkq_queue_fn *callback, void *context)
{
	struct zkq_queue_info info = { .name = "default", .paused = 1, .paused_by = "anna", .paused_reason = "disk swap",
		.waiting = 3, .running = 1, .results = 1204, .dead = 2, .oldest_ms = 7800000,
		.workers = 2, .slots = 8, .free_slots = 3, .reason = "QueuePaused", .json = "{\"paused\":true}",
		.paused_left_ms = knob("left") ? knob("left") : -1, .paused_until_ms = 1795158667123LL };

	(void)handle;
	(void)timeout_ms;
	if (knob("queues"))
		return knob("queues");
	if (knob("none"))
		info = (struct zkq_queue_info){ .name = "default", .oldest_ms = -1 };
	callback(context, &info);
	return ZKQ_OK;
}

int
zkq_queues(struct zkq *handle, zkq_queue_fn *callback, zkq_done_fn *done, void *context)
{
	done(context, zkq_queues_wait(handle, 0, callback, context), 1);
	return ZKQ_OK;
}

int
zkq_queue_delete_wait(struct zkq *handle, const char *queue, int force, int timeout_ms)
{
	(void)handle, (void)timeout_ms;
	return strcmp(queue, "default") != 0 ? ZKQ_ENOQUEUE : force || knob("empty") ? knob("delete") : ZKQ_EBUSY;
}

int
zkq_queue_create_wait(struct zkq *handle, const char *queue, int timeout_ms)
{
	(void)handle;
	(void)timeout_ms;
	return strcmp(queue, "default") == 0 ? ZKQ_EEXIST : knob("create");
}

int
zkq_queue_pause_wait(struct zkq *handle, const char *queue, int paused, int64_t for_ms, const char *reason, int timeout_ms)
{
	(void)handle;
	(void)paused;
	(void)for_ms;
	(void)reason;
	(void)timeout_ms;
	return strcmp(queue, "default") == 0 ? knob("pause") : ZKQ_ENOQUEUE;
}
