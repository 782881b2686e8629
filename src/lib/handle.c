#include "config.h"

#include "lib/handle.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/info.h"
#include "lib/query.h"

/* ---- answers ---- */

static void
take_answered(struct pending *pending, int index)
{
	pending->answered[index] = true;
	pending->left--;
}

/* The last word about one index that will get no answer. */
static void
give_error(struct pending *pending, int index, int error, const char *id)
{
	if (pending->answered[index])
		return;
	take_answered(pending, index);
	if (pending->on_answer)
		pending->on_answer(pending->context, index, error, NULL);
	else if (pending->on_submit)
		pending->on_submit(pending->context, index, error, id, 0, NULL);
	else if (pending->on_info)
		pending->on_info(pending->context, index, error, NULL);
}

static void
give_submit(struct zkq *handle, struct pending *pending, int index, const struct answer *answer)
{
	char id[ID_MAX + 1] = "";
	int error = ZKQ_OK;

	if (answer->kind == ANSWER_REFUSED)
		error = error_of_refusal(answer);
	else
		id_write(&answer->task_id, id);
	if (answer->kind == ANSWER_UNKNOWN)
		error = ZKQ_EUNKNOWN;
	if (handle->closing && error == ZKQ_EUNREACHABLE)
		error = ZKQ_ECANCELLED;
	pending->on_submit(pending->context, index, error, id, answer->kind == ANSWER_EXISTS, answer->text);
}

static void
give_info(struct pending *pending, int index, const struct answer *answer)
{
	struct info_room room;
	struct zkq_info info;
	struct arena arena = { 0 };

	if (answer->kind != ANSWER_RESULT) {
		pending->on_info(pending->context, index,
		    answer->kind == ANSWER_REFUSED ? error_of_refusal(answer) : ZKQ_ENOENT, NULL);
		return;
	}
	info_of_result(&info, &room, &answer->task_id, &answer->result, answer->dead);
	struct record record = { .kind = REC_RESULT, .result = answer->result };
	size_t len;
	info.json = record_encode(&arena, &record, &len);
	pending->on_info(pending->context, index, ZKQ_OK, &info);
	arena_free(&arena);
}

static struct pending **
find_call(struct zkq *handle, uint64_t id)
{
	struct pending **at = &handle->calls[id % CALL_BUCKETS];

	while (*at && (*at)->call.id != id)
		at = &(*at)->next;
	return at;
}

static void
drop_call(struct zkq *handle, uint64_t id)
{
	struct pending **at = find_call(handle, id), *pending = *at;

	if (!pending)
		return;
	*at = pending->next;
	pending_free(pending);
}

static void
give_answer(struct zkq *handle, const struct answer *answer)
{
	struct pending *pending = *find_call(handle, answer->call_id);

	if (!pending)
		return;
	int index = pending->index ? pending->index[answer->index] : answer->index;
	if (pending->answered[index])
		return;
	take_answered(pending, index);
	bool last = pending->left == 0;
	if (pending->on_answer)
		pending->on_answer(pending->context, index, ZKQ_OK, answer);
	else if (pending->call.kind == CALL_SUBMIT)
		give_submit(handle, pending, index, answer);
	else
		give_info(pending, index, answer);
	if (last)
		drop_call(handle, answer->call_id);
}

/* ---- steps ---- */

/* Memory ran out inside a step: some of what it wanted is lost, so nothing that is under way can be trusted to
 * end. Tell everybody, and begin nothing more. */
static void
break_down(struct zkq *handle)
{
	handle->broken = true;
	for (int i = 0; i < CALL_BUCKETS; i++) {
		while (handle->calls[i]) {
			struct pending *pending = handle->calls[i];

			handle->calls[i] = pending->next;
			for (int k = 0; k < pending->count; k++)
				give_error(pending, k, pending->call.kind == CALL_SUBMIT ? ZKQ_EUNKNOWN : ZKQ_ENOMEM,
				    "");
			pending_free(pending);
		}
	}
}

/* Requests first, then answers: a callback may queue calls, but the submitter must not be stepped before its plan is
 * carried out. */
