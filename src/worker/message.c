#include "worker/message.h"

#include <stdlib.h>
#include <string.h>

#include "io/channel.h"

/*
 * One walk over the fields serves both directions, so that reader and writer cannot differ.
 * Numbers are in the machine's order; a string is its length + 1 (0 = NULL) and its bytes.
 */
struct walk {
	struct arena *arena;
	bool writing, failed;
	char *data;		/* writing: what is there so far */
	size_t len, room;
	const char *at, *end;	/* reading */
};

static void
bytes(struct walk *walk, void *data, size_t len)
{
	if (walk->failed)
		return;
	if (!walk->writing) {
		if ((size_t)(walk->end - walk->at) < len) {
			walk->failed = true;
			return;
		}
		memcpy(data, walk->at, len);
		walk->at += len;
		return;
	}
	if (walk->room - walk->len < len) {
		size_t room = (walk->room + len) * 2 + 256;
		char *bigger = realloc(walk->data, room);
		if (!bigger) {
			walk->failed = true;
			return;
		}
		walk->data = bigger;
		walk->room = room;
	}
	memcpy(walk->data + walk->len, data, len);
	walk->len += len;
}

#define FIELD(walk, field) bytes(walk, &(field), sizeof(field))

/* A byte that is no truth value would be undefined behaviour to look at. */
static void
flag(struct walk *walk, bool *value)
{
	unsigned char byte = walk->writing && *value;

	FIELD(walk, byte);
	if (byte > 1)
		walk->failed = true;
	if (!walk->writing)
		*value = byte == 1;
}

static void
state(struct walk *walk, enum task_state *value)
{
	FIELD(walk, *value);
	if (!walk->writing && *value >= STATES)
		walk->failed = true;
}

#define HAS_END(text) (memchr((text), '\0', sizeof(text)) != NULL)

/* A borrowed string of known length; NULL stays NULL. */
static void
blob(struct walk *walk, const char **data, size_t *len)
{
	uint64_t count = walk->writing && *data ? *len + 1 : 0;

	FIELD(walk, count);
	if (walk->failed || count == 0) {
		if (!walk->writing) {
			*data = NULL;
			*len = 0;
		}
		return;
	}
	count--;
	if (walk->writing) {
		bytes(walk, (void *)*data, (size_t)count);
		return;
	}
	if ((uint64_t)(walk->end - walk->at) < count || !(*data = arena_copy(walk->arena, walk->at, (size_t)count))) {
		walk->failed = true;
		return;
	}
	*len = (size_t)count;
	walk->at += count;
}

static void
string(struct walk *walk, const char **text)
{
	size_t len = walk->writing && *text ? strlen(*text) : 0;

	blob(walk, text, &len);
}

static void
strings(struct walk *walk, const char *const **list)
{
	uint32_t count = 0;
	bool there = walk->writing && *list;

	flag(walk, &there);
	for (; there && walk->writing && (*list)[count]; count++)
		;
	FIELD(walk, count);
	if (walk->failed)
		return;
	if (walk->writing) {
		for (uint32_t i = 0; i < count; i++) {
			const char *text = (*list)[i];
			string(walk, &text);
		}
		return;
	}
	*list = NULL;
	/* Each string takes 8 bytes at least, so a count that lies cannot ask for much memory. */
	if (!there || count > (size_t)(walk->end - walk->at) / 8) {
		walk->failed |= there;
		return;
	}
	const char **texts = arena_alloc(walk->arena, (count + 1) * sizeof *texts);
	if (!texts) {
		walk->failed = true;
		return;
	}
	for (uint32_t i = 0; i < count && !walk->failed; i++)
		string(walk, &texts[i]);
	*list = texts;
}

static void
node(struct walk *walk, struct node *claim)
{
	/* A claim's node has no text, so its bytes are all of it. */
	FIELD(walk, *claim);
	if (!walk->writing && (claim->kind != NODE_CLAIM || claim->text || !HAS_END(claim->queue) || !HAS_END(claim->worker) ||
	    !HAS_END(claim->inc) || !HAS_END(claim->task.token)))
		walk->failed = true;
}

static void
outcome(struct walk *walk, struct outcome *out)
{
	state(walk, &out->state);
	string(walk, &out->reason);
	flag(walk, &out->has_exit);
	FIELD(walk, out->exit_code);
	FIELD(walk, out->signal);
	FIELD(walk, out->started_wall_ms);
	FIELD(walk, out->ended_wall_ms);
	FIELD(walk, out->run_seconds);
	FIELD(walk, out->cpu_seconds);
	FIELD(walk, out->max_rss_bytes);
	FIELD(walk, out->stdout_bytes);
	FIELD(walk, out->stderr_bytes);
	FIELD(walk, out->dropped_bytes);
	flag(walk, &out->log_complete);
	blob(walk, &out->tail, &out->tail_len);
}

