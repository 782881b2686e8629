/*
 * follow.c: the output of a task as it comes.
 *
 *     LOOKING ──a claim is there──▶ READING ──both streams end──▶ LOOKING (the result, or the next attempt)
 *        │                             └── connection refused or broken ──▶ LOOKING, later from where it was
 *        └──the result is there──▶ what of its attempt has not been read: by HTTP, else the stored end of it
 *
 * The wait for the result runs all the time. What is read of an attempt is never given twice: streams are asked
 * for from the byte where they stood.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http.h"
#include "lib/ids.h"
#include "lib/info.h"
#include "lib/scene.h"

#define LOOK_FIRST_MS 25	/* most short tasks are over by then and need no look at the claims */
#define LOOK_MAX_MS 2000	/* a look costs a listing per worker */
#define ASK_MAX_MS 250		/* asking the worker that has the claim costs nobody else anything */
#define QUIET_MS 3000		/* a stream that gives nothing for so long: does the attempt still stand? */
#define LAST_MS 5000		/* the result is there but the log server gives nothing: give up */

struct attempt {
	char worker[WORKER_NAME_MAX + 1];
	int number;		/* 0 = none */
	uint64_t offset[2];
	bool ended[2];		/* or not wanted */
	bool placed[2];		/* offset is that of the file, not of what was given */
	unsigned prefixed[2];	/* so many bytes of the prefix of the present line have been given */
	bool given;		/* something of it was given */
	bool reached;		/* its log server answered */
	char *address, *token;
};

struct follow {
	struct zkq *handle;
	struct task_id id;
	char text[ID_MAX + 1];
	int64_t deadline;
	zkq_output_fn *output;
	void *context;
	struct reads reads;
	struct arena arena;	/* of the result */
	bool answered;
	int error;
	struct rec_result result;
	bool dead;
	struct attempt attempt;
	struct http http[2];
	unsigned in_prefix[2];	/* so many bytes of the prefix of the present line have come by this connection */
	int64_t heard_ms;	/* something came */
	int missed;
	int told;		/* the last attempt that was turned to */
	struct zkq_output_options options;
	int lines;		/* of the first attempt that is read */
	enum zkq_output_source source;
};

/* ---- the result ---- */

static void
keep_answer(void *context, int index, int error, const struct answer *answer)
{
	struct follow *follow = context;
	struct rec_result *to = &follow->result;

	(void)index;
	follow->answered = true;
	follow->error = error;
	if (!answer)
		return;
	if (answer->kind == ANSWER_REFUSED)
		follow->error = error_of_refusal(answer);
	else if (answer->kind != ANSWER_RESULT)
		follow->error = ZKQ_ENOENT;
	if (follow->error != ZKQ_OK)
		return;
	*to = answer->result;
	follow->dead = answer->dead;
	to->worker = arena_string(&follow->arena, to->worker);
	to->name = arena_string(&follow->arena, to->name);
	to->by = arena_string(&follow->arena, to->by);
	to->task = arena_string(&follow->arena, to->task);
	to->outcome.reason = arena_string(&follow->arena, to->outcome.reason);
	if (to->outcome.tail)
		to->outcome.tail = arena_copy(&follow->arena, to->outcome.tail, to->outcome.tail_len);
	if (follow->arena.failed)
		follow->error = ZKQ_ENOMEM;
}

static uint64_t
begin_wait(struct follow *follow)
{
	const char *id = follow->text;
	struct pending *pending = pending_new(CALL_WAIT, 1);

	if (!pending || ids_take(pending, &id, 1) != ZKQ_OK) {
		pending_free(pending);
		return 0;
	}
	pending->on_answer = keep_answer;
	pending->context = follow;
	return handle_call(follow->handle, pending);
}

/* ---- where the output is ---- */

static void
forget_attempt(struct follow *follow)
{
	struct attempt *attempt = &follow->attempt;

	http_close(&follow->http[0]);
	http_close(&follow->http[1]);
	if (attempt->number && !attempt->reached)
		follow->missed++;
	if (attempt->reached)
		follow->lines = 0;	/* what comes next is new */
	free(attempt->address);
	free(attempt->token);
	memset(attempt, 0, sizeof *attempt);
}

