/*
 * doctor.c: gathers the facts that checks.c judges. First what the servers tell without a session, then the
 * library's own questions (dispatchers, workers, queues), then what only a doctor looks at: ACLs, clocks, long
 * folders, strangers, and what we may do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crew.h"
#include "lib/facts.h"
#include "zk/words.h"

#define WORDS_MS 4000		/* a server that says nothing for so long has nothing to say */
#define INBOX_SAMPLES 8		/* of the oldest names of an inbox are looked at */
#define PROBE_NAME "doctor-probe-"

struct doctor {
	struct zkq *handle;
	struct crew crew;
	struct arena arena;
	struct facts facts;
	struct words *words;
	int room_folders, room_clocks, room_rights, room_hosts;
	int open_depth;			/* slashes in facts.open_path */
	int64_t sent_wall_ms;
	char *probe;			/* path of the ephemeral one */
	enum rc probe_rc;
	int64_t probe_ctime_ms;
	int error;
};

/* Room for one more element of a list in the arena. */
static void *
more(struct arena *arena, void *list, int count, int *room, size_t size)
{
	if (count < *room)
		return list;
	int wider = *room ? *room * 2 : 16;
	void *grown = arena_alloc(arena, (size_t)wider * size);
	if (!grown)
		return NULL;
	if (count)
		memcpy(grown, list, (size_t)count * size);
	*room = wider;
	return grown;
}

/* ---- servers ---- */

static enum word_fact
word_fact(enum word_state state)
{
	return state == WORD_SAID ? SAID : state == WORD_REFUSED ? NOT_ALLOWED : NOT_SAID;
}

static void
take_server(struct doctor *doctor, const struct words_server *said, struct fact_server *server)
{
	*server = (struct fact_server){ .name = said->name, .address = said->address, .why = said->why,
		.connect_ms = said->connect_ms, .srvr = word_fact(said->state[WORD_SRVR]),
		    .conf = word_fact(said->state[WORD_CONF]),
		.mntr = word_fact(said->state[WORD_MNTR]), .version = { UNKNOWN }, .latency_avg_ms = UNKNOWN,
		    .outstanding = UNKNOWN,
		.znodes = UNKNOWN, .tick_ms = UNKNOWN, .sync_limit = UNKNOWN, .max_connections = UNKNOWN,
		    .max_session_ms = UNKNOWN,
		.data_bytes = UNKNOWN, .slow_syncs = UNKNOWN, .open_files = UNKNOWN, .max_files = UNKNOWN,
		.large_known = said->large_known, .large_ok = said->large_ok };
	if (server->srvr == SAID)
		facts_read_srvr(server, said->text[WORD_SRVR], &doctor->arena);
	if (server->conf == SAID)
		facts_read_conf(server, said->text[WORD_CONF]);
	if (server->mntr == SAID)
		facts_read_mntr(server, said->text[WORD_MNTR]);
}

static bool
ask_servers(struct doctor *doctor, int timeout_ms)
{
	doctor->words = words_ask(doctor->handle->hosts, timeout_ms < 0 || timeout_ms > WORDS_MS ? WORDS_MS :
	    timeout_ms);
	if (!doctor->words)
		return false;
	doctor->facts.servers = arena_alloc(&doctor->arena,
	    (size_t)doctor->words->count * sizeof *doctor->facts.servers + 1);
	if (!doctor->facts.servers)
		return false;
	for (int i = 0; i < doctor->words->count; i++)
		take_server(doctor, &doctor->words->servers[i], &doctor->facts.servers[doctor->facts.server_count++]);
	return true;
}

/* ---- session ---- */

static void
take_ping(void *context, const struct zkq_ping_info *info)
{
	struct doctor *doctor = context;

	doctor->facts.granted_ms = info->session_timeout_ms;
	doctor->facts.server = arena_string(&doctor->arena, info->server);
}