static void
spec(struct walk *walk, struct task_spec *task)
{
	strings(walk, &task->argv);
	flag(walk, &task->noop);
	string(walk, &task->name);
	string(walk, &task->cwd);
	strings(walk, &task->env);
	blob(walk, &task->input, &task->input_len);
	FIELD(walk, task->time_limit_ms);
	FIELD(walk, task->kill_grace_ms);
}

static void
hello(struct walk *walk, struct message *message)
{
	FIELD(walk, message->hello.inc);
	walk->failed |= !walk->writing && !HAS_END(message->hello.inc);
	FIELD(walk, message->hello.r);
	string(walk, &message->hello.process.host);
	string(walk, &message->hello.process.boot);
	FIELD(walk, message->hello.process.pid);
	FIELD(walk, message->hello.process.start);
	string(walk, &message->hello.log);
	string(walk, &message->hello.log_token);
	flag(walk, &message->hello.stopping);
	FIELD(walk, message->hello.count);
	if (walk->failed)
		return;
	struct held_attempt *attempts = (struct held_attempt *)message->hello.attempts;
	if (!walk->writing) {
		/* Each takes a node and a byte at least, as above. */
		size_t most = (size_t)(walk->end - walk->at) / (sizeof attempts->claim + 1);
		if (message->hello.count < 0 || (size_t)message->hello.count > most) {
			walk->failed = true;
			return;
		}
		attempts = arena_alloc(walk->arena, ((size_t)message->hello.count + 1) * sizeof *attempts);
		if (!attempts) {
			walk->failed = true;
			return;
		}
		message->hello.attempts = attempts;
	}
	for (int i = 0; i < message->hello.count && !walk->failed; i++) {
		node(walk, &attempts[i].claim);
		flag(walk, &attempts[i].ended);
		if (attempts[i].ended)
			outcome(walk, &attempts[i].outcome);
	}
}

static void
all(struct walk *walk, struct message *message)
{
	FIELD(walk, message->kind);
	if (walk->failed)
		return;
	switch (message->kind) {
	case MSG_ATTACH:
		string(walk, &message->attach.address);
		break;
	case MSG_REGISTERED:
		FIELD(walk, message->lease.r);
		break;
	case MSG_LEASE:
		FIELD(walk, message->lease.kill_by_ms);
		break;
	case MSG_START:
		node(walk, &message->start.claim);
		flag(walk, &message->start.exclusive);
		string(walk, &message->start.invalid);
		spec(walk, &message->start.spec);
		break;
	case MSG_KILL:
		FIELD(walk, message->kill.n);
		string(walk, &message->kill.reason);
		state(walk, &message->kill.state);
		FIELD(walk, message->kill.grace_ms);
		break;
	case MSG_FORGET:
	case MSG_EXIT:
	case MSG_STARTED:
		FIELD(walk, message->number);
		break;
	case MSG_PING:
	case MSG_PONG:
	case MSG_STOP:
		break;
	case MSG_HELLO:
		hello(walk, message);
		break;
	case MSG_ENDED:
		FIELD(walk, message->ended.n);
		outcome(walk, &message->ended.outcome);
		break;
	case MSG_SERVE:
		string(walk, &message->text);
		break;
	case MSG_SETTINGS:
		FIELD(walk, message->settings.log_level);
		FIELD(walk, message->settings.log_format);
		FIELD(walk, message->settings.drain_deadline_ms);
		break;
	case MSG_SNAPSHOT:
		FIELD(walk, message->snapshot.source);
		blob(walk, &message->snapshot.data, &message->snapshot.len);
		break;
	case MSG_LOG_BEGIN:
	case MSG_LOG_FILE:
	case MSG_LOG_END:
		string(walk, &message->log.folder);
		FIELD(walk, message->log.run);
		FIELD(walk, message->log.stream);
		break;
	default:
		walk->failed = true;
	}
}

static bool
write_all(struct walk *walk, const struct message *message)
{
	struct message copy = *message;

	walk->writing = true;
	all(walk, &copy);
	return !walk->failed;
}

const char *
message_encode(struct arena *arena, const struct message *message, size_t *len)
{
	struct walk walk = { 0 };
	const char *data = write_all(&walk, message) ? arena_copy(arena, walk.data, walk.len) : NULL;

	*len = walk.len;
	free(walk.data);
	return data;
}

bool
message_decode(struct arena *arena, const char *data, size_t len, struct message *message)
{
	struct walk walk = { .arena = arena, .at = data, .end = data + len };

	memset(message, 0, sizeof *message);
	all(&walk, message);
	return !walk.failed && walk.at == walk.end;
}

int
message_send(struct channel *channel, const struct message *message)
{
	struct walk walk = { 0 };
	int done = write_all(&walk, message) ? channel_send(channel, walk.data, walk.len) : -1;

	free(walk.data);
	return done;
}