static void
turn_to(struct follow *follow, const char *worker, int number)
{
	struct attempt *attempt = &follow->attempt;

	if (attempt->number == number && !strcmp(attempt->worker, worker))
		return;
	forget_attempt(follow);
	attempt->number = number;
	if (follow->options.follow && !follow->options.attempt && number > 1 && number != follow->told)
		follow->output(follow->context, 0, NULL, (size_t)number);
	follow->told = number;
	snprintf(attempt->worker, sizeof attempt->worker, "%s", worker);
	for (int i = 0; i < 2; i++)
		attempt->ended[i] = follow->options.streams && !(follow->options.streams & 1 << i);
}

/* The token as it lies in logkeys: {"v":1,"token":"..."}. */
static char *
token_of(const char *json)
{
	const char *at = strstr(json, "\"token\"");

	at = at ? strchr(at + 7, ':') : NULL;
	at = at ? strchr(at, '"') : NULL;
	size_t len = at ? strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~+/=-") : 0;
	return len && at[1 + len] == '"' ? strndup(at + 1, len) : NULL;
}

static void
take_address(void *context, const struct reply *reply)
{
	struct attempt *attempt = context;

	if (reply->rc != RC_OK || reply->bad)
		return;
	if (reply->node.kind == NODE_WORKER && reply->record.worker.log)
		attempt->address = strdup(reply->record.worker.log);
	else if (reply->node.kind == NODE_LOGKEY)
		attempt->token = token_of(reply->record.bytes.data);
}

static bool
read_address(struct follow *follow)
{
	struct attempt *attempt = &follow->attempt;
	struct plan *plan = &follow->reads.plan;

	free(attempt->token);
	attempt->token = NULL;
	plan_get(plan, 0, 0, node_of_worker(NODE_WORKER, attempt->worker), REC_WORKER, false);
	plan_get(plan, 0, 0, node_of_worker(NODE_LOGKEY, attempt->worker), REC_BYTES, false);
	return reads_run(follow->handle, &follow->reads, take_address, attempt, follow->deadline) == ZKQ_OK &&
	    attempt->address;
}

/* What cannot be reached may have moved: a worker that comes back has a new port. */
static void
close_streams(struct follow *follow)
{
	struct attempt *attempt = &follow->attempt;

	for (int i = 0; i < 2; i++) {
		if (follow->http[i].state == HTTP_BROKEN || (follow->http[i].state == HTTP_REFUSED &&
		    follow->http[i].status != 404)) {
			free(attempt->address);
			attempt->address = NULL;
		}
		http_close(&follow->http[i]);
	}
}

/* Opens those streams (bits) of the attempt that have not ended. False when its worker cannot be reached now. */
static bool
open_streams(struct follow *follow, int streams)
{
	static const char *const names[2] = { "stdout", "stderr" };
	struct attempt *attempt = &follow->attempt;
	char path[160], what[48];

	if (!attempt->address && !read_address(follow))
		return false;
	bool open = false;
	for (int i = 0; i < 2; i++) {
		if (attempt->ended[i] || !(streams & 1 << i))
			continue;
		if (follow->lines && !attempt->placed[i])
			snprintf(what, sizeof what, "lines=%d", follow->lines);
		else
			snprintf(what, sizeof what, "from=%llu", (unsigned long long)attempt->offset[i]);
		snprintf(path, sizeof path, "/log/%s/%d/%s?%s%s%s", follow->text, attempt->number, names[i], what,
		    follow->options.follow ? "&follow=1" : "", follow->options.times ? "&ts=1" : "");
		follow->in_prefix[i] = 0;
		open |= http_open(&follow->http[i], attempt->address, path, attempt->token);
	}
	follow->heard_ms = link_now_ms();
	return open;
}

struct stream {
	struct follow *follow;
	int index;
};

/* Counts what of an answer with prefixes is output. Returns how many bytes at its begin are not to be given: the prefix of a
 * line that was given before the last connection broke. */
static size_t
count_lines(struct follow *follow, int i, const char *data, size_t size)
{
	unsigned prefix = follow->http[i].prefix, *come = &follow->in_prefix[i], *given = &follow->attempt.prefixed[i];
	size_t skip = 0, at = 0;

	while (at < size) {
		if (*come < prefix) {
			skip += *come < *given;
			*given += *come == *given;
			++*come;
			at++;
			continue;
		}
		const char *end = memchr(data + at, '\n', size - at);
		size_t part = end ? (size_t)(end + 1 - data) - at : size - at;

		follow->attempt.offset[i] += part;
		if (end)
			*come = *given = 0;
		at += part;
	}
	return skip;
}

