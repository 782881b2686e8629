/*
 * libzkq over a link to the simulated ensemble: the real library with everything below it but ZooKeeper's
 * client. Time is virtual: each zkq_dispatch() lets a millisecond pass. What dispatchers and workers do is done by hand, in world().
 */
#include "config.h"

#include "ensemble.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/json.h"
#include "codec/path.h"
#include "codec/wire.h"
#include "zk/link.h"
#include "zkq.h"

static struct agenda agenda;
static struct ensemble *ensemble;
static void (*world)(void);	/* acts between two milliseconds */
static struct link *the_link;	/* of the handle opened last */

/* ---- memory that runs out: the library's own allocations, not those of the ensemble ---- */

static bool armed;		/* inside the library */
static int fail_at, fail_count;	/* the fail_at-th allocation fails; 0 = none; how many did */
static bool fail_for_ever;	/* and all later ones */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

static bool
fails_now(void)
{
	if (!armed || !fail_at)
		return false;
	if (fail_at > 1) {
		fail_at--;
		return false;
	}
	fail_at = fail_for_ever;
	fail_count++;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *memory, size_t size)
{
	return fails_now() ? NULL : __real_realloc(memory, size);
}

char *
__wrap_strdup(const char *text)
{
	return fails_now() ? NULL : __real_strdup(text);
}

/* ---- a link to the simulated ensemble ---- */

struct sent {
	struct wire_pending wire;
	char text[256];
	struct sent *prev, *next;
	enum rc rc;
};

struct link {
	struct client *client;
	char root[256];
	link_event_fn *on_event;
	void (*on_zk_state)(void *context, enum zk_state state, const char *detail);
	void *context;
	struct arena arena;
	int fd;
	bool freeing;
	struct sent *sent;	/* no reply yet */
};

int64_t
link_now_ms(void)
{
	return agenda.now_us / 1000;
}

int64_t
link_wall_ms(void)
{
	return ensemble ? ensemble_time_ms(ensemble) : 1700000000000;
}

static void
tell(struct link *link, struct event *event)
{
	event->now_ms = link_now_ms();
	event->wall_ms = link_wall_ms();
	bool was = armed;
	armed = true;
	if (!link->freeing)
		link->on_event(link->context, event);
	armed = was;
	arena_reset(&link->arena);
}

static void
on_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	struct link *link = context;
	struct sent *sent = (struct sent *)(uintptr_t)cookie;
	struct event event = { .kind = EV_REPLY };

	wire_reply(&link->arena, link->root, &sent->wire, raw, link_now_ms(), &event.reply);
	tell(link, &event);
	*(sent->prev ? &sent->prev->next : &link->sent) = sent->next;
	if (sent->next)
		sent->next->prev = sent->prev;
	free(sent);
}

static void
on_watch(void *context, enum watch_kind kind, const char *path)
{
	struct link *link = context;
	struct event event = { .kind = EV_WATCH, .watch.kind = kind };

	if (path_parse(link->root, path, &event.watch.node))
		tell(link, &event);
}

static void
on_state(void *context, int state, int64_t session, int32_t timeout_ms, bool fresh)
{
	struct event event = { .kind = state == CLIENT_CONNECTED ? EV_CONNECTED :
		state == CLIENT_DISCONNECTED ? EV_DISCONNECTED : EV_EXPIRED };

	if (state == CLIENT_CONNECTED) {
		event.session.id = session;
		event.session.timeout_ms = timeout_ms;
		event.session.fresh = fresh;
	}
	tell(context, &event);
}

struct link *
link_new(const struct zk_conf *conf, const char *root, link_event_fn *on_event, void *context)
{
	static const struct client_callbacks callbacks = { on_reply, on_watch, on_state };
	bool was = armed;
	armed = false;
	struct link *link = calloc(1, sizeof *link);

	snprintf(link->root, sizeof link->root, "%s", root);
	link->on_event = on_event;
	link->context = context;
	link->fd = eventfd(1, EFD_CLOEXEC);
	link->client = client_new(ensemble, &callbacks, link, conf->session_timeout_ms);
	armed = was;
	return the_link = link;
}

void
link_on_state(struct link *link, void (*on_zk_state)(void *context, enum zk_state state, const char *detail), void *context)
{
	(void)context;	/* the same as of events */
	link->on_zk_state = on_zk_state;
}

void
link_free(struct link *link)
{
	bool was = armed;
	armed = false;
	link->freeing = true;
	client_close(link->client);
	close(link->fd);
	arena_free(&link->arena);
	for (struct sent *sent = link->sent, *next; sent; sent = next) {
		next = sent->next;
		free(sent);
	}
	free(link);
	armed = was;
}

static void
refuse(void *context, void *object, uint64_t arg)
{
	struct sent *sent = object;
	struct raw_reply raw = { .rc = sent->rc, .failed_op = -1 };

	(void)arg;
	on_reply(context, (uint64_t)(uintptr_t)sent, &raw);
}

void
link_request(struct link *link, const struct request *request)
{
	struct arena arena = { 0 };
	struct raw_request raw;
	bool was = armed;
	armed = false;
	struct sent *sent = calloc(1, sizeof *sent);

	sent->next = link->sent;
	if (sent->next)
		sent->next->prev = sent;
	link->sent = sent;
	wire_pending(request, link_now_ms(), &sent->wire);
	if (request->node.text) {
		snprintf(sent->text, sizeof sent->text, "%s", request->node.text);
		sent->wire.node.text = sent->text;
	}
	sent->rc = wire_request(&arena, link->root, request, &raw);
	if (sent->rc == RC_OK)
		client_send(link->client, (uint64_t)(uintptr_t)sent, &raw);
	else
		agenda_at(&agenda, agenda.now_us, refuse, link, sent, 0);
	arena_free(&arena);
	armed = was;
}

int
link_fd(const struct link *link)
{
	return link->fd;
}

int
link_timeout(const struct link *link)
{
	(void)link;
	return 0;
}

void
link_dispatch(struct link *link)
{
	bool was = armed;

	(void)link;
	armed = false;
	if (world)
		world();
	agenda_run(&agenda, agenda.now_us + 1000);
	armed = was;
}

/* ---- the other side, by hand ---- */

static struct client *hand;
static enum rc hand_rc;
static bool hand_done;
static char hand_created[256];

static void
hand_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	(void)context;
	(void)cookie;
	hand_rc = raw->rc;
	hand_done = true;
	if (raw->result_count && raw->results[0].created)
		snprintf(hand_created, sizeof hand_created, "%s", raw->results[0].created);
}

static void
hand_watch(void *context, enum watch_kind kind, const char *path)
{
	(void)context;
	(void)kind;
	(void)path;
}

static void
hand_state(void *context, int state, int64_t session, int32_t timeout_ms, bool fresh)
{
	(void)context;
	(void)state;
	(void)session;
	(void)timeout_ms;
	(void)fresh;
}

static enum rc
do_op(enum op_kind kind, const char *path, const char *data, int flags)
{
	struct raw_op op = { .kind = kind, .path = path, .data = data, .len = data ? strlen(data) : 0, .version = -1,
		.flags = flags };
	struct raw_request raw = { .kind = REQ_MULTI, .ops = &op, .op_count = 1 };

	hand_done = false;
	client_send(hand, 0, &raw);
	while (!hand_done)
		ck_assert(agenda_step(&agenda));
	return hand_rc;
}

static void __attribute__((format(printf, 1, 3)))
make(const char *format, const char *data, ...)
{
	char path[512];
	va_list list;

	va_start(list, data);
	vsnprintf(path, sizeof path, format, list);
	va_end(list);
	ck_assert_int_eq(do_op(OP_CREATE, path, data, 0), RC_OK);
}

static void
make_record(const struct node *node, const struct record *record)
{
	struct arena arena = { 0 };
	char path[PATH_BUFFER];
	size_t len;

	ck_assert_int_gt(path_write("/zkq", node, false, path, sizeof path), 0);
	ck_assert_int_eq(do_op(OP_CREATE, path, record_encode(&arena, record, &len), 0), RC_OK);
	arena_free(&arena);
}

static void
make_queue(const char *queue, const char *conf)
{
	static const char *const parts[] = { "classes", "inbox", "moved", "tasks/0", "retry/0", "done/0", "dead/0",
	    "hold",
		"cancel", "keys" };

	make("/zkq/queues/%s", conf, queue);
	make("/zkq/queues/%s/tasks", "{\"v\":1,\"tail\":0}", queue);
	make("/zkq/queues/%s/retry", "", queue);
	make("/zkq/queues/%s/done", "", queue);
	make("/zkq/queues/%s/dead", "", queue);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		make("/zkq/queues/%s/%s", "", queue, parts[i]);
}

static void
make_tree(void)
{
	static const char *const parts[] = { "election", "workers", "logkeys", "assign", "queues", "drain" };

	make("/zkq", "{\"format\":1,\"cluster\":\"test\"}");
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		make("/zkq/%s", "", parts[i]);
	make_queue("default", "{\"v\":1}");
}

/* The live task of this id in the newest state of the tree. */
static struct node
find_task(const char *id_text)
{
	struct task_id id;
	char path[PATH_BUFFER];

	ck_assert(id_parse(id_text, &id));
	struct node segment = node_of_segment(NODE_SEGMENT, id.queue, id.seg);
	path_write("/zkq", &segment, false, path, sizeof path);
	const struct znode *folder = tree_find(ensemble_tree(ensemble), path);
	ck_assert_ptr_nonnull(folder);
	for (const struct znode *child = folder->children; child; child = child->next) {
		struct node node;

		name_parse(&segment, child->name, &node);
		if (node.kind == NODE_TASK && !strcmp(node.task.token, id.token))
			return node;
	}
	ck_abort_msg("no live task %s", id_text);
}

static uint64_t more_bytes;	/* of either stream, than lie in the result */
static uint64_t more_out;	/* of standard output */
static uint64_t dropped_bytes;