static bool
connected(struct doctor *doctor, int64_t deadline)
{
	int64_t left = deadline == NEVER ? -1 : deadline - link_now_ms();

	doctor->facts.connected = zkq_connect_wait(doctor->handle, left < 0 && deadline != NEVER ? 1 :
	    (int)left) == ZKQ_OK;
	if (!doctor->facts.connected) {
		doctor->facts.trouble = arena_string(&doctor->arena, zkq_state_text(doctor->handle));
		return false;
	}
	doctor->facts.asked_ms = doctor->handle->asked_timeout_ms;
	doctor->facts.granted_ms = doctor->handle->session_timeout_ms;
	return true;
}

/* ---- dispatchers, workers, queues: the library's own questions ---- */

static void
add_host(struct doctor *doctor, const char *host)
{
	struct facts *facts = &doctor->facts;
	const char **list = more(&doctor->arena, (void *)(uintptr_t)facts->hosts_used, facts->hosts_used_count,
	    &doctor->room_hosts, sizeof *list);

	if (!list || !host)
		return;
	list[facts->hosts_used_count++] = arena_string(&doctor->arena, host);
	facts->hosts_used = list;
}

static void
take_dispatcher(void *context, const struct zkq_dispatcher_info *info)
{
	struct doctor *doctor = context;
	struct facts *facts = &doctor->facts;

	add_host(doctor, info->host);
	facts->candidates++;
	if (!info->leads)
		return;
	facts->leader = arena_string(&doctor->arena, info->name);
	facts->leader_host = arena_string(&doctor->arena, info->host);
	facts->candidate_age_ms = link_wall_ms() - info->since_ms;
	if (facts->candidate_age_ms < 0)
		facts->candidate_age_ms = 0;
}

struct room_list {
	struct doctor *doctor;
	int room;
};

static void
take_worker(void *context, const struct zkq_worker_info *info)
{
	struct room_list *list = context;
	struct doctor *doctor = list->doctor;
	struct facts *facts = &doctor->facts;
	struct arena *arena = &doctor->arena;
	struct fact_worker *workers = more(arena, facts->workers, facts->worker_count, &list->room, sizeof *workers);

	if (!workers)
		return;
	facts->workers = workers;
	workers[facts->worker_count++] = (struct fact_worker){ .name = arena_string(arena, info->name),
		.host = arena_string(arena, info->host), .version = arena_string(arena, info->version),
		.state = arena_string(arena, info->state), .queues = arena_string(arena, info->queues),
		    .claims = info->claims };
	add_host(doctor, info->host);
}

/* Whether the comma-separated list holds the name. */
static bool
listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == len && strncmp(p, name, len) == 0)
			return true;
	return false;
}

static void
take_queue(void *context, const struct zkq_queue_info *info)
{
	struct room_list *list = context;
	struct arena *arena = &list->doctor->arena;
	struct facts *facts = &list->doctor->facts;
	struct fact_queue *queues = more(arena, facts->queues, facts->queue_count, &list->room, sizeof *queues);
	struct record record;
	const char *why;

	if (!queues)
		return;
	facts->queues = queues;
	struct fact_queue *queue = &queues[facts->queue_count++];
	*queue = (struct fact_queue){ .name = arena_string(arena, info->name), .paused = info->paused,
		.deleting = info->deleting,
		.paused_by = arena_string(arena, info->paused_by), .paused_reason = arena_string(arena,
		    info->paused_reason),
		.waiting = info->waiting, .running = info->running, .inbox = info->inbox, .dead = info->dead };
	for (int i = 0; i < facts->worker_count; i++)
		queue->served = queue->served || (strcmp(facts->workers[i].state, "up") == 0 &&
		    listed(facts->workers[i].queues, info->name));
	if (info->json && record_decode(arena, REC_QUEUE, info->json, strlen(info->json), &record, &why))
		queue->waiting_max = record.queue.waiting_max;
}