static void
take_output(void *context, const void *data, size_t size)
{
	struct stream *stream = context;
	struct follow *follow = stream->follow;

	if (!size)
		return;
	if (!follow->attempt.placed[stream->index] && follow->http[stream->index].from_known)
		follow->attempt.offset[stream->index] = follow->http[stream->index].from;
	follow->attempt.placed[stream->index] = true;
	follow->attempt.given = true;
	if (follow->http[stream->index].prefix) {
		size_t skip = count_lines(follow, stream->index, data, size);
		data = (const char *)data + skip;
		size -= skip;
	} else {
		follow->attempt.offset[stream->index] += size;
	}
	if (size)
		follow->output(follow->context, stream->index + 1, data, size);
}

static bool
work_streams(struct follow *follow)
{
	bool open = false;

	for (int i = 0; i < 2; i++) {
		struct http *http = &follow->http[i];
		struct stream stream = { follow, i };
		uint64_t before = follow->attempt.offset[i];

		if (!http_open_now(http))
			continue;
		http_work(http, take_output, &stream);
		if (http->state == HTTP_BODY || http->state == HTTP_END)
			follow->attempt.reached = true;
		if (http->state == HTTP_END)
			follow->attempt.ended[i] = true;
		if (follow->attempt.offset[i] != before || !http_open_now(http))
			follow->heard_ms = link_now_ms();
		open |= http_open_now(http);
	}
	return open;
}

/* ---- the loop ---- */

/* Whether the claim of the task is another one than that which is being read, or gone. Turns to the other one, unless the
 * caller wants this attempt and no other. */
static bool
look_for_claim(struct follow *follow, bool *there)
{
	struct claims claims;
	bool changed = false;

	*there = false;
	if (claims_read(follow->handle, &follow->reads, &claims, follow->deadline) == ZKQ_OK) {
		const struct node *claim = claims_find(&claims, follow->id.queue, follow->id.seg, follow->id.token);

		*there = claim != NULL;
		changed = claim && (follow->attempt.number != (int)claim->run || strcmp(follow->attempt.worker,
		    claim->worker));
		if (changed && !follow->options.attempt)
			turn_to(follow, claim->worker, (int)claim->run);
	}
	claims_free(&claims);
	return changed;
}

/* Reads what comes until the streams end or break, or the attempt turns out to be over. */
static void
read_streams(struct follow *follow)
{
	while (work_streams(follow)) {
		struct pollfd fds[2];
		int count = 0;
		int64_t now = link_now_ms(), until = follow->heard_ms + (follow->answered ? LAST_MS : QUIET_MS);
		bool over = follow->options.follow && follow->answered;

		for (int i = 0; i < 2; i++)
			if (http_open_now(&follow->http[i]))
				fds[count++] = (struct pollfd){ .fd = follow->http[i].fd,
				    .events = http_events(&follow->http[i]) };
		if (over && (follow->error != ZKQ_OK ||
		    (int)follow->result.attempt != follow->attempt.number))
			return;
		if (now >= follow->deadline)
			return;
		if (now >= until) {
			bool there;

			if (follow->answered || look_for_claim(follow, &there))
				return;
			/* The attempt that alone is wanted is over, and its worker perhaps gone without a word. */
			follow->answered = follow->options.attempt && !there;
			follow->heard_ms = now;
			continue;
		}
		handle_turn(follow->handle, until < follow->deadline ? until : follow->deadline, fds, count);
	}
}

static bool
attempt_read(const struct attempt *attempt)
{
	return attempt->ended[0] && attempt->ended[1];
}

/* Waits up to ms for the result. */
static void
wait_a_little(struct follow *follow, int64_t ms)
{
	int64_t until = link_now_ms() + ms;

	if (until > follow->deadline)
		until = follow->deadline;
	while (!follow->answered && handle_turn(follow->handle, until, NULL, 0))
		;
}

static int64_t
longer(int64_t pause, int64_t most)
{
	return pause * 2 < most ? pause * 2 : most;
}

static void
follow_attempts(struct follow *follow)
{
	int64_t pause = LOOK_FIRST_MS, look_ms = 0;
	bool there = false;

	while (link_now_ms() < follow->deadline) {
		wait_a_little(follow, pause);
		if (!follow->answered && (!there || link_now_ms() >= look_ms)) {
			if (look_for_claim(follow, &there))
				pause = LOOK_FIRST_MS;
			look_ms = link_now_ms() + LOOK_MAX_MS;
		}
		if (follow->answered)
			return;
		if (!there || attempt_read(&follow->attempt)) {
			there = false;
			pause = longer(pause, LOOK_MAX_MS);
			continue;
		}
		uint64_t before = follow->attempt.offset[0] + follow->attempt.offset[1];
		if (open_streams(follow, 3))
			read_streams(follow);
		close_streams(follow);
		if (attempt_read(&follow->attempt) || follow->attempt.offset[0] + follow->attempt.offset[1] != before)
			pause = LOOK_FIRST_MS;	/* the result or the next attempt will be there soon */
		else
			pause = longer(pause, follow->attempt.address ? ASK_MAX_MS : LOOK_MAX_MS);
		if (!follow->attempt.address)
			there = false;	/* look whether that worker has the claim still */
	}
}