static void
step(struct zkq *handle, const struct event *event)
{
	struct plan *plan = &handle->plan;

	if (handle->broken)
		return;
	plan_reset(plan);
	submitter_step(handle->submitter, event, plan);
	handle->wake_ms = plan->wake_ms;
	for (int i = 0; i < plan->count; i++)
		if (plan->effects[i].kind == FX_REQUEST)
			link_request(handle->link, &plan->effects[i].request);
	for (int i = 0; i < plan->count; i++)
		if (plan->effects[i].kind == FX_ANSWER)
			give_answer(handle, plan->effects[i].answer);
	if (plan->failed || plan->arena.failed)
		break_down(handle);
}

static void
on_state(void *context, enum zk_state state, const char *detail)
{
	struct zkq *handle = context;

	if (state == ZK_UNRESOLVED)
		snprintf(handle->trouble, sizeof handle->trouble, ": cannot be resolved%s%s", detail ? ": " : "", detail ? detail : "");
	else if (state == ZK_AUTH_FAILED)
		snprintf(handle->trouble, sizeof handle->trouble, ": %s", detail ? detail : "the credential was refused");
	else
		handle->trouble[0] = '\0';
}

static void
on_event(void *context, const struct event *event)
{
	struct zkq *handle = context;

	if (handle->closing)
		return;
	if (event->kind == EV_CONNECTED) {
		handle->connected = handle->ever_connected = true;
		handle->session_id = event->session.id;
		handle->session_timeout_ms = event->session.timeout_ms;
	}
	if (event->kind == EV_DISCONNECTED || event->kind == EV_EXPIRED)
		handle->connected = false;
	if (event->kind == EV_REPLY && event->reply.tag == TAG_READS)
		reads_reply(handle, &event->reply);
	else
		step(handle, event);
	if (event->kind == EV_CONNECTED && handle->reads)
		reads_send(handle);
}

static void
begin_call(struct zkq *handle, struct pending *pending)
{
	uint64_t id = pending->call.id;
	struct event event = { .kind = EV_CALL, .now_ms = link_now_ms(), .wall_ms = link_wall_ms(),
	    .call = &pending->call };
	int count = pending->call.kind == CALL_SUBMIT ? pending->call.submit.count : pending->call.ids.count;

	pending->begun = true;
	struct pending **at = &handle->calls[id % CALL_BUCKETS];
	pending->next = *at;
	*at = pending;
	for (int i = 0; pending->refused && i < pending->count; i++)
		if (pending->refused[i] != ZKQ_OK)
			give_error(pending, i, pending->refused[i], "");
	if (handle->broken) {
		for (int i = 0; i < pending->count; i++)
			give_error(pending, i, ZKQ_ENOMEM, "");
		count = 0;
	}
	if (count)
		step(handle, &event);
	else
		drop_call(handle, id);
}

static void
begin_calls(struct zkq *handle)
{
	while (handle->queued) {
		struct pending *pending = handle->queued;

		handle->queued = pending->next;
		if (!handle->queued)
			handle->queued_last = &handle->queued;
		begin_call(handle, pending);
	}
}

void
zkq_dispatch(struct zkq *handle)
{
	if (handle->inside)
		return;
	handle->inside = true;
	begin_calls(handle);
	link_dispatch(handle->link);
	int64_t now = link_now_ms();
	if (now >= handle->wake_ms) {
		struct event event = { .kind = EV_TICK, .now_ms = now, .wall_ms = link_wall_ms() };

		step(handle, &event);
	}
	if (handle->reads && now >= handle->reads_again_ms)
		reads_send(handle);
	queries_work(handle);
	begin_calls(handle);
	handle->inside = false;
}

int
zkq_fd(const struct zkq *handle)
{
	return link_fd(handle->link);
}

int
zkq_timeout(const struct zkq *handle)
{
	int timeout = link_timeout(handle->link);
	int64_t due = handle->wake_ms;

	if (handle->queued || queries_due(handle))
		return 0;
	if (handle->reads && handle->reads_again_ms < due)
		due = handle->reads_again_ms;
	if (due == NEVER)
		return timeout;
	int64_t left = due - link_now_ms();
	left = left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : left;
	return timeout >= 0 && timeout < left ? timeout : (int)left;
}

/* ---- calls ---- */