static int
left_of(int64_t deadline)
{
	int64_t left = deadline == NEVER ? -1 : deadline - link_now_ms();

	return deadline == NEVER ? -1 : left < 1 ? 1 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static int
ask_cluster(struct doctor *doctor, int64_t deadline)
{
	struct zkq *handle = doctor->handle;
	struct room_list workers = { .doctor = doctor }, queues = { .doctor = doctor };
	int error = zkq_dispatchers_wait(handle, left_of(deadline), take_dispatcher, doctor);

	if (error == ZKQ_OK)
		error = zkq_workers_wait(handle, left_of(deadline), take_worker, &workers);
	if (error == ZKQ_OK)
		error = zkq_queues_wait(handle, left_of(deadline), take_queue, &queues);
	return error;
}

/* ---- znodes ---- */

enum asked { ASK_ROOT, ASK_ACL, ASK_CHILDREN, ASK_FOLDER, ASK_INBOX, ASK_INBOX_AGE, ASK_REPORT, ASK_PROBE, ASK_RIGHT };

#define ARG(asked, index) ((uint64_t)(asked) << 32 | (uint32_t)(index))

static void
take_root(struct doctor *doctor, const struct raw_reply *reply)
{
	struct record record;
	const char *why;
	struct facts *facts = &doctor->facts;

	facts->root_state = reply->rc == RC_NONODE ? ROOT_ABSENT : reply->rc == RC_NOAUTH ? ROOT_DENIED : ROOT_UNKNOWN;
	if (reply->rc != RC_OK)
		return;
	facts->root_state = ROOT_FOREIGN;
	const char *data = arena_copy(&doctor->arena, reply->data, reply->len);
	if (!data || !record_decode(&doctor->arena, REC_ROOT, data, reply->len, &record, &why) ||
	    record.root.format < 1)
		return;
	facts->format = record.root.format;
	facts->cluster = record.root.cluster;
	facts->root_state = record.root.format == 1 ? ROOT_GOOD : ROOT_FORMAT;
}

static int
depth(const char *path)
{
	int count = 0;

	for (; *path; path++)
		count += *path == '/';
	return count;
}

static void
take_acl(struct doctor *doctor, const char *path, const struct raw_reply *reply)
{
	struct facts *facts = &doctor->facts;

	for (int i = 0; reply->rc == RC_OK && i < reply->acl_count; i++) {
		const struct raw_acl *entry = &reply->acl[i];

		if (strcmp(entry->scheme, "world") ||
		    !(entry->perms & (PERM_WRITE | PERM_CREATE | PERM_DELETE | PERM_ADMIN)))
			continue;
		if (facts->open_path && doctor->open_depth <= depth(path))
			continue;
		facts->open_path = arena_string(&doctor->arena, path);
		doctor->open_depth = depth(path);
	}
}

static void
take_folder(struct doctor *doctor, const char *path, const struct raw_reply *reply)
{
	struct facts *facts = &doctor->facts;
	struct fact_folder *folders;

	if (reply->rc != RC_OK || reply->stat.children <= FOLDER_LONG)
		return;
	folders = more(&doctor->arena, facts->folders, facts->folder_count, &doctor->room_folders, sizeof *folders);
	if (!folders)
		return;
	facts->folders = folders;
	folders[facts->folder_count++] = (struct fact_folder){ arena_string(&doctor->arena, path),
	    reply->stat.children };
}

static void
ask_path(struct doctor *doctor, enum asked asked, enum request_kind kind, int index, const char *path)
{
	if (path)
		crew_ask(&doctor->crew, kind, path, ARG(asked, index));
}

/* Children of a folder of ours: strangers are counted, folders below looked at. */
static void
take_children(struct doctor *doctor, const char *path, const struct raw_reply *reply)
{
	struct node folder, child;
	struct facts *facts = &doctor->facts;

	if (reply->rc != RC_OK || !path_parse(doctor->handle->root, path, &folder))
		return;
	take_folder(doctor, path, reply);
	for (int i = 0; i < reply->child_count; i++) {
		const char *below = arena_printf(&doctor->arena, "%s/%s", path, reply->children[i]);

		name_parse(&folder, reply->children[i], &child);
		switch (child.kind) {
		case NODE_STRANGER:
			if (folder.kind == NODE_ROOT && (!strcmp(child.text, "limits") || !strcmp(child.text,
			    "events") || !strcmp(child.text, "stats")))
				break;	/* reserved */
			if (!facts->strangers++)
				facts->stranger = below;
			break;
		case NODE_QUEUES:
		case NODE_QUEUE:
		case NODE_TASKS:
		case NODE_DONE_ALL:
		case NODE_DEAD_ALL:
		case NODE_MOVED:
		case NODE_RETRY_ALL:
		case NODE_CANCEL_ALL:
			ask_path(doctor, ASK_CHILDREN, REQ_LIST, 0, below);
			break;
		case NODE_ASSIGN:
			ask_path(doctor, ASK_CHILDREN, REQ_LIST, 0, below);
			break;
		case NODE_FOLDER:
			ask_path(doctor, ASK_REPORT, REQ_GET, 0, below);
			break;
		case NODE_INBOX:
		case NODE_SEGMENT:
		case NODE_DONE_SEG:
		case NODE_DEAD_SEG:
		case NODE_SHARD:
		case NODE_RETRY_SEG:
		case NODE_CANCEL_SEG:
			ask_path(doctor, ASK_FOLDER, REQ_EXISTS, 0, below);
			break;
		default:
			break;
		}
	}
}

/* The oldest of its names, which the first numbers are most likely. */
static void
take_inbox(struct doctor *doctor, int queue, const char *path, const struct raw_reply *reply)
{
	const char *least[INBOX_SAMPLES];
	int count = 0;

	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		const char *name = reply->children[i];
		int at = count;

		while (at > 0 && strcmp(least[at - 1], name) > 0)
			at--;
		if (at == INBOX_SAMPLES)
			continue;
		count += count < INBOX_SAMPLES;
		memmove(&least[at + 1], &least[at], (size_t)(count - at - 1) * sizeof *least);
		least[at] = name;
	}
	for (int i = 0; i < count; i++)
		ask_path(doctor, ASK_INBOX_AGE, REQ_EXISTS, queue, arena_printf(&doctor->arena, "%s/%s", path,
		    least[i]));
}