/* The stored end of the output is the whole of it, and all of one stream. */
static bool
tail_is_all(const struct outcome *outcome)
{
	return outcome->stdout_bytes + outcome->stderr_bytes == (outcome->tail ? outcome->tail_len : 0) &&
	    (!outcome->stdout_bytes || !outcome->stderr_bytes);
}

/* How many bytes lie before the last lines; 0 lines = all. */
static size_t
before_lines(const char *text, size_t len, int lines)
{
	for (size_t i = len; lines && i > 0; i--)
		if (text[i - 1] == '\n' && i < len && --lines == 0)
			return i;
	return 0;
}

/* The streams (bits) of which the caller wants output. */
static int
wanted_streams(const struct follow *follow)
{
	return follow->options.streams ? follow->options.streams : 3;
}

/* Whether the task wrote anything to a stream that is wanted. */
static bool
wrote_wanted(const struct follow *follow)
{
	const struct outcome *outcome = &follow->result.outcome;
	int wrote = (outcome->stdout_bytes ? 1 : 0) | (outcome->stderr_bytes ? 2 : 0);

	return wrote & wanted_streams(follow);
}

/* Gives the stored end, which does not tell streams apart: when the task wrote to both, it goes to a caller that wants both
 * only, as standard output. */
static void
give_tail(struct follow *follow)
{
	const struct outcome *outcome = &follow->result.outcome;
	bool mixed = outcome->stdout_bytes && outcome->stderr_bytes;
	int stream = !outcome->stdout_bytes && outcome->stderr_bytes ? 2 : 1;

	if (!outcome->tail || !outcome->tail_len || !(wanted_streams(follow) & stream) || (mixed && wanted_streams(follow) != 3))
		return;
	size_t skip = before_lines(outcome->tail, outcome->tail_len, follow->lines);
	follow->output(follow->context, stream, outcome->tail + skip, outcome->tail_len - skip);
}

/* Instead of what no worker gives: the stored end, unless there is nothing that is wanted. */
static void
give_end(struct follow *follow)
{
	give_tail(follow);
	follow->source = wrote_wanted(follow) ? ZKQ_OUTPUT_END : ZKQ_OUTPUT_WORKER;
}

/* The worker has given all that it kept, which is not all of it: its disk was full, or there was more than it keeps. */
static void
make_up_for_dropped(struct follow *follow)
{
	if (!follow->result.outcome.dropped_bytes)
		return;
	if (follow->attempt.given)
		follow->source = ZKQ_OUTPUT_DROPPED;
	else
		give_end(follow);
}

/* After a stream has broken off: gives the rest of it from the stored end, when that holds the end of that stream only and
 * reaches back so far. */
static bool
give_missing(struct follow *follow)
{
	struct attempt *attempt = &follow->attempt;
	const struct outcome *outcome = &follow->result.outcome;
	uint64_t sizes[2] = { outcome->stdout_bytes, outcome->stderr_bytes };
	int i = sizes[0] ? 0 : 1;

	if (sizes[1 - i] || follow->options.times || outcome->dropped_bytes || !outcome->tail || !attempt->placed[i] ||
	    attempt->offset[i] > sizes[i] || sizes[i] - attempt->offset[i] > outcome->tail_len)
		return false;
	size_t missing = (size_t)(sizes[i] - attempt->offset[i]);
	if (missing && !attempt->ended[i])
		follow->output(follow->context, i + 1, outcome->tail + outcome->tail_len - missing, missing);
	attempt->offset[i] = sizes[i];
	return true;
}