struct pending *
pending_new(enum call_kind kind, int count)
{
	struct pending *pending = calloc(1, sizeof *pending);

	if (!pending)
		return NULL;
	pending->call.kind = kind;
	pending->count = pending->left = count;
	pending->answered = arena_alloc(&pending->arena, (size_t)count * sizeof *pending->answered);
	if (!pending->answered) {
		pending_free(pending);
		return NULL;
	}
	return pending;
}

void
pending_free(struct pending *pending)
{
	if (!pending)
		return;
	arena_free(&pending->arena);
	free(pending);
}

uint64_t
handle_call(struct zkq *handle, struct pending *pending)
{
	pending->call.id = ++handle->calls_drawn;
	pending->next = NULL;
	*handle->queued_last = pending;
	handle->queued_last = &pending->next;
	return pending->call.id;
}

void
handle_forget(struct zkq *handle, uint64_t call_id)
{
	struct call call = { .kind = CALL_FORGET, .id = call_id };
	struct event event = { .kind = EV_CALL, .now_ms = link_now_ms(), .wall_ms = link_wall_ms(), .call = &call };

	bool inside = handle->inside;
	handle->inside = true;
	begin_calls(handle);
	step(handle, &event);
	drop_call(handle, call_id);
	handle->inside = inside;
}

int64_t
deadline_after(int timeout_ms)
{
	return timeout_ms < 0 ? NEVER : link_now_ms() + timeout_ms;
}

bool
handle_turn(struct zkq *handle, int64_t deadline_ms, struct pollfd *extra, int count)
{
	struct pollfd fds[1 + EXTRA_MAX] = { { .fd = zkq_fd(handle), .events = POLLIN } };
	int timeout = zkq_timeout(handle);
	int64_t left = deadline_ms == NEVER ? INT32_MAX : deadline_ms - link_now_ms();

	if (left <= 0)
		return false;
	if (left > INT32_MAX)
		left = INT32_MAX;
	if (timeout < 0 || timeout > left)
		timeout = left == INT32_MAX ? -1 : (int)left;
	for (int i = 0; i < count; i++)
		fds[1 + i] = extra[i];
	int ready = poll(fds, (nfds_t)(1 + count), timeout);
	for (int i = 0; i < count; i++)
		extra[i].revents = ready > 0 ? fds[1 + i].revents : 0;
	zkq_dispatch(handle);
	return true;
}

int
handle_late(const struct zkq *handle)
{
	return handle->connected ? ZKQ_ETIMEOUT : ZKQ_EUNREACHABLE;
}

/* ---- open and close ---- */

static char *
default_by(void)
{
	char host[256] = "", buffer[4096], *by = NULL;
	struct passwd entry, *found = NULL;

	if (gethostname(host, sizeof host - 1))
		host[0] = '\0';
	if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found))
		found = NULL;
	int len = found ? asprintf(&by, "%s@%s", found->pw_name, host) : asprintf(&by, "%lu@%s",
	    (unsigned long)geteuid(), host);
	return len < 0 ? NULL : by;
}

static struct zkq *
handle_new(const struct zkq_options *options, const char *hosts, const char *root, uint64_t seed)
{
	struct zkq *handle = calloc(1, sizeof *handle);

	if (!handle)
		return NULL;
	handle->wake_ms = handle->reads_again_ms = NEVER;
	handle->queued_last = &handle->queued;
	handle->hosts = strdup(hosts);
	handle->root = strdup(root);
	handle->by = options->by ? strdup(options->by) : default_by();
	handle->submitter = submitter_new(seed);
	return handle;
}

static void
handle_free(struct zkq *handle)
{
	submitter_free(handle->submitter);
	plan_free(&handle->plan);
	free(handle->hosts);
	free(handle->root);
	free(handle->chroot);
	free(handle->by);
	free(handle);
}

/* Takes over what is given, with defaults in place of what is not, and takes the servers apart: ZKQ_OK, or which is wrong. */
static int
take_options(const struct zkq_options *given, struct zkq_options *options, char hosts[PATH_BUFFER], char root[ROOT_MAX + 1])
{
	if (!given || given->size < sizeof given->size + sizeof given->hosts)
		return ZKQ_EOPTIONS;
	memcpy(options, given, given->size < sizeof *options ? given->size : sizeof *options);
	if (!options->root)
		options->root = "/zkq";
	if (options->auth && !*options->auth)
		options->auth = NULL;
	if (!root_ok(options->root))
		return ZKQ_EROOT;
	if (!options->hosts || !connect_string_split(options->hosts, options->root, hosts, PATH_BUFFER, root, ROOT_MAX + 1))
		return ZKQ_EHOSTS;
	if (options->auth && strncmp(options->auth, "digest:", 7) != 0)
		return ZKQ_ECREDENTIAL;
	return options->session_timeout_ms < 0 ? ZKQ_EOPTIONS : ZKQ_OK;
}