static void
take_inbox_age(struct doctor *doctor, int index, const struct raw_reply *reply)
{
	struct fact_queue *queue = &doctor->facts.queues[index];
	int64_t age = link_wall_ms() - reply->stat.ctime_ms;

	if (reply->rc == RC_OK && age > queue->inbox_age_ms)
		queue->inbox_age_ms = age;
}

static void
take_report(struct doctor *doctor, const char *path, const struct raw_reply *reply)
{
	struct facts *facts = &doctor->facts;
	struct record record;
	struct node node;
	const char *why;
	const char *data = arena_copy(&doctor->arena, reply->data, reply->rc == RC_OK ? reply->len : 0);

	if (reply->rc != RC_OK || !data || !record_decode(&doctor->arena, REC_REPORT, data, reply->len, &record,
	    &why) || !record.report.at_wall_ms || !path_parse(doctor->handle->root, path, &node))
		return;
	struct fact_clock *clocks = more(&doctor->arena, facts->clocks, facts->clock_count, &doctor->room_clocks,
	    sizeof *clocks);
	if (!clocks)
		return;
	facts->clocks = clocks;
	clocks[facts->clock_count++] = (struct fact_clock){ arena_string(&doctor->arena, node.worker),
		record.report.at_wall_ms - reply->stat.mtime_ms };
}