/* What is left of the attempt that gave the result. */
static void
read_rest(struct follow *follow)
{
	const struct rec_result *result = &follow->result;
	struct attempt *attempt = &follow->attempt;
	uint64_t sizes[2] = { result->outcome.stdout_bytes, result->outcome.stderr_bytes };

	if (!result->attempt || !result->worker) {
		forget_attempt(follow);
		return;
	}
	turn_to(follow, result->worker, (int)result->attempt);
	for (int i = 0; i < 2; i++)
		attempt->ended[i] |= attempt->offset[i] >= sizes[i] && !result->outcome.dropped_bytes;
	if (attempt_read(attempt)) {
		attempt->reached = true;
		make_up_for_dropped(follow);
		return;
	}
	if (!attempt->given && !follow->options.times && tail_is_all(&result->outcome)) {
		attempt->reached = true;
		give_tail(follow);
		return;
	}
	if (open_streams(follow, 3))
		read_streams(follow);
	close_streams(follow);
	if (attempt_read(attempt)) {
		make_up_for_dropped(follow);
		return;
	}
	attempt->reached = attempt->given && give_missing(follow);
	if (!attempt->given)
		give_end(follow);
}

static void
tell_result(struct follow *follow, zkq_info_fn *done)
{
	struct record record = { .kind = REC_RESULT, .result = follow->result };
	struct info_room room;
	struct zkq_info info;
	size_t len;

	info_of_result(&info, &room, &follow->id, &follow->result, follow->dead);
	info.json = record_encode(&follow->arena, &record, &len);
	done(follow->context, 0, ZKQ_OK, &info);
}

static int
follow_all(struct follow *follow, zkq_info_fn *done)
{
	uint64_t call_id = begin_wait(follow);

	if (!call_id)
		return ZKQ_ENOMEM;
	follow_attempts(follow);
	if (!follow->answered) {
		handle_forget(follow->handle, call_id);
		follow->error = handle_late(follow->handle);
	}
	if (follow->answered && follow->error == ZKQ_OK)
		read_rest(follow);
	forget_attempt(follow);
	if (!follow->source)
		follow->source = follow->missed ? ZKQ_OUTPUT_PART : ZKQ_OUTPUT_WORKER;
	follow->output(follow->context, 1, NULL, 0);
	follow->output(follow->context, 2, NULL, 0);
	if (follow->answered && follow->error == ZKQ_OK && done)
		tell_result(follow, done);
	return follow->error;
}

/* ---- what is there now ---- */

struct present {
	struct follow *follow;
	zkq_info_fn *done;
	int attempt;			/* the present or last one; 0 = none yet */
	char worker[WORKER_NAME_MAX + 1];
	bool ended;
};

static void
keep_present(void *context, int index, int error, const struct zkq_info *info)
{
	struct present *present = context;
	struct follow *follow = present->follow;
	struct outcome *outcome = &follow->result.outcome;

	follow->error = error;
	if (present->done)
		present->done(follow->context, index, error, info);
	if (error != ZKQ_OK)
		return;
	present->attempt = info->attempt;
	present->ended = info->ended;
	snprintf(present->worker, sizeof present->worker, "%s", info->worker ? info->worker : "");
	outcome->stdout_bytes = info->stdout_bytes;
	outcome->stderr_bytes = info->stderr_bytes;
	outcome->dropped_bytes = info->dropped_bytes;
	outcome->tail = arena_copy(&follow->arena, info->tail, info->tail_size);
	outcome->tail_len = info->tail_size;
	if (follow->arena.failed)
		follow->error = ZKQ_ENOMEM;
}

/* All that is wanted of the attempt from this worker. */
static bool
fetch(struct follow *follow, const char *worker, int number)
{
	turn_to(follow, worker, number);
	if (follow->options.follow) {
		if (open_streams(follow, 3))
			read_streams(follow);
		close_streams(follow);
		return attempt_read(&follow->attempt);
	}
	for (int i = 0; i < 2 && link_now_ms() < follow->deadline; i++) {
		if (follow->attempt.ended[i])
			continue;
		if (open_streams(follow, 1 << i))
			read_streams(follow);
		close_streams(follow);
		if (!follow->attempt.ended[i])
			return false;
	}
	return attempt_read(&follow->attempt);
}

struct worker_names {
	struct arena arena;
	char (*list)[WORKER_NAME_MAX + 1];
	int count;
};

static void
take_worker_names(void *context, const struct reply *reply)
{
	struct worker_names *names = context;

	if (reply->rc != RC_OK)
		return;
	names->list = arena_alloc(&names->arena, (size_t)(reply->child_count + 1) * sizeof *names->list);
	for (int i = 0; names->list && i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_WORKER)
			memcpy(names->list[names->count++], reply->children[i].worker, WORKER_NAME_MAX + 1);
}