static void
finish(const char *id_text, enum task_state state, int exit_code, const char *out, uint32_t attempt, bool dead)
{
	struct node task = find_task(id_text);
	char path[PATH_BUFFER];
	struct record record = { .kind = REC_RESULT, .result = { .seg = task.seg, .attempt = attempt, .worker = "w1",
		.outcome = { .state = state, .has_exit = true, .exit_code = exit_code, .tail = out,
			.tail_len = strlen(out), .stdout_bytes = strlen(out) + more_bytes + more_out, .stderr_bytes = more_bytes, .started_wall_ms = 1, .ended_wall_ms = 2,
			.dropped_bytes = dropped_bytes, .log_complete = !dropped_bytes } } };

	memcpy(record.result.queue, task.queue, sizeof record.result.queue);
	memcpy(record.result.token, task.task.token, sizeof record.result.token);
	path_write("/zkq", &task, false, path, sizeof path);
	ck_assert_int_eq(do_op(OP_DELETE, path, NULL, 0), RC_OK);
	struct node result = node_of_token(dead ? NODE_DEAD : NODE_RESULT, task.queue, task.seg, task.task.token);
	make_record(&result, &record);
}

/* ---- fixture ---- */

static struct zkq *handle;
static struct ensemble_conf conf;

static struct zkq *
open_handle(void)
{
	struct zkq_options options = { .size = sizeof options, .hosts = "127.0.0.1:2181", .by = "anna@desk" };
	struct zkq *opened;

	ck_assert_int_eq(zkq_open(&options, &opened), ZKQ_OK);
	return opened;
}

static void
setup(void)
{
	static const struct client_callbacks callbacks = { hand_reply, hand_watch, hand_state };

	conf = (struct ensemble_conf){ .servers = 3, .latency_us = 500, .commit_us = 1000, .lag_us = 3000,
	    .tick_ms = 500,
		.reconnect_us = 100000 };
	world = NULL;
	agenda_init(&agenda, 7);
	ensemble = ensemble_new(&conf, &agenda, NULL, NULL);
	hand = client_new(ensemble, &callbacks, NULL, 40000);
	while (!client_connected(hand))
		ck_assert(agenda_step(&agenda));
	make_tree();
	handle = open_handle();
}

static void
teardown(void)
{
	zkq_close(handle);
	ensemble_free(ensemble);
	agenda_free(&agenda);
}

static const char *const argv_true[] = { "true", NULL };
static const struct zkq_task task_true = { .size = sizeof task_true, .argv = argv_true, .priority = -1,
	.kill_grace_ms = -1 };

static char id[ZKQ_ID_SIZE];

/* What is listed. */
#define LISTED .size = sizeof(struct zkq_list_options)
static const struct zkq_list_options live_ten = { LISTED, .limit = 10 };
static const struct zkq_list_options of_default = { LISTED, .queue = "default" };
static const struct zkq_list_options of_nosuch = { LISTED, .queue = "nosuch", .ended = 1, .limit = 1 };
static const struct zkq_list_options ended_one = { LISTED, .ended = 1, .limit = 1 };
static const struct zkq_list_options ended_three = { LISTED, .ended = 1, .limit = 3 };
static const struct zkq_list_options ended_ten = { LISTED, .ended = 1, .limit = 10 };
static const struct zkq_list_options ended_all = { LISTED, .ended = 1 };

static void
submit_one(void)
{
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &task_true, 5000, id), ZKQ_OK);
}

/* What the callback was told last. */
static struct {
	int calls, error, index, exit_code, ended, dead, priority, attempt;
	char id[64], state[32], reason[64], worker[64], name[64], json[2000], tail[600];
} seen;

static void
put(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "-");
}

static void
see(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	seen.calls++;
	seen.error = error;
	seen.index = index;
	if (!info)
		return;
	seen.exit_code = info->exit_code;
	seen.ended = info->ended;
	seen.dead = info->dead;
	seen.priority = info->priority;
	seen.attempt = info->attempt;
	put(seen.id, sizeof seen.id, info->id);
	put(seen.state, sizeof seen.state, info->state);
	put(seen.reason, sizeof seen.reason, info->reason);
	put(seen.worker, sizeof seen.worker, info->worker);
	put(seen.name, sizeof seen.name, info->name);
	put(seen.json, sizeof seen.json, info->json);
	put(seen.tail, sizeof seen.tail, info->tail);
}

static void
get(const char *what)
{
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_get_wait(handle, &what, 1, 5000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.calls, 1);
}

/* ---- submit ---- */

START_TEST(submit_and_get)
{
	submit_one();
	ck_assert(!strncmp(id, "default.0.", 10));
	get(id);
	ck_assert_int_eq(seen.error, ZKQ_OK);
	ck_assert_str_eq(seen.id, id);
	ck_assert_str_eq(seen.state, "waiting");
	ck_assert_str_eq(seen.reason, "NoLeader");
	ck_assert_int_eq(seen.priority, 5);
	ck_assert_ptr_nonnull(strstr(seen.json, "\"argv\""));
	ck_assert_ptr_nonnull(strstr(seen.json, "anna@desk"));
	ck_assert_str_eq(seen.name, "true");
	get("default.0.zzzzzzzzzzzz");
	ck_assert_int_eq(seen.error, ZKQ_ENOENT);
	get("default.77.zzzzzzzzzzzz");
	ck_assert_int_eq(seen.error, ZKQ_ENOENT);
	get("Not an id.");
	ck_assert_int_eq(seen.error, ZKQ_EINVAL);
	finish(id, STATE_FAILED, 3, "", 1, false);
	get(id);
	ck_assert_int_eq(seen.ended, 1);
	ck_assert_int_eq(seen.exit_code, 3);
	ck_assert_str_eq(seen.state, "failed");
}
END_TEST

START_TEST(submit_refused)
{
	struct zkq_task task = task_true;

	ck_assert_int_eq(zkq_submit_wait(handle, "nosuch", &task, 5000, id), ZKQ_ENOQUEUE);
	ck_assert_int_eq(zkq_submit_wait(handle, "No Such", &task, 5000, id), ZKQ_EINVAL);
	task.argv = NULL;
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &task, 5000, id), ZKQ_EINVAL);
	char *json;
	ck_assert_int_eq(zkq_task_json(handle, &task, &json), ZKQ_EINVAL);
	ck_assert_ptr_nonnull(strstr(json, "argv"));
	zkq_free(json);
	task = task_true;
	task.json = "{\"argv\":[\"echo\",\"x\"],\n \"own\":1}";
	ck_assert_int_eq(zkq_task_json(handle, &task, &json), ZKQ_OK);
	ck_assert_ptr_null(strchr(json, '\n'));
	ck_assert_ptr_nonnull(strstr(json, "\"own\":1"));
	zkq_free(json);
	struct zkq_options options = { .size = sizeof options, .hosts = "127.0.0.1:2181", .root = "/other" };
	struct zkq *other;
	ck_assert_int_eq(zkq_open(&options, &other), ZKQ_OK);
	ck_assert_int_eq(zkq_submit_wait(other, NULL, &task_true, 5000, id), ZKQ_ENOTREE);
	const char *some = "default.0.zzzzzzzzzzzz";
	ck_assert_int_eq(zkq_get_wait(other, &some, 1, 5000, see, NULL), ZKQ_ENOTREE);
	ck_assert_int_eq(seen.error, ZKQ_ENOTREE);
	zkq_close(other);
}
END_TEST

static int
open_error(const struct zkq_options *options)
{
	struct zkq *other;
	int error = zkq_open(options, &other);

	ck_assert((error == ZKQ_OK) == (other != NULL));
	zkq_close(other);
	return error;
}

/* Each error says which of the options is wrong. */
START_TEST(open_refused)
{
	static const char *const hosts[] = { "bad host:", "", NULL, "a,,b", "a:0", "a/x/" };
	static const char *const roots[] = { "/x/", "", "zkq", "/zookeeper/x" };
	const struct zkq_options good = { .size = sizeof good, .hosts = "127.0.0.1:2181" };
	struct zkq_options options = good;

	ck_assert_int_eq(open_error(NULL), ZKQ_EOPTIONS);
	options.size = 0;
	ck_assert_int_eq(open_error(&options), ZKQ_EOPTIONS);
	ck_assert_ptr_nonnull(strstr(zkq_strerror(ZKQ_EOPTIONS), "size"));
	options = good;
	options.session_timeout_ms = -1;
	ck_assert_int_eq(open_error(&options), ZKQ_EOPTIONS);
	options = good;
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		options.hosts = hosts[i];
		ck_assert_int_eq(open_error(&options), ZKQ_EHOSTS);
	}
	options = good;
	for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
		options.root = roots[i];
		ck_assert_int_eq(open_error(&options), ZKQ_EROOT);
	}
	options = good;
	options.auth = "anna:secret";
	ck_assert_int_eq(open_error(&options), ZKQ_ECREDENTIAL);
	options.auth = "";	/* as ZKQ_AUTH= is on the command line: none */
	ck_assert_int_eq(open_error(&options), ZKQ_OK);
	ck_assert_ptr_nonnull(strstr(zkq_strerror(ZKQ_EHOSTS), "hosts"));
	ck_assert_ptr_nonnull(strstr(zkq_strerror(ZKQ_EROOT), "root"));
	ck_assert_ptr_nonnull(strstr(zkq_strerror(ZKQ_ECREDENTIAL), "auth"));
}
END_TEST

/* 64 KiB of JSON and 64 KiB of standard input, however JSON spells that. */
START_TEST(submit_sizes)
{
	static char large[65537], input[65537];
	const char *argv[] = { "true", large, NULL };
	struct zkq_task task = task_true;
	char *json;

	memset(large, 'x', 65000);
	memset(input, 1, sizeof input);
	task.argv = argv;
	task.input = input;
	task.input_size = 65536;
	ck_assert_int_eq(zkq_task_json(handle, &task, &json), ZKQ_OK);
	zkq_free(json);
	task.input_size++;
	ck_assert_int_eq(zkq_task_json(handle, &task, &json), ZKQ_EINVAL);
	ck_assert_ptr_nonnull(strstr(json, "stdin"));
	zkq_free(json);
	memset(large, 'x', 65536);
	task.input_size = 1;
	ck_assert_int_eq(zkq_task_json(handle, &task, &json), ZKQ_ESIZE);
	ck_assert_ptr_nonnull(strstr(json, "at most 65536"));
	zkq_free(json);
}
END_TEST