static void
take(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply, bool repeated)
{
	struct doctor *doctor = context;
	int index = (int)(uint32_t)arg;

	(void)repeated;
	switch ((enum asked)(arg >> 32)) {
	case ASK_ROOT:
		take_root(doctor, reply);
		break;
	case ASK_ACL:
		take_acl(doctor, request->path, reply);
		break;
	case ASK_CHILDREN:
		take_children(doctor, request->path, reply);
		break;
	case ASK_FOLDER:
		take_folder(doctor, request->path, reply);
		break;
	case ASK_INBOX:
		take_inbox(doctor, index, request->path, reply);
		break;
	case ASK_INBOX_AGE:
		take_inbox_age(doctor, index, reply);
		break;
	case ASK_REPORT:
		take_report(doctor, request->path, reply);
		break;
	case ASK_PROBE:
		doctor->probe_rc = reply->rc;
		if (reply->rc == RC_OK && request->kind == REQ_EXISTS)
			doctor->probe_ctime_ms = reply->stat.ctime_ms;
		break;
	case ASK_RIGHT:
		doctor->facts.rights[index].allowed = reply->rc == RC_OK;
		doctor->facts.rights[index].missing = reply->rc == RC_NONODE;
	}
}

static void
ask_znodes(struct doctor *doctor)
{
	static const char *const parts[] = { "", "/queues", "/assign", "/workers", "/election", "/logkeys" };
	const char *root = doctor->handle->root;

	ask_path(doctor, ASK_CHILDREN, REQ_LIST, 0, root);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		ask_path(doctor, ASK_ACL, REQ_ACL, 0, arena_printf(&doctor->arena, "%s%s", root, parts[i]));
	for (int i = 0; i < doctor->facts.queue_count; i++) {
		const char *queue = arena_printf(&doctor->arena, "%s/queues/%s", root, doctor->facts.queues[i].name);

		ask_path(doctor, ASK_ACL, REQ_ACL, 0, queue);
		ask_path(doctor, ASK_ACL, REQ_ACL, 0, arena_printf(&doctor->arena, "%s/tasks", queue));
		ask_path(doctor, ASK_ACL, REQ_ACL, 0, arena_printf(&doctor->arena, "%s/inbox", queue));
		if (doctor->facts.queues[i].inbox)
			ask_path(doctor, ASK_INBOX, REQ_LIST, i, arena_printf(&doctor->arena, "%s/inbox", queue));
	}
}

/* ---- what we may do ---- */

/* Created and deleted in one transaction: nobody can see it. */
static void
try_right(struct doctor *doctor, const char *what, const char *folder)
{
	struct facts *facts = &doctor->facts;
	struct fact_right *rights = more(&doctor->arena, facts->rights, facts->right_count, &doctor->room_rights,
	    sizeof *rights);
	char *path = folder ? arena_printf(&doctor->arena, "%s/%s%llx", folder, PROBE_NAME,
	    (unsigned long long)doctor->handle->session_id) : NULL;

	if (!rights || !path)
		return;
	struct raw_op ops[] = { { .kind = OP_CREATE, .path = path, .acl = NODE_STRANGER },
		{ .kind = OP_DELETE, .path = path, .version = ANY_VERSION } };
	struct raw_request request = { .kind = REQ_MULTI, .ops = ops, .op_count = 2 };
	facts->rights = rights;
	rights[facts->right_count] = (struct fact_right){ .what = what, .path = folder };
	crew_send(&doctor->crew, &request, ARG(ASK_RIGHT, facts->right_count++));
}

static void
try_rights(struct doctor *doctor)
{
	const char *root = doctor->handle->root;

	try_right(doctor, "make parts of the tree, as a dispatcher must", root);
	try_right(doctor, "give out tasks, as a dispatcher must", arena_printf(&doctor->arena, "%s/assign", root));
	try_right(doctor, "register, as a worker must", arena_printf(&doctor->arena, "%s/workers", root));
	for (int i = 0; i < doctor->facts.queue_count; i++)
		if (!doctor->facts.queues[i].deleting)	/* that has no inbox any more */
			try_right(doctor, "submit to it", arena_printf(&doctor->arena, "%s/queues/%s/inbox", root,
			    doctor->facts.queues[i].name));
}

static int
probe(struct doctor *doctor, const struct raw_request *request)
{
	crew_send(&doctor->crew, request, ARG(ASK_PROBE, 0));
	return crew_wait(&doctor->crew, 0);
}