/* Which worker had an attempt that is over is recorded nowhere: each is asked. */
static bool
fetch_from_any(struct follow *follow, int number)
{
	struct worker_names names = { .count = 0 };
	bool found = false;

	plan_list(&follow->reads.plan, 0, 0, node_plain(NODE_WORKERS), false);
	follow->error = reads_run(follow->handle, &follow->reads, take_worker_names, &names, follow->deadline);
	for (int i = 0; follow->error == ZKQ_OK && i < names.count && !found && !follow->attempt.given; i++)
		found = fetch(follow, names.list[i], number);
	arena_free(&names.arena);
	return found;
}

static void
read_present(struct follow *follow, const struct present *present)
{
	int number = follow->options.attempt ? follow->options.attempt : present->attempt;
	bool last = number == present->attempt && present->worker[0];

	if (!present->attempt || number > present->attempt)
		return;
	/* No times are stored with it. */
	if (last && present->ended && !follow->options.times && tail_is_all(&follow->result.outcome)) {
		give_tail(follow);
		follow->source = ZKQ_OUTPUT_WORKER;
		return;
	}
	bool found = last ? fetch(follow, present->worker, number) : fetch_from_any(follow, number);
	if (found || (last && present->ended && follow->attempt.given && give_missing(follow))) {
		follow->source = ZKQ_OUTPUT_WORKER;
		if (last && present->ended)
			make_up_for_dropped(follow);
	} else if (follow->attempt.given) {
		follow->source = ZKQ_OUTPUT_PART;
	} else if (last && present->ended) {
		give_end(follow);
	}
}

static int
read_once(struct follow *follow, zkq_info_fn *done)
{
	struct present present = { .follow = follow, .done = done };
	const struct zkq_output_options *options = &follow->options;
	const char *id = follow->text;
	int64_t left = follow->deadline == NEVER ? -1 : follow->deadline - link_now_ms();
	int error = zkq_get_wait(follow->handle, &id, 1, left > INT32_MAX ? -1 : (int)left, keep_present, &present);

	if (error == ZKQ_OK)
		error = follow->error;
	if (error != ZKQ_OK)
		return error;
	/* Nothing more is expected, so LAST_MS counts; of an attempt that runs, more is. */
	follow->answered = !options->follow || present.ended || options->attempt != present.attempt;
	follow->result.attempt = (uint32_t)options->attempt;
	read_present(follow, &present);
	forget_attempt(follow);
	follow->output(follow->context, 1, NULL, 0);
	follow->output(follow->context, 2, NULL, 0);
	return follow->error;
}

/* ---- calls ---- */

static int
get_output(struct zkq *handle, const char *id, const struct zkq_output_options *given, int timeout_ms, zkq_output_fn *output,
    zkq_info_fn *done, void *context, enum zkq_output_source *source, int *missed)
{
	struct follow follow = { .handle = handle, .output = output, .context = context,
		.deadline = deadline_after(timeout_ms), .http = { { .fd = -1 }, { .fd = -1 } } };
	struct zkq_output_options *options = &follow.options;

	if (handle->inside || !output || !id || !id_parse(id, &follow.id) || !given || given->size < sizeof given->size)
		return ZKQ_EINVAL;
	memcpy(options, given, given->size < sizeof *options ? given->size : sizeof *options);
	if (options->streams < 0 || options->streams > 3 || options->attempt < 0 || options->lines < 0)
		return ZKQ_EINVAL;
	follow.lines = options->lines;
	id_write(&follow.id, follow.text);
	int error = options->follow && !options->attempt ? follow_all(&follow, done) : read_once(&follow, done);
	if (source)
		*source = follow.source;
	if (missed)
		*missed = follow.missed;
	reads_free(&follow.reads);
	arena_free(&follow.arena);
	return error;
}

int
zkq_output_wait(struct zkq *handle, const char *id, const struct zkq_output_options *options, int timeout_ms,
    zkq_output_fn *output, zkq_info_fn *done, void *context, enum zkq_output_source *source)
{
	if (source)
		*source = ZKQ_OUTPUT_NONE;
	return get_output(handle, id, options, timeout_ms, output, done, context, source, NULL);
}

int
zkq_follow_wait(struct zkq *handle, const char *id, int timeout_ms, zkq_output_fn *output, zkq_info_fn *done,
    void *context, int *missed)
{
	static const struct zkq_output_options options = { .size = sizeof options, .follow = 1 };

	if (missed)
		*missed = 0;
	return get_output(handle, id, &options, timeout_ms, output, done, context, NULL, missed);
}