int
zkq_open(const struct zkq_options *given, struct zkq **out)
{
	struct zkq_options options = { 0 };
	char hosts[PATH_BUFFER], root[ROOT_MAX + 1];
	uint64_t seeds[2];

	*out = NULL;
	int error = take_options(given, &options, hosts, root);
	if (error != ZKQ_OK)
		return error;
	if (getrandom(seeds, sizeof seeds, 0) != sizeof seeds)
		return ZKQ_ESYSTEM;
	struct zkq *handle = handle_new(&options, hosts, root, seeds[0]);
	if (!handle)
		return ZKQ_ENOMEM;
	handle->chroot = strndup(root, strlen(root) - strlen(options.root));
	handle->asked_timeout_ms = options.session_timeout_ms ? options.session_timeout_ms : SESSION_TIMEOUT_MS;
	struct zk_conf conf = { .hosts = hosts, .auth = options.auth, .seed = seeds[1],
		.session_timeout_ms = handle->asked_timeout_ms };
	if (handle->hosts && handle->root && handle->by && handle->submitter)
		handle->link = link_new(&conf, root, on_event, handle);
	if (!handle->link) {
		error = errno == ENOMEM || !handle->submitter ? ZKQ_ENOMEM : ZKQ_ESYSTEM;
		handle_free(handle);
		return error;
	}
	link_on_state(handle->link, on_state, handle);
	*out = handle;
	return ZKQ_OK;
}

/* Submits learn whether they are in the tree for certain not, or perhaps. */
static void
end_calls(struct zkq *handle)
{
	struct event gone = { .kind = EV_DISCONNECTED, .now_ms = link_now_ms(), .wall_ms = link_wall_ms() };

	step(handle, &gone);	/* so that giving one call up does not send the next */
	for (int i = 0; i < CALL_BUCKETS; i++) {
		while (handle->calls[i]) {
			struct pending *pending = handle->calls[i];
			uint64_t id = pending->call.id;
			struct call call = { .kind = CALL_FORGET, .id = id };
			struct event event = { .kind = EV_CALL, .now_ms = link_now_ms(), .wall_ms = link_wall_ms(),
			    .call = &call };

			if (pending->call.kind == CALL_SUBMIT)
				step(handle, &event);
			if (*find_call(handle, id) != pending)
				continue;
			for (int k = 0; k < pending->count; k++)
				give_error(pending, k, ZKQ_ECANCELLED, "");
			drop_call(handle, id);
		}
	}
}

void
zkq_close(struct zkq *handle)
{
	if (!handle || handle->inside)
		return;
	handle->inside = handle->closing = true;
	end_calls(handle);
	queries_end(handle, ZKQ_ECANCELLED);
	while (handle->queued) {
		struct pending *pending = handle->queued;

		handle->queued = pending->next;
		for (int k = 0; k < pending->count; k++)
			give_error(pending, k, ZKQ_ECANCELLED, "");
		pending_free(pending);
	}
	link_free(handle->link);
	while (handle->orphans) {
		struct job *job = handle->orphans;

		handle->orphans = job->next;
		free(job);
	}
	handle_free(handle);
}

int
zkq_connect_wait(struct zkq *handle, int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);

	if (handle->inside)
		return ZKQ_EINVAL;
	zkq_dispatch(handle);
	while (!handle->connected)
		if (!handle_turn(handle, deadline, NULL, 0))
			return ZKQ_EUNREACHABLE;
	return ZKQ_OK;
}

const char *
zkq_state_text(struct zkq *handle)
{
	snprintf(handle->text, sizeof handle->text, "%s %.300s%s", handle->connected ? "connected to" :
	    handle->ever_connected ? "connection lost, trying" : "connecting to", handle->hosts, handle->trouble);
	return handle->text;
}