static int accepted, refused_count;
static char ids[2000][ZKQ_ID_SIZE];

static void
on_submit(void *context, int index, int error, const char *given, int existed, const char *text)
{
	(void)context;
	(void)existed;
	(void)text;
	if (error == ZKQ_OK) {
		accepted++;
		snprintf(ids[index], sizeof ids[index], "%s", given);
	} else {
		refused_count++;
	}
}

static void
submit_many(int count)
{
	struct zkq_task *tasks = calloc((size_t)count, sizeof *tasks);

	accepted = refused_count = 0;
	for (int i = 0; i < count; i++)
		tasks[i] = task_true;
	ck_assert_int_eq(zkq_submit(handle, NULL, tasks, count, on_submit, NULL, NULL), ZKQ_OK);
	free(tasks);
	ck_assert_int_eq(accepted, 0);
	ck_assert_int_eq(zkq_timeout(handle), 0);
	for (int i = 0; i < 20000 && accepted + refused_count < count; i++)
		zkq_dispatch(handle);
	ck_assert_int_eq(accepted, count);
}

/* 2,000 tasks roll the segment, and are found in what they left in the tree: names and batches. */
START_TEST(submit_batches)
{
	submit_many(2000);
	ck_assert_int_eq(zkq_list_wait(handle, &live_ten, 5000, see, NULL, &accepted), ZKQ_OK);
	ck_assert_int_eq(accepted, 2000);
	ck_assert_str_eq(seen.id, ids[9]);
	ck_assert_ptr_nonnull(strstr(seen.json, "argv"));
	struct task_id last;
	id_parse(ids[1999], &last);
	ck_assert_uint_ge(last.seg, 2);
	get(ids[1234]);
	ck_assert_str_eq(seen.state, "waiting");
	ck_assert_ptr_nonnull(strstr(seen.json, "argv"));
}
END_TEST

START_TEST(submit_with_a_key)
{
	struct zkq_task task = task_true;
	char again[ZKQ_ID_SIZE];

	task.key = "nightly";
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &task, 5000, id), ZKQ_OK);
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &task, 5000, again), ZKQ_OK);
	ck_assert_str_eq(id, again);
	/* The same in the JSON of a task, as in a line of a file; the struct's own counts more. */
	struct zkq_task line = { .size = sizeof line, .json = "{\"argv\":[\"true\"],\"key\":\"nightly\"}", .priority = -1,
		.kill_grace_ms = -1 };
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &line, 5000, again), ZKQ_OK);
	ck_assert_str_eq(id, again);
	line.key = "weekly";
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &line, 5000, again), ZKQ_OK);
	ck_assert_str_ne(id, again);
	line.json = "{\"argv\":[\"true\"],\"key\":7}";
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &line, 5000, again), ZKQ_EINVAL);
	line.json = "{\"argv\":[\"true\"],\"key\":\"\"}";
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &line, 5000, again), ZKQ_EINVAL);
}
END_TEST

static void
cut_off(void)
{
	client_silence(the_link->client, agenda.now_us + 3600 * SECOND_US);
	world = NULL;
}

static void
cut_after_sending(void)
{
	if (client_outstanding(the_link->client))
		cut_off();
}

START_TEST(submit_unreachable)
{
	client_silence(the_link->client, agenda.now_us + 3600 * SECOND_US);
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &task_true, 3000, id), ZKQ_EUNREACHABLE);
	ck_assert_str_eq(id, "");
	ck_assert_int_eq(zkq_connect_wait(handle, 100), ZKQ_EUNREACHABLE);
	ck_assert_ptr_nonnull(strstr(zkq_state_text(handle), "127.0.0.1:2181"));
	the_link->on_zk_state(the_link->context, ZK_UNRESOLVED, "Name or service not known");
	ck_assert_ptr_nonnull(strstr(zkq_state_text(handle), "127.0.0.1:2181: cannot be resolved: Name or service not known"));
	the_link->on_zk_state(the_link->context, ZK_CONNECTED, NULL);
	ck_assert_ptr_null(strstr(zkq_state_text(handle), "resolved"));
}
END_TEST

/* The reply is lost: the id says where to look, and there it is or is not. */
START_TEST(submit_unknown)
{
	submit_one();	/* the tail is known: the next submit is one request */
	world = cut_after_sending;
	int error = zkq_submit_wait(handle, NULL, &task_true, 20000, id);
	ck_assert_int_eq(error, ZKQ_EUNKNOWN);
	ck_assert(!strncmp(id, "default.0.", 10));
}
END_TEST

/* The connection breaks in the middle of everything, again and again: each task is there once, with the id given. */
START_TEST(submit_through_faults)
{
	struct ensemble_conf *now = ensemble_conf(ensemble);

	now->lose_reply_ppm = 100000;
	now->lose_request_ppm = 100000;
	submit_many(2000);
	now->lose_reply_ppm = now->lose_request_ppm = 0;
	for (int i = 0; i < 2000; i++)
		find_task(ids[i]);
	ck_assert_int_eq(zkq_list_wait(handle, &of_default, 60000, see, NULL, &accepted), ZKQ_OK);
	ck_assert_int_eq(accepted, 2000);
}
END_TEST

/* ---- wait ---- */

static int finish_at;

static void
finish_soon(void)
{
	if (--finish_at == 0)
		finish(id, STATE_DONE, 0, "hello\n", 1, false);
}

START_TEST(wait_for_result)
{
	submit_one();
	ck_assert_int_eq(zkq_wait_wait(handle, id, 1000, see, NULL), ZKQ_ETIMEOUT);
	finish_at = 50;
	world = finish_soon;
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_wait_wait(handle, id, 5000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_int_eq(seen.exit_code, 0);
	ck_assert_str_eq(seen.state, "done");
	ck_assert_str_eq(seen.tail, "hello\n");
	ck_assert_ptr_nonnull(strstr(seen.json, "\"state\""));
	ck_assert_int_eq(zkq_wait_wait(handle, "default.0.zzzzzzzzzzzz", 5000, see, NULL), ZKQ_ENOENT);
	ck_assert_int_eq(zkq_wait_wait(handle, "x", 5000, see, NULL), ZKQ_EINVAL);
}
END_TEST

/* All failures are found as long as all results of all queues together are few; of more it is said that some were not looked at. */
START_TEST(failures_among_many)
{
	struct zkq_list_counts counts;
	struct zkq_list_options options = { LISTED, .ended = 2, .failed = 1, .ended_limit = 2, .newest = 500, .counts = &counts };

	make_queue("render", "{\"v\":1}");
	make_queue("thumbs", "{\"v\":1}");
	submit_many(420);
	for (int i = 0; i < 420; i++)
		finish(ids[i], i % 100 == 7 ? STATE_FAILED : STATE_DONE, 0, "", 1, false);
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_list_wait(handle, &options, 5000, see, NULL, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.calls, 2);
	ck_assert_int_eq(counts.matching, 5);
	ck_assert_int_eq(counts.looked, 420);
	ck_assert_int_eq(counts.partial, 0);
	options.newest = 400;
	ck_assert_int_eq(zkq_list_wait(handle, &options, 5000, see, NULL, NULL), ZKQ_OK);
	ck_assert_int_eq(counts.looked, 400);
	ck_assert_int_eq(counts.partial, 1);
	options = (struct zkq_list_options){ LISTED, .ended = 2, .limit = 1, .failed = 1, .counts = &counts };
	ck_assert_int_eq(zkq_list_wait(handle, &options, 5000, see, NULL, NULL), ZKQ_OK);
	ck_assert_int_eq(counts.matching, 5);
}
END_TEST

START_TEST(wait_for_many)
{
	const char *list[1000];

	submit_many(1000);
	for (int i = 0; i < 1000; i++)
		list[i] = ids[i];
	list[500] = "malformed";
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_wait(handle, list, 1000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.calls, 0);
	for (int i = 0; i < 1000; i++) {
		finish(ids[i], STATE_DONE, 0, "", 1, i % 100 == 7);
		zkq_dispatch(handle);
	}
	for (int i = 0; i < 5000 && seen.calls < 1000; i++)
		zkq_dispatch(handle);
	ck_assert_int_eq(seen.calls, 1000);
	int total;
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_list_wait(handle, &ended_three, 5000, see, NULL, &total), ZKQ_OK);
	ck_assert_int_eq(seen.calls, 3);
	ck_assert_int_eq(total, 1000);
	ck_assert_int_eq(zkq_list_wait(handle, &ended_all, 5000, see, NULL, &total), ZKQ_OK);
	ck_assert_int_eq(seen.calls, 1003);
	ck_assert_int_eq(seen.ended, 1);
}
END_TEST

static int cancelled_calls;

static void
count_cancelled(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	(void)index;
	(void)info;
	cancelled_calls += error == ZKQ_ECANCELLED;
}

START_TEST(close_ends_calls)
{
	struct zkq *other = open_handle();
	const char *one = id;

	submit_one();
	ck_assert_int_eq(zkq_wait(other, &one, 1, count_cancelled, NULL), ZKQ_OK);
	zkq_dispatch(other);
	ck_assert_int_eq(zkq_wait(other, &one, 1, count_cancelled, NULL), ZKQ_OK);
	accepted = refused_count = 0;
	ck_assert_int_eq(zkq_submit(other, NULL, &task_true, 1, on_submit, NULL, NULL), ZKQ_OK);
	cancelled_calls = 0;
	zkq_close(other);
	ck_assert_int_eq(cancelled_calls, 2);
	ck_assert_int_eq(refused_count, 1);
}
END_TEST

/* ---- cancel ---- */

static bool
wish_is_there(void)
{
	struct task_id parsed;
	char path[PATH_BUFFER];

	id_parse(id, &parsed);
	struct node wish = node_of_token(NODE_CANCEL, parsed.queue, parsed.seg, parsed.token);
	path_write("/zkq", &wish, false, path, sizeof path);
	return tree_find(ensemble_tree(ensemble), path) != NULL;
}

static void
fulfil_cancel(void)
{
	if (!wish_is_there())
		return;
	world = NULL;
	finish(id, STATE_CANCELLED, 0, "", 0, false);
}