/* An ephemeral znode, whose time of creation is the server's clock; it is removed at once, and if we die, with us. */
static int
look_at_clock(struct doctor *doctor)
{
	char *path = arena_printf(&doctor->arena, "%s/%s%llx", doctor->handle->root, PROBE_NAME,
	    (unsigned long long)doctor->handle->session_id);
	struct raw_op create = { .kind = OP_CREATE, .path = path, .flags = CREATE_EPHEMERAL, .acl = NODE_STRANGER };
	struct raw_op delete = { .kind = OP_DELETE, .path = path, .version = ANY_VERSION };
	struct raw_request made = { .kind = REQ_MULTI, .ops = &create, .op_count = 1 };
	struct raw_request seen = { .kind = REQ_EXISTS, .path = path };
	struct raw_request gone = { .kind = REQ_MULTI, .ops = &delete, .op_count = 1 };

	if (!path)
		return ZKQ_ENOMEM;
	int64_t before = link_wall_ms();
	int error = probe(doctor, &made);
	int64_t after = link_wall_ms();
	if (error != ZKQ_OK || doctor->probe_rc != RC_OK)
		return error;
	error = probe(doctor, &seen);
	doctor->facts.clock_known = error == ZKQ_OK && doctor->probe_rc == RC_OK;
	doctor->facts.clock_off_ms = (before + after) / 2 - doctor->probe_ctime_ms;
	doctor->facts.clock_doubt_ms = (after - before + 1) / 2;
	return error == ZKQ_OK ? probe(doctor, &gone) : error;
}

/* ---- the whole ---- */

static int
examine_tree(struct doctor *doctor, int64_t deadline)
{
	int error = ask_cluster(doctor, deadline);

	if (error != ZKQ_OK)
		return error == ZKQ_ENOAUTH || error == ZKQ_ENOTREE ? ZKQ_OK : error;
	ask_znodes(doctor);
	error = crew_wait(&doctor->crew, 0);
	if (error != ZKQ_OK || doctor->facts.no_write)
		return error;
	error = look_at_clock(doctor);
	try_rights(doctor);
	return error == ZKQ_OK ? crew_wait(&doctor->crew, 0) : error;
}

static int
examine(struct doctor *doctor, int timeout_ms)
{
	int64_t deadline = deadline_after(timeout_ms);

	if (!ask_servers(doctor, timeout_ms))
		return ZKQ_ENOMEM;
	if (!connected(doctor, deadline))
		return ZKQ_EUNREACHABLE;
	int error = zkq_ping_wait(doctor->handle, left_of(deadline), take_ping, doctor);
	if (error != ZKQ_OK && error != ZKQ_ENOAUTH)
		return error;
	crew_begin(&doctor->crew, doctor->handle, left_of(deadline), take, doctor);
	ask_path(doctor, ASK_ROOT, REQ_GET, 0, doctor->handle->root);
	error = crew_wait(&doctor->crew, 0);
	if (error == ZKQ_OK && doctor->facts.root_state == ROOT_GOOD)
		error = examine_tree(doctor, deadline);
	crew_end(&doctor->crew);
	return error;
}

int
zkq_doctor_wait(struct zkq *handle, int flags, int timeout_ms, zkq_finding_fn *found, void *context)
{
	struct doctor doctor = { .handle = handle };

	if (handle->inside || !found)
		return ZKQ_EINVAL;
	doctor.facts = (struct facts){ .hosts = handle->hosts, .root = handle->root, .version = zkq_version(),
		.no_write = flags & ZKQ_DOCTOR_NO_WRITE };
	int error = examine(&doctor, timeout_ms);
	if (doctor.arena.failed)
		error = ZKQ_ENOMEM;
	if (error != ZKQ_ENOMEM)
		facts_judge(&doctor.facts, &doctor.arena, found, context);
	words_free(doctor.words);
	arena_free(&doctor.arena);
	return error;
}