START_TEST(cancel)
{
	const char *one = id;

	submit_one();
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_cancel_wait(handle, &one, 1, "not needed", 1000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.error, ZKQ_ETIMEOUT);
	ck_assert(wish_is_there());
	submit_one();
	world = fulfil_cancel;
	ck_assert_int_eq(zkq_cancel_wait(handle, &one, 1, NULL, 5000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.error, ZKQ_OK);
	ck_assert_str_eq(seen.state, "cancelled");
	ck_assert_int_eq(zkq_cancel_wait(handle, &one, 1, NULL, 5000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.error, ZKQ_EENDED);
	const char *nothing = "default.0.zzzzzzzzzzzz";
	ck_assert_int_eq(zkq_cancel_wait(handle, &nothing, 1, NULL, 5000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.error, ZKQ_ENOENT);
	ck_assert_int_eq(seen.calls, 4);
}
END_TEST

/* A leader is played here: one that drops the request, or fulfils it. */
static bool update_is_done;

static const struct znode *
update_request(void)
{
	struct task_id task;
	char path[256];

	ck_assert(id_parse(id, &task));
	snprintf(path, sizeof path, "/zkq/queues/%s/update/%u/%s", task.queue, task.seg, task.token);
	return tree_find(ensemble_tree(ensemble), path);
}

static void
see_to_update(void)
{
	const struct znode *request = update_request();
	struct task_id task;
	char path[256], name[512], data[4096];

	if (!request)
		return;
	ck_assert(id_parse(id, &task));
	snprintf(path, sizeof path, "/zkq/queues/%s/tasks/%u", task.queue, task.seg);
	const struct znode *child = tree_find(ensemble_tree(ensemble), path)->children;
	while (update_is_done && !strstr(child->path, task.token))
		child = child->next;
	if (update_is_done) {
		snprintf(name, sizeof name, "%s/8%s", path, strrchr(child->path, '/') + 2);
		snprintf(data, sizeof data, "%s", child->blob->data);
		snprintf(path, sizeof path, "%s", child->path);
		ck_assert_int_eq(do_op(OP_DELETE, path, NULL, 0), RC_OK);
		ck_assert_int_eq(do_op(OP_CREATE, name, data, 0), RC_OK);
	}
	snprintf(path, sizeof path, "%s", request->path);
	ck_assert_int_eq(do_op(OP_DELETE, path, NULL, 0), RC_OK);
}

START_TEST(change_of_a_waiting_task)
{
	struct zkq_update update = { .size = sizeof update, .priority = 8, .time_limit_ms = -1 };
	const char *one = id, *nothing = "default.0.zzzzzzzzzzzz";

	submit_one();
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_update_wait(handle, &one, 1, &update, 1000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.error, ZKQ_ETIMEOUT);
	ck_assert_ptr_nonnull(strstr(update_request()->blob->data, "\"priority\":8"));
	ck_assert_ptr_null(strstr(update_request()->blob->data, "time_limit"));
	/* What is asked for last takes the place of what was asked for before. */
	update.time_limit_ms = 90000;
	ck_assert_int_eq(zkq_update_wait(handle, &one, 1, &update, 1000, see, NULL), ZKQ_OK);
	ck_assert_ptr_nonnull(strstr(update_request()->blob->data, "\"time_limit\":90"));
	world = see_to_update;
	ck_assert_int_eq(zkq_update_wait(handle, &one, 1, &update, 5000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.error, ZKQ_EBUSY);
	update_is_done = true;
	update.time_limit_ms = -1;
	ck_assert_int_eq(zkq_update_wait(handle, &one, 1, &update, 5000, see, NULL), ZKQ_OK);
	update_is_done = false;
	ck_assert_int_eq(seen.error, ZKQ_OK);
	ck_assert_int_eq(zkq_update_wait(handle, &nothing, 1, &update, 5000, see, NULL), ZKQ_OK);
	ck_assert_int_eq(seen.error, ZKQ_ENOENT);
	update.priority = -1;
	ck_assert_int_eq(zkq_update(handle, &one, 1, &update, see, NULL), ZKQ_EINVAL);
	update.priority = 10;
	ck_assert_int_eq(zkq_update_wait(handle, &one, 1, &update, 1000, see, NULL), ZKQ_EINVAL);
	world = NULL;
}
END_TEST

/* ---- workers, queues ---- */

static void
make_worker(const char *log)
{
	static const char *const queues[] = { "default" };
	struct record worker = { .kind = REC_WORKER, .worker = { .inc = "abcdefgh", .r = 1, .slots = 4,
	    .queues = queues,
		.queue_count = 1, .log = log, .version = "0.1.0", .process = { .host = "host1", .boot = "b",
		    .pid = 1 } } };
	struct record report = { .kind = REC_REPORT, .report = { .lost_after_ms = 30000, .r = 1, .slots = 4,
	    .in_use = 1,
		.load1 = 0.5, .process = { .host = "host1", .boot = "b", .pid = 1 } } };
	struct node node = node_of_worker(NODE_WORKER, "w1");

	make_record(&node, &worker);
	node = node_folder("w1", "abcdefgh");
	make_record(&node, &report);
	make("/zkq/assign/w1.abcdefgh/live-1", "");
}

static void
claim(uint32_t run)
{
	struct node task = find_task(id);
	struct node node = node_claim("w1", "abcdefgh", run, task.queue, task.seg, &task.task, run, (struct fence){ 7,
	    run });
	char path[PATH_BUFFER];

	path_write("/zkq", &node, false, path, sizeof path);
	ck_assert_int_eq(do_op(OP_CREATE, path, NULL, 0), RC_OK);
}

static int workers_seen;
static int64_t workers_reported_ms;

static void
see_worker(void *context, const struct zkq_worker_info *info)
{
	(void)context;
	workers_seen++;
	ck_assert_str_eq(info->name, "w1");
	ck_assert_str_eq(info->state, "up");
	ck_assert_str_eq(info->host, "host1");
	ck_assert_str_eq(info->queues, "default");
	ck_assert_int_eq(info->slots, 4);
	ck_assert_int_eq(info->claims, 1);
	workers_reported_ms = info->reported_ms;
}

START_TEST(running)
{
	submit_one();
	make("/zkq/election/0123456789abcdef0123456789abcdef-n_0000000003",
	    "{\"v\":1,\"name\":\"d1\",\"host\":\"h\",\"pid\":1}");
	get(id);
	ck_assert_str_eq(seen.reason, "NoWorker");
	make_worker(NULL);
	get(id);
	ck_assert_str_eq(seen.reason, "Ready");
	claim(2);
	get(id);
	ck_assert_str_eq(seen.state, "running");
	ck_assert_str_eq(seen.worker, "w1");
	ck_assert_int_eq(seen.attempt, 2);
	workers_seen = 0;
	ck_assert_int_eq(zkq_workers_wait(handle, 5000, see_worker, NULL), ZKQ_OK);
	ck_assert_int_eq(workers_seen, 1);
	ck_assert_int_lt(workers_reported_ms, 30000);
	/* It is idle: no report comes, and the last one gets older. */
	agenda_run(&agenda, agenda.now_us + 60 * SECOND_US);
	ck_assert_int_eq(zkq_workers_wait(handle, 5000, see_worker, NULL), ZKQ_OK);
	ck_assert_int_ge(workers_reported_ms, 60000);
	ck_assert_int_lt(workers_reported_ms, 90000);
}
END_TEST

static struct {
	int count, ended;
	char ids[20][ZKQ_ID_SIZE];
} matched;

static void
see_match(void *context, const char *match, int ended)
{
	(void)context;
	matched.ended = ended;
	snprintf(matched.ids[matched.count++], ZKQ_ID_SIZE, "%s", match);
}

static int
find(const char *text)
{
	int total;

	memset(&matched, 0, sizeof matched);
	ck_assert_int_eq(zkq_find_wait(handle, text, 5000, see_match, NULL, &total), ZKQ_OK);
	ck_assert_int_eq(matched.count, total < 20 ? total : 20);
	return total;
}

/* Ids by their beginnings, in segments that are listed, wherever the task is. */
START_TEST(beginnings)
{
	char text[ZKQ_ID_SIZE];
	int total;

	submit_one();
	const char *token = strrchr(id, '.') + 1;
	ck_assert_int_eq(find(token), 1);
	ck_assert_str_eq(matched.ids[0], id);
	ck_assert_int_eq(matched.ended, 0);
	snprintf(text, sizeof text, "%.*s", (int)(token - id) + 4, id);
	ck_assert_int_eq(find(text), 1);
	finish(id, STATE_DONE, 0, "", 1, true);
	ck_assert_int_eq(find(text), 1);
	ck_assert_int_eq(matched.ended, 1);
	text[8] = '7';	/* another segment */
	ck_assert_int_eq(find(text), 0);
	submit_many(100);	/* one batch: their tokens differ behind the x */
	snprintf(text, sizeof text, "%.12s", strrchr(ids[0], '.') + 1);
	ck_assert_int_eq(find(text), 100);
	ck_assert_int_eq(find(strrchr(ids[1], '.') + 1), 1);	/* x1, not x10 */
	ck_assert_str_eq(matched.ids[0], ids[1]);
	ck_assert_int_eq(zkq_find_wait(handle, "No", 5000, see_match, NULL, &total), ZKQ_EINVAL);
	ck_assert_int_eq(zkq_find_wait(handle, "default.x.k", 5000, see_match, NULL, &total), ZKQ_EINVAL);
	ck_assert_int_eq(zkq_find_wait(handle, "default.1.", 5000, see_match, NULL, &total), ZKQ_EINVAL);
}
END_TEST

static struct {
	int calls, error, workers, next, leads;
	long long higher, before, behind;
	char reason[32], why[2][32], path[200];
} told;

static void
see_explained(void *context, int index, int error, const struct zkq_explanation *all)
{
	(void)context;
	(void)index;
	memset(&told, 0, sizeof told);
	told.calls++;
	told.error = error;
	told.next = -1;
	if (!all)
		return;
	told.higher = all->higher;
	told.before = all->before;
	told.behind = all->behind;
	told.leads = all->leads;
	put(told.reason, sizeof told.reason, all->info->reason);
	put(told.path, sizeof told.path, all->path_count ? all->paths[0] : NULL);
	for (told.workers = 0; told.workers < all->worker_count; told.workers++) {
		if (told.workers < 2)
			put(told.why[told.workers], sizeof told.why[0], all->workers[told.workers].reason);
		if (all->workers[told.workers].next)
			told.next = told.workers;
	}
}

static void
explain(const char *what)
{
	told.calls = 0;
	ck_assert_int_eq(zkq_explain_wait(handle, &what, 1, 5000, see_explained, NULL), ZKQ_OK);
	ck_assert_int_eq(told.calls, 1);
	ck_assert_int_eq(told.error, ZKQ_OK);
}

static void
submit_at(int priority)
{
	struct zkq_task task = task_true;

	task.priority = priority;
	ck_assert_int_eq(zkq_submit_wait(handle, NULL, &task, 5000, id), ZKQ_OK);
}

/* Place in line, and what each worker says to it; the same reason as in a list. */
START_TEST(explained)
{
	static const char *const states[] = { "waiting", NULL };
	static const struct zkq_list_options waiting = { LISTED, .limit = 10, .states = states };
	char first[ZKQ_ID_SIZE];
	int total;

	submit_at(3);
	memcpy(first, id, sizeof first);
	explain(first);
	ck_assert_str_eq(told.reason, "NoLeader");
	ck_assert_int_eq(told.leads, 0);
	ck_assert_int_eq(told.workers, 0);
	make("/zkq/election/0123456789abcdef0123456789abcdef-n_0000000003",
	    "{\"v\":1,\"name\":\"d1\",\"host\":\"h\",\"pid\":1}");
	make_worker(NULL);
	explain(first);
	ck_assert_str_eq(told.reason, "Ready");
	ck_assert_int_eq(told.next, 0);
	for (int i = 0; i < 4; i++) {
		submit_at(5);
		claim((uint32_t)i + 1);
	}
	explain(first);
	ck_assert_str_eq(told.reason, "NoSlot");
	ck_assert_str_eq(told.why[0], "NoSlot");
	ck_assert_int_eq(told.before + told.higher, 0);
	submit_at(4);
	submit_at(3);
	explain(first);
	ck_assert_str_eq(told.reason, "Priority");
	ck_assert_int_eq(told.higher, 1);
	ck_assert_int_eq(told.before, 0);
	ck_assert_int_eq(told.behind, 1);
	ck_assert_ptr_nonnull(strstr(told.path, "/zkq/queues/default/tasks/0/3."));
	explain(id);
	ck_assert_int_eq(told.before, 1);
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_list_wait(handle, &waiting, 5000, see, NULL, &total), ZKQ_OK);
	ck_assert_int_eq(total, 3);
	ck_assert_str_eq(seen.id, id);
	ck_assert_str_eq(seen.reason, "Priority");
	get(first);
	ck_assert_str_eq(seen.reason, "Priority");
	/* Its end is wanted: that is why it does not run. */
	make("/zkq/queues/default/cancel/0", "");
	make("/zkq/queues/default/cancel/0/%s", "{\"v\":1}", strrchr(first, '.') + 1);
	get(first);
	ck_assert_str_eq(seen.reason, "Cancelling");
	ck_assert_str_eq(seen.state, "waiting");
	explain(id);
	ck_assert_int_eq(told.before, 0);
	/* A class that is gone says so, in lists and alone. */
	struct node task = find_task(id);
	char path[PATH_BUFFER];
	struct node class = node_of_hash(NODE_CLASS, "default", task.task.class_hash);
	path_write("/zkq", &class, false, path, sizeof path);
	ck_assert_int_eq(do_op(OP_DELETE, path, NULL, 0), RC_OK);
	get(id);
	ck_assert_str_eq(seen.reason, "ClassUnknown");
	ck_assert_int_eq(zkq_list_wait(handle, &waiting, 5000, see, NULL, &total), ZKQ_OK);
	ck_assert_str_eq(seen.reason, "ClassUnknown");
}
END_TEST

/* The session of a worker is gone: what it has is neither waiting nor simply running. */
START_TEST(worker_lost)
{
	submit_one();
	make_worker(NULL);
	claim(1);
	get(id);
	ck_assert_str_eq(seen.reason, "-");
	ck_assert_int_eq(do_op(OP_DELETE, "/zkq/assign/w1.abcdefgh/live-1", NULL, 0), RC_OK);
	get(id);
	ck_assert_str_eq(seen.state, "running");
	ck_assert_str_eq(seen.reason, "WorkerLost");
	explain(id);
	ck_assert_int_eq(told.higher, -1);
}
END_TEST

static char leaders[256];

static void
see_dispatcher(void *context, const struct zkq_dispatcher_info *info)
{
	(void)context;
	snprintf(leaders + strlen(leaders), sizeof leaders - strlen(leaders), "%s%s ", info->name, info->leads ? "*"
	    : "");
}

START_TEST(dispatchers)
{
	make("/zkq/election/f123456789abcdef0123456789abcdef-n_0000000003",
	    "{\"v\":1,\"name\":\"d1\",\"host\":\"h\",\"pid\":1}");
	make("/zkq/election/0123456789abcdef0123456789abcdef-n_0000000012",
	    "{\"v\":1,\"name\":\"d2\",\"host\":\"h\",\"pid\":1}");
	leaders[0] = '\0';
	ck_assert_int_eq(zkq_dispatchers_wait(handle, 5000, see_dispatcher, NULL), ZKQ_OK);
	ck_assert_str_eq(leaders, "d1* d2 ");
}
END_TEST

static char queues[1000];

static void
see_queue(void *context, const struct zkq_queue_info *info)
{
	(void)context;
	snprintf(queues + strlen(queues), sizeof queues - strlen(queues), "%s:%d:%s:%d/%d/%d/%d ", info->name,
	    info->paused,
	    info->paused_reason ? info->paused_reason : "-", (int)info->waiting, (int)info->running, (int)info->results,
	    (int)info->inbox);
}

START_TEST(queue_list_and_pause)
{
	make_queue("render", "{\"v\":1,\"own\":[1]}");
	submit_one();
	make("/zkq/queues/render/inbox/t-0000000000", "{}");
	ck_assert_int_eq(zkq_queue_pause_wait(handle, "render", 1, 0, "disk swap", 5000), ZKQ_OK);
	queues[0] = '\0';
	ck_assert_int_eq(zkq_queues_wait(handle, 5000, see_queue, NULL), ZKQ_OK);
	ck_assert_str_eq(queues, "default:0:-:1/0/0/0 render:1:disk swap:0/0/0/1 ");
	const struct znode *znode = tree_find(ensemble_tree(ensemble), "/zkq/queues/render");
	ck_assert_ptr_nonnull(strstr(znode->blob->data, "\"own\""));
	ck_assert_int_eq(zkq_queue_pause_wait(handle, "render", 0, 0, NULL, 5000), ZKQ_OK);
	queues[0] = '\0';
	ck_assert_int_eq(zkq_queues_wait(handle, 5000, see_queue, NULL), ZKQ_OK);
	ck_assert_str_eq(queues, "default:0:-:1/0/0/0 render:0:-:0/0/0/1 ");
	ck_assert_int_eq(zkq_queue_pause_wait(handle, "nosuch", 1, 0, NULL, 5000), ZKQ_ENOQUEUE);
	ck_assert_int_eq(zkq_queue_create_wait(handle, "nosuch", 5000), ZKQ_OK);
	ck_assert_int_eq(zkq_queue_create_wait(handle, "nosuch", 5000), ZKQ_EEXIST);
	ck_assert_int_eq(zkq_queue_create_wait(handle, "No such", 5000), ZKQ_EINVAL);
	ck_assert_int_eq(zkq_submit_wait(handle, "nosuch", &task_true, 5000, id), ZKQ_OK);
	queues[0] = '\0';
	ck_assert_int_eq(zkq_queues_wait(handle, 5000, see_queue, NULL), ZKQ_OK);
	ck_assert_str_eq(queues, "default:0:-:1/0/0/0 nosuch:0:-:1/0/0/0 render:0:-:0/0/0/1 ");
}
END_TEST

static enum rc
remove_by_hand(const char *path)
{
	return do_op(OP_DELETE, path, NULL, 0);
}

/* What somebody began by hand is made whole, and what is there stays as it is; but only where no task ever was. */
START_TEST(queue_begun_by_hand)
{
	make("/zkq/queues/bare", "");
	ck_assert_int_eq(zkq_submit_wait(handle, "bare", &task_true, 5000, id), ZKQ_EINVAL);
	ck_assert_int_eq(zkq_queue_create_wait(handle, "bare", 5000), ZKQ_OK);
	ck_assert_int_eq(zkq_submit_wait(handle, "bare", &task_true, 5000, id), ZKQ_OK);
	ck_assert_int_gt((int)tree_find(ensemble_tree(ensemble), "/zkq/queues/bare")->blob->len, 0);
	ck_assert_ptr_nonnull(tree_find(ensemble_tree(ensemble), "/zkq/queues/bare/keys"));
	ck_assert_int_eq(zkq_queue_create_wait(handle, "bare", 5000), ZKQ_EEXIST);
	make("/zkq/queues/half", "{\"v\":1,\"own\":[1]}");
	make("/zkq/queues/half/done", "");
	make("/zkq/queues/half/inbox", "");
	make("/zkq/queues/half/inbox/t-0000000000", "{}");
	ck_assert_int_eq(zkq_queue_create_wait(handle, "half", 5000), ZKQ_OK);
	ck_assert_ptr_nonnull(strstr(tree_find(ensemble_tree(ensemble), "/zkq/queues/half")->blob->data, "\"own\""));
	ck_assert_ptr_nonnull(tree_find(ensemble_tree(ensemble), "/zkq/queues/half/inbox/t-0000000000"));
	ck_assert_int_eq(zkq_submit_wait(handle, "half", &task_true, 5000, id), ZKQ_OK);
	/* Its segments were lost, or its results have been removed by now: none of its ids may be used again. */
	make("/zkq/queues/had", "{}");
	make("/zkq/queues/had/done", "");
	make("/zkq/queues/had/done/0", "");
	ck_assert_int_eq(zkq_queue_create_wait(handle, "had", 5000), ZKQ_EEXIST);
	ck_assert_int_eq(remove_by_hand("/zkq/queues/had/done/0"), RC_OK);
	ck_assert_int_eq(zkq_queue_create_wait(handle, "had", 5000), ZKQ_EEXIST);
	ck_assert_int_eq(remove_by_hand("/zkq/queues/had/done"), RC_OK);
	ck_assert_int_eq(zkq_queue_create_wait(handle, "had", 5000), ZKQ_OK);
	/* One whose record nobody can read; one that is going. */
	make("/zkq/queues/odd", "[");
	ck_assert_int_eq(zkq_queue_create_wait(handle, "odd", 5000), ZKQ_EEXIST);
	make("/zkq/queues/going", "{\"v\":1,\"deleted\":true,\"next\":1}");
	ck_assert_int_eq(zkq_queue_create_wait(handle, "going", 5000), ZKQ_EBUSY);
}
END_TEST

static void
see_left(void *context, const struct zkq_queue_info *info)
{
	if (strcmp(info->name, "default") == 0)
		*(int64_t *)context = info->paused ? info->paused_left_ms : -2;
}

/* What is left of a pause is counted from the server time of its record; then it is over, whatever the record says. */
START_TEST(queue_pause_with_an_end)
{
	int64_t left_ms = 0;

	ck_assert_int_eq(zkq_queue_pause_wait(handle, "default", 1, -1, NULL, 5000), ZKQ_EINVAL);
	ck_assert_int_eq(zkq_queue_pause_wait(handle, "default", 1, 60000, NULL, 5000), ZKQ_OK);
	ck_assert_int_eq(zkq_queues_wait(handle, 5000, see_left, &left_ms), ZKQ_OK);
	ck_assert(left_ms > 59000 && left_ms <= 60000);
	submit_one();
	ck_assert_int_eq(zkq_wait_wait(handle, id, 61000, NULL, NULL), ZKQ_ETIMEOUT);
	ck_assert_int_eq(zkq_queues_wait(handle, 5000, see_left, &left_ms), ZKQ_OK);
	ck_assert_int_eq(left_ms, -2);
	ck_assert_int_eq(zkq_queue_pause_wait(handle, "default", 1, 0, NULL, 5000), ZKQ_OK);
	ck_assert_int_eq(zkq_queues_wait(handle, 5000, see_left, &left_ms), ZKQ_OK);
	ck_assert_int_eq(left_ms, -1);
}
END_TEST

/* Many questions at once, each answered once; one of them is asked from within a callback. */
static struct {
	int infos, ends, total, error, cancelled;
	bool again;
} under_way;

static void
count_info(void *context, int index, int error, const struct zkq_info *info)
{
	(void)index;
	(void)info;
	under_way.infos++;
	if (context)
		*(int *)context = error;
}

static void
count_end(void *context, int error, int total)
{
	(void)context;
	under_way.ends++;
	under_way.total += total;
	if (error != ZKQ_OK)
		under_way.error = error;
	if (!under_way.again)
		return;
	under_way.again = false;
	const char *one = id;
	ck_assert_int_eq(zkq_get_wait(handle, &one, 1, 5000, count_info, NULL), ZKQ_EINVAL);
	ck_assert_int_eq(zkq_get(handle, &one, 1, count_info, count_end, NULL), ZKQ_OK);
}

static void
ask_everything(struct zkq *of)
{
	const char *three[3] = { id, "default.0.zzzzzzzzzzzz", "no.id" };

	memset(&under_way, 0, sizeof under_way);
	queues[0] = leaders[0] = '\0';
	workers_seen = 0;
	ck_assert_int_eq(zkq_get(of, three, 3, count_info, count_end, NULL), ZKQ_OK);
	ck_assert_int_eq(zkq_list(of, &ended_one, count_info, count_end, NULL), ZKQ_OK);
	ck_assert_int_eq(zkq_list(of, &of_nosuch, count_info, NULL, NULL), ZKQ_OK);
	ck_assert_int_eq(zkq_queues(of, see_queue, count_end, NULL), ZKQ_OK);
	ck_assert_int_eq(zkq_workers(of, see_worker, count_end, NULL), ZKQ_OK);
	ck_assert_int_eq(zkq_dispatchers(of, see_dispatcher, count_end, NULL), ZKQ_OK);
	ck_assert_int_eq(zkq_cancel(of, three, 3, "why", count_info, &under_way.cancelled), ZKQ_OK);
	ck_assert_int_eq(under_way.infos + under_way.ends + workers_seen, 0);
	ck_assert_int_eq(zkq_timeout(of), 0);
}

static void
make_scene(void)
{
	submit_one();
	make_worker(NULL);
	claim(1);
	make("/zkq/election/f123456789abcdef0123456789abcdef-n_0000000003",
	    "{\"v\":1,\"name\":\"d1\",\"host\":\"h\",\"pid\":1}");
}

START_TEST(asynchronous)
{
	make_scene();
	ask_everything(handle);
	under_way.again = true;
	for (int i = 0; i < 3000 && under_way.ends < 6; i++)
		zkq_dispatch(handle);
	/* get 3 and 1, list 1, cancel 2: the task to be cancelled has not ended. */
	ck_assert_int_eq(under_way.ends, 6);
	ck_assert_int_eq(under_way.infos, 7);
	ck_assert_int_eq(under_way.error, ZKQ_OK);
	ck_assert_int_eq(under_way.total, 3 + 1 + 1 + 1 + 1 + 1);
	ck_assert_int_eq(workers_seen, 1);
	ck_assert_str_eq(leaders, "d1* ");
	ck_assert_str_eq(queues, "default:0:-:0/1/0/0 ");
	world = fulfil_cancel;
	for (int i = 0; i < 3000 && under_way.infos < 8; i++)
		zkq_dispatch(handle);
	ck_assert_int_eq(under_way.infos, 8);
	ck_assert_int_eq(under_way.cancelled, ZKQ_OK);
}
END_TEST

/* Whenever the handle is closed: what is owed comes then. */
START_TEST(close_ends_questions)
{
	make_scene();
	for (int turns = 0; turns < 12; turns++) {
		struct zkq *other = open_handle();

		ask_everything(other);
		for (int i = 0; i < turns * turns; i++)
			zkq_dispatch(other);
		zkq_close(other);
		ck_assert_int_eq(under_way.ends, 5);
		ck_assert_int_ge(under_way.infos, 3 + 3);
		ck_assert_int_le(under_way.infos, 3 + 3 + 1);
		ck_assert_int_eq(under_way.cancelled, ZKQ_ECANCELLED);
	}
}
END_TEST

START_TEST(inbox_names)
{
	make("/zkq/queues/default/inbox/t-0000000000", "{\"argv\":[\"uname\"],\"name\":\"who\"}");
	get("t-0000000000");
	ck_assert_int_eq(seen.error, ZKQ_OK);
	ck_assert_str_eq(seen.reason, "Inbox");
	ck_assert_str_eq(seen.name, "who");
	submit_one();
	ck_assert_int_eq(do_op(OP_DELETE, "/zkq/queues/default/inbox/t-0000000000", NULL, 0), RC_OK);
	make("/zkq/queues/default/moved/0", "");
	struct task_id parsed;
	id_parse(id, &parsed);
	struct record moved = { .kind = REC_MOVED, .moved = { .seg = parsed.seg } };
	memcpy(moved.moved.queue, parsed.queue, sizeof moved.moved.queue);
	memcpy(moved.moved.token, parsed.token, sizeof moved.moved.token);
	struct node node = node_of_text(NODE_MOVED_TASK, "default", 0, "t-0000000000");
	make_record(&node, &moved);
	get("t-0000000000");
	ck_assert_str_eq(seen.id, id);
	get("t-0000000001");
	ck_assert_int_eq(seen.error, ZKQ_ENOENT);
}
END_TEST

/* ---- follow ---- */

static char output[2][4096];
static int stream_ends, again;

static void
take_output(void *context, int stream, const void *data, size_t size)
{
	(void)context;
	if (stream == 0) {
		ck_assert_ptr_null(data);
		ck_assert_str_eq(output[0], "first ");	/* told in the right place */
		again = again * 10 + (int)size;
		return;
	}
	stream_ends += size == 0;
	strncat(output[stream - 1], data ? data : "", size);
}

static void
follow(int error, int missed_wanted)
{
	int missed;

	memset(&seen, 0, sizeof seen);
	memset(output, 0, sizeof output);
	stream_ends = again = 0;
	ck_assert_int_eq(zkq_follow_wait(handle, id, 60000, take_output, see, NULL, &missed), error);
	ck_assert_int_eq(stream_ends, 2);
	ck_assert_int_eq(missed, missed_wanted);
}

START_TEST(follow_a_short_one)
{
	submit_one();
	finish_at = 10;
	world = finish_soon;
	follow(ZKQ_OK, 0);
	ck_assert_str_eq(output[0], "hello\n");
	ck_assert_int_eq(again, 0);
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_str_eq(seen.state, "done");
}
END_TEST

/* A log server: answers each request by what its path asks for. */
static int server = -1, peers[16], peer_count;
static char asked[16][512];
static const char *log_text[3];	/* of stdout, by attempt */
static int finish_after;	/* requests for stdout of attempt 2 */
static int finish_attempt = 2;
static void (*answer_with)(int peer, const char *request);

static void
answer_peer(int peer, const char *request)
{
	char reply[1024], body[512] = "";
	int attempt = 0;
	char stream[8] = "";
	unsigned from = 0;
	const char *path = strstr(request, "/log/");

	ck_assert_ptr_nonnull(strstr(request, "Authorization: Bearer s3cret\r\n"));
	ck_assert_ptr_nonnull(path);
	ck_assert(!strncmp(path + 5, id, strlen(id)));
	ck_assert_int_eq(sscanf(path + 5 + strlen(id), "/%d/%6[a-z]?from=%u&follow=1", &attempt, stream, &from), 3);
	if (!strcmp(stream, "stdout"))
		snprintf(body, sizeof body, "%s", log_text[attempt] + from);
	int len = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	if (*body) {
		/* In two chunks, to be put together again. */
		len += snprintf(reply + len, sizeof reply - (size_t)len, "1\r\n%c\r\n%zx\r\n%s\r\n", body[0],
		    strlen(body) - 1, body + 1);
	}
	/* The first attempt's server dies before the end. */
	if (attempt == 2)
		len += snprintf(reply + len, sizeof reply - (size_t)len, "0\r\n\r\n");
	ck_assert_int_eq(send(peer, reply, (size_t)len, MSG_NOSIGNAL), len);
	if (attempt == 1 && !strcmp(stream, "stdout")) {
		char path_of[PATH_BUFFER];
		struct node task = find_task(id);
		struct node old = node_claim("w1", "abcdefgh", 1, task.queue, task.seg, &task.task, 1,
		    (struct fence){ 7, 1 });

		path_write("/zkq", &old, false, path_of, sizeof path_of);
		ck_assert_int_eq(do_op(OP_DELETE, path_of, NULL, 0), RC_OK);
		claim(2);
	}
	if (attempt == 2 && !strcmp(stream, "stdout"))
		finish_after = 100;
}

static void
serve(void)
{
	int peer = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (peer >= 0) {
		ck_assert_int_lt(peer_count, 16);
		asked[peer_count][0] = '\0';
		peers[peer_count++] = peer;
	}
	for (int i = 0; i < peer_count; i++) {
		size_t len = strlen(asked[i]);
		ssize_t got = peers[i] < 0 ? -1 : recv(peers[i], asked[i] + len, sizeof asked[i] - 1 - len, 0);

		if (got > 0)
			asked[i][len + (size_t)got] = '\0';
		if (peers[i] < 0 || !strstr(asked[i], "\r\n\r\n"))
			continue;
		answer_with(peers[i], asked[i]);
		close(peers[i]);
		peers[i] = -1;
	}
	if (finish_after && --finish_after == 0)
		finish(id, STATE_DONE, 0, "of the second attempt, which is longer than the tail\n", finish_attempt, false);
}

static void
make_log_server(void (*how)(int peer, const char *request))
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	char log[64];

	server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(server, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(server, 8), 0);
	ck_assert_int_eq(getsockname(server, (struct sockaddr *)&address, &len), 0);
	snprintf(log, sizeof log, "127.0.0.1:%d", ntohs(address.sin_port));
	make_worker(log);
	make("/zkq/logkeys/w1", "{\"v\":1,\"token\":\"s3cret\"}");
	answer_with = how;
	world = serve;
}

START_TEST(follow_over_attempts)
{
	log_text[1] = "first ";
	log_text[2] = "second, complete\n";
	submit_one();
	make_log_server(answer_peer);
	claim(1);
	follow(ZKQ_OK, 0);
	ck_assert_str_eq(output[0], "first second, complete\n");
	ck_assert_int_eq(again, 2);
	ck_assert_str_eq(output[1], "");
	ck_assert_int_eq(seen.attempt, 2);
	close(server);
}
END_TEST

/* What there is now, one stream after the other. */
static char paths[1000];

static void
answer_now(int peer, const char *request)
{
	static const char whole[] = "HTTP/1.1 200 OK\r\nZkq-From: 0\r\nContent-Length: 8\r\n\r\none\ntwo\n";
	static const char last[] = "HTTP/1.1 200 OK\r\nZkq-From: 4\r\nContent-Length: 4\r\n\r\ntwo\n";
	static const char broken[] = "HTTP/1.1 200 OK\r\nZkq-From: 0\r\nContent-Length: 100\r\n\r\nhalf";
	static const char empty[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	const char *path = strstr(request, id) + strlen(id);
	size_t len = strcspn(path, " ");
	const char *reply = dropped_bytes && !strstr(path, "/7/") ? empty : strstr(path, "/3/") ? none :
	    strstr(path, "/4/") || strstr(path, "&follow") ? broken : strstr(path, "lines=") ? last : whole;

	ck_assert_ptr_nonnull(strstr(request, "Authorization: Bearer s3cret\r\n"));
	snprintf(paths + strlen(paths), sizeof paths - strlen(paths), "%.*s ", (int)len, path);
	ck_assert_int_eq(send(peer, reply, strlen(reply), MSG_NOSIGNAL), (ssize_t)strlen(reply));
}

static void
output_is(struct zkq_output_options options, enum zkq_output_source wanted, const char *out, const char *err, const char *asked_for)
{
	enum zkq_output_source source;

	options.size = sizeof options;
	memset(&seen, 0, sizeof seen);
	memset(output, 0, sizeof output);
	stream_ends = peer_count = 0;
	paths[0] = '\0';
	ck_assert_int_eq(zkq_output_wait(handle, id, &options, 60000, take_output, see, NULL, &source), ZKQ_OK);
	ck_assert_int_eq(source, wanted);
	ck_assert_str_eq(output[0], out);
	ck_assert_str_eq(output[1], err);
	ck_assert_str_eq(paths, asked_for);
	ck_assert_int_eq(stream_ends, 2);
	ck_assert_int_eq(seen.calls, 1);
}

START_TEST(output_now)
{
	struct zkq_output_options all = { 0 }, end = { .lines = 1, .streams = 2 }, first = { .attempt = 1, .streams = 1 },
		third = { .attempt = 3 }, seventh = { .attempt = 7 };

	submit_one();
	make_log_server(answer_now);
	output_is(all, ZKQ_OUTPUT_NONE, "", "", "");
	claim(5);
	output_is(all, ZKQ_OUTPUT_WORKER, "one\ntwo\n", "one\ntwo\n", "/5/stdout?from=0 /5/stderr?from=0 ");
	output_is(end, ZKQ_OUTPUT_WORKER, "", "two\n", "/5/stderr?lines=1 ");
	output_is(first, ZKQ_OUTPUT_WORKER, "one\ntwo\n", "", "/1/stdout?from=0 ");
	output_is(third, ZKQ_OUTPUT_NONE, "", "", "/3/stdout?from=0 ");
	output_is(seventh, ZKQ_OUTPUT_NONE, "", "", "");
	/* Ended; the result holds all of it. */
	finish(id, STATE_DONE, 0, "a\nb\n", 4, false);
	output_is(all, ZKQ_OUTPUT_WORKER, "a\nb\n", "", "");
	output_is((struct zkq_output_options){ .lines = 1 }, ZKQ_OUTPUT_WORKER, "b\n", "", "");
	output_is(end, ZKQ_OUTPUT_WORKER, "", "", "");
	ck_assert_int_eq(zkq_output_wait(handle, id, &all, 100, take_output, see, NULL, NULL), ZKQ_EINVAL);
	close(server);
}
END_TEST

/* With the times of the lines. Connections break within a prefix, behind it, within a line, behind its end: what is given is
 * what one connection would have given. */
static size_t timed;

#define P1 "2026-11-20T08:31:02.114Z "
#define P2 "2026-11-20T08:31:03.000Z "

static void
answer_timed(int peer, const char *request)
{
	static const struct {
		const char *from, *text;
	} pieces[] = {
		{ "from=0&", "2026-11-20T08" }, { "from=0&", P1 }, { "from=0&", P1 "on" }, { "from=2&", "2026-11-2" },
		{ "from=2&", P1 }, { "from=2&", P1 "e\n" }, { "from=4&", P2 "two\n" P2 "t" }, { "from=9&", P2 "hree\nend" },
	};
	static const char head[] = "HTTP/1.1 200 OK\r\nZkq-From: %.*s\r\nZkq-Prefix: 25\r\nContent-Length: %zu\r\n\r\n%s";
	char reply[256];

	ck_assert_ptr_nonnull(strstr(request, "&ts=1"));
	if (strstr(request, "stderr")) {
		snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	} else {
		const char *text = pieces[timed].text, *from = strstr(request, "from=");
		bool last = ++timed == sizeof pieces / sizeof *pieces;

		ck_assert_ptr_nonnull(strstr(request, pieces[timed - 1].from));
		snprintf(reply, sizeof reply, head, (int)strspn(from + 5, "0123456789"), from + 5, strlen(text) + !last, text);
		if (last) {
			finish_attempt = 1;
			finish_after = 100;
		}
	}
	ck_assert_int_eq(send(peer, reply, strlen(reply), MSG_NOSIGNAL), (ssize_t)strlen(reply));
}

START_TEST(output_with_times)
{
	struct zkq_output_options options = { .size = sizeof options, .follow = 1, .times = 1 };
	enum zkq_output_source source;

	submit_one();
	make_log_server(answer_timed);
	claim(1);
	memset(&seen, 0, sizeof seen);
	ck_assert_int_eq(zkq_output_wait(handle, id, &options, 60000, take_output, see, NULL, &source), ZKQ_OK);
	ck_assert_str_eq(output[0], P1 "one\n" P2 "two\n" P2 "three\n" "end");
	close(server);
}
END_TEST

/* Ended; the result holds the end of it only. */
START_TEST(output_of_the_ended)
{
	struct zkq_output_options all = { .size = sizeof all }, end = { .lines = 1, .streams = 2 };

	submit_one();
	make_log_server(answer_now);
	more_bytes = 50;
	finish(id, STATE_FAILED, 1, "a\nb\n", 4, false);
	output_is(all, ZKQ_OUTPUT_PART, "half", "", "/4/stdout?from=0 ");
	submit_one();
	finish(id, STATE_FAILED, 1, "a\nb\n", 3, false);
	output_is(all, ZKQ_OUTPUT_END, "a\nb\n", "", "/3/stdout?from=0 ");
	output_is(end, ZKQ_OUTPUT_END, "", "", "/3/stderr?lines=1 ");	/* it is of both streams */
	output_is((struct zkq_output_options){ .streams = 1 }, ZKQ_OUTPUT_END, "", "", "/3/stdout?from=0 ");
	more_bytes = 0;
	more_out = 50;
	submit_one();
	finish(id, STATE_FAILED, 1, "a\nb\n", 3, false);
	output_is((struct zkq_output_options){ .streams = 1 }, ZKQ_OUTPUT_END, "a\nb\n", "", "/3/stdout?from=0 ");
	output_is(end, ZKQ_OUTPUT_WORKER, "", "", "/3/stderr?lines=1 ");	/* nothing was written to it */
	more_out = 0;
	more_bytes = 50;
	submit_one();
	finish(id, STATE_FAILED, 1, "a\nb\n", 2, false);
	output_is(end, ZKQ_OUTPUT_WORKER, "", "two\n", "/2/stderr?lines=1 ");
	more_bytes = 0;
	close(server);
	snprintf(id, sizeof id, "default.0.zzzzzzzzzzzz");
	ck_assert_int_eq(zkq_output_wait(handle, id, &all, 1000, take_output, see, NULL, NULL), ZKQ_ENOENT);
}
END_TEST

/* The stream breaks off behind "half"; the result's end begins there, or later. */
START_TEST(output_that_breaks_off)
{
	struct zkq_output_options all = { 0 }, followed = { .follow = 1 };

	make_log_server(answer_now);
	for (more_out = 3; more_out <= 5; more_out++) {
		const char *wanted = more_out == 3 ? "half\nb\n" : more_out == 4 ? "halfa\nb\n" : "half";
		enum zkq_output_source source = more_out == 5 ? ZKQ_OUTPUT_PART : ZKQ_OUTPUT_WORKER;

		submit_one();
		finish(id, STATE_FAILED, 1, "a\nb\n", 4, false);
		output_is(all, source, wanted, "", "/4/stdout?from=0 ");
		submit_one();
		finish(id, STATE_FAILED, 1, "a\nb\n", 1, false);
		output_is(followed, source, wanted, "", "/1/stdout?from=0&follow=1 ");
	}
	more_out = 0;
	close(server);
}
END_TEST

/* The worker's disk was full: it has nothing, or not all, of it, but the result has the end. */
START_TEST(output_that_found_no_room)
{
	struct zkq_output_options all = { 0 }, followed = { .follow = 1 }, out = { .streams = 1 }, err = { .streams = 2 },
		with_times = { .times = 1, .streams = 1 };

	make_log_server(answer_now);
	dropped_bytes = 4;
	more_bytes = 1;
	submit_one();
	finish(id, STATE_DONE, 0, "a\nb\n", 1, false);
	output_is(all, ZKQ_OUTPUT_END, "a\nb\n", "", "/1/stdout?from=0 /1/stderr?from=0 ");
	output_is(followed, ZKQ_OUTPUT_END, "a\nb\n", "", "/1/stdout?from=0&follow=1 /1/stderr?from=0&follow=1 ");
	output_is(err, ZKQ_OUTPUT_END, "", "", "/1/stderr?from=0 ");
	submit_one();
	finish(id, STATE_DONE, 0, "a\nb\n", 7, false);
	output_is(out, ZKQ_OUTPUT_DROPPED, "one\ntwo\n", "", "/7/stdout?from=0 ");
	more_bytes = 0;
	submit_one();
	finish(id, STATE_DONE, 0, "a\nb\n", 1, false);
	output_is(all, ZKQ_OUTPUT_WORKER, "a\nb\n", "", "");
	output_is(with_times, ZKQ_OUTPUT_END, "a\nb\n", "", "/1/stdout?from=0&ts=1 ");
	dropped_bytes = 0;
	close(server);
}
END_TEST

/* Nothing is left of the worker: the end of the output that lies in the result is given. */
START_TEST(follow_without_a_worker)
{
	submit_one();
	finish_at = 10;
	world = finish_soon;
	ck_assert_int_eq(zkq_wait_wait(handle, id, 5000, NULL, NULL), ZKQ_OK);
	follow(ZKQ_OK, 0);
	ck_assert_str_eq(output[0], "hello\n");
	snprintf(id, sizeof id, "default.0.zzzzzzzzzzzz");
	memset(&seen, 0, sizeof seen);
	follow(ZKQ_ENOENT, 0);
	ck_assert_int_eq(seen.calls, 0);
}
END_TEST

/* ---- memory ---- */

static int owed;	/* callbacks promised and not given */
static bool wrong;	/* check allocates, too: it is asked when nothing can fail */

static void
pay_submit(void *context, int index, int error, const char *given, int existed, const char *text)
{
	(void)index;
	(void)existed;
	(void)text;
	owed--;
	if (error == ZKQ_OK && context)
		snprintf(context, ZKQ_ID_SIZE, "%s", given);
}

static void
pay_info(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	(void)index;
	wrong |= info && error != ZKQ_OK && error != ZKQ_EENDED;
	owed--;
}

static void
pay_end(void *context, int error, int total)
{
	(void)context;
	(void)error;
	(void)total;
	owed--;
}

static void
ignore_info(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	(void)index;
	(void)error;
	(void)info;
}

static void
ignore_queue(void *context, const struct zkq_queue_info *info)
{
	(void)context;
	(void)info;
}

static void
ignore_worker(void *context, const struct zkq_worker_info *info)
{
	(void)context;
	(void)info;
}

static void
ignore_output(void *context, int stream, const void *data, size_t size)
{
	(void)context;
	(void)stream;
	(void)data;
	(void)size;
}

static void
pay_all(struct zkq *other)
{
	for (int i = 0; i < 3000 && owed; i++)
		zkq_dispatch(other);
	wrong |= owed != 0;
}

/* A little of everything, on a handle of its own. Every promised callback comes, whatever fails. */
static void
use_everything(const char *ended)
{
	struct zkq_options options = { .size = sizeof options, .hosts = "127.0.0.1:2181" };
	struct zkq_task tasks[3] = { task_true, task_true, task_true };
	char live[ZKQ_ID_SIZE] = "default.0.zzzzzzzzzzzz";
	const char *both[2] = { live, ended };
	struct zkq_output_options lines = { .size = sizeof lines, .lines = 1 }, early = { .size = sizeof early, .attempt = 1 };
	struct zkq *other;
	int total;

	if (zkq_open(&options, &other) != ZKQ_OK)
		return;
	if (zkq_submit(other, NULL, tasks, 3, pay_submit, live, NULL) == ZKQ_OK)
		owed += 3;
	tasks[0].key = "once";
	if (zkq_submit(other, NULL, tasks, 1, pay_submit, NULL, NULL) == ZKQ_OK)
		owed++;
	pay_all(other);
	if (zkq_wait(other, &ended, 1, pay_info, NULL) == ZKQ_OK)
		owed++;
	pay_all(other);
	owed += 2;
	if (zkq_cancel_wait(other, both, 2, "why", 100, pay_info, NULL) == ZKQ_ENOMEM)
		owed = 0;	/* perhaps nothing was begun */
	wrong |= owed != 0;
	if (zkq_get(other, both, 2, pay_info, pay_end, NULL) == ZKQ_OK)
		owed += 3;
	if (zkq_list(other, &ended_ten, ignore_info, pay_end, NULL) == ZKQ_OK)
		owed++;
	if (zkq_queues(other, ignore_queue, pay_end, NULL) == ZKQ_OK)
		owed++;
	if (zkq_workers(other, ignore_worker, pay_end, NULL) == ZKQ_OK)
		owed++;
	if (zkq_cancel(other, &ended, 1, "why", pay_info, NULL) == ZKQ_OK)
		owed++;
	pay_all(other);
	zkq_get_wait(other, both, 2, 1000, ignore_info, NULL);
	zkq_list_wait(other, &ended_ten, 1000, ignore_info, NULL, &total);
	zkq_queues_wait(other, 1000, ignore_queue, NULL);
	zkq_workers_wait(other, 1000, ignore_worker, NULL);
	zkq_queue_pause_wait(other, "default", 0, 0, NULL, 1000);
	zkq_follow_wait(other, ended, 1000, ignore_output, ignore_info, NULL, NULL);
	zkq_output_wait(other, ended, &lines, 1000, ignore_output, ignore_info, NULL, NULL);
	zkq_output_wait(other, ended, &early, 1000, ignore_output, ignore_info, NULL, NULL);
	zkq_close(other);
}

START_TEST(memory_runs_out)
{
	int rounds = 0;

	make_worker(NULL);
	submit_one();
	claim(1);
	submit_one();
	finish(id, STATE_DONE, 0, "x", 1, false);
	fail_for_ever = _i;
	do {
		fail_count = 0;
		fail_at = ++rounds;
		armed = true;
		use_everything(id);
		armed = false;
		fail_at = 0;
		ck_assert(!wrong);
	} while (fail_count);
	ck_assert_int_gt(rounds, 50);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lib");
	TCase *tc = tcase_create("lib");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, submit_and_get);
	tcase_add_test(tc, submit_refused);
	tcase_add_test(tc, open_refused);
	tcase_add_test(tc, submit_sizes);
	tcase_add_test(tc, submit_batches);
	tcase_add_test(tc, submit_with_a_key);
	tcase_add_test(tc, submit_unreachable);
	tcase_add_test(tc, submit_unknown);
	tcase_add_test(tc, submit_through_faults);
	tcase_add_test(tc, wait_for_result);
	tcase_add_test(tc, failures_among_many);
	tcase_add_test(tc, wait_for_many);
	tcase_add_test(tc, close_ends_calls);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, change_of_a_waiting_task);
	tcase_add_test(tc, running);
	tcase_add_test(tc, beginnings);
	tcase_add_test(tc, explained);
	tcase_add_test(tc, worker_lost);
	tcase_add_test(tc, dispatchers);
	tcase_add_test(tc, queue_list_and_pause);
	tcase_add_test(tc, queue_begun_by_hand);
	tcase_add_test(tc, queue_pause_with_an_end);
	tcase_add_test(tc, asynchronous);
	tcase_add_test(tc, close_ends_questions);
	tcase_add_test(tc, inbox_names);
	tcase_add_test(tc, follow_a_short_one);
	tcase_add_test(tc, follow_over_attempts);
	tcase_add_test(tc, follow_without_a_worker);
	tcase_add_test(tc, output_now);
	tcase_add_test(tc, output_with_times);
	tcase_add_test(tc, output_of_the_ended);
	tcase_add_test(tc, output_that_breaks_off);
	tcase_add_test(tc, output_that_found_no_room);
	tcase_add_loop_test(tc, memory_runs_out, 0, 2);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
