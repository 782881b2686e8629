#include "core/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"

const char *
rc_word(enum rc rc)
{
	static const char *const words[RCS] = {
		[RC_OK] = "ok",
		[RC_NONODE] = "no node",
		[RC_NODEEXISTS] = "node exists",
		[RC_BADVERSION] = "bad version",
		[RC_NOTEMPTY] = "not empty",
		[RC_NOAUTH] = "not allowed",
		[RC_ROLLEDBACK] = "rolled back",
		[RC_UNKNOWN] = "outcome unknown",
		[RC_NOTSENT] = "not sent",
		[RC_INVALID] = "invalid request",
		[RC_OTHER] = "refused",
		[RC_NOMEM] = "out of memory",
	};

	return rc < RCS ? words[rc] : "?";
}

void
plan_reset(struct plan *plan)
{
	plan->count = 0;
	plan->wake_ms = NEVER;
	plan->failed = false;
	arena_reset(&plan->arena);
}

void
plan_free(struct plan *plan)
{
	free(plan->effects);
	arena_free(&plan->arena);
	memset(plan, 0, sizeof *plan);
}

void
plan_wake(struct plan *plan, int64_t at_ms)
{
	if (at_ms < plan->wake_ms)
		plan->wake_ms = at_ms;
}

struct effect *
plan_effect(struct plan *plan, enum effect_kind kind)
{
	if (plan->count == plan->room) {
		int room = plan->room ? plan->room * 2 : 16;
		struct effect *effects = realloc(plan->effects, (size_t)room * sizeof *effects);

		if (!effects) {
			plan->failed = true;
			return NULL;
		}
		plan->effects = effects;
		plan->room = room;
	}
	struct effect *effect = &plan->effects[plan->count++];
	memset(effect, 0, sizeof *effect);
	effect->kind = kind;
	return effect;
}

void
plan_note(struct plan *plan, enum note_level level, const char *format, ...)
{
	va_list list;
	char text[1024];

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	struct effect *effect = plan_effect(plan, FX_NOTE);
	if (!effect)
		return;
	effect->note.level = level;
	effect->note.text = arena_string(&plan->arena, text);
	if (!effect->note.text) {
		plan->failed = true;
		plan->count--;
	}
}

/* Makes the plan the owner of the node's text. */
static bool
keep(struct plan *plan, struct node *node)
{
	if (!node->text)
		return true;
	node->text = arena_string(&plan->arena, node->text);
	if (!node->text)
		plan->failed = true;
	return node->text != NULL;
}

static struct request *
add_request(struct plan *plan, enum request_kind kind, uint32_t tag, uint64_t arg, const struct node *node)
{
	struct effect *effect = plan_effect(plan, FX_REQUEST);

	if (!effect)
		return NULL;
	effect->request.kind = kind;
	effect->request.tag = tag;
	effect->request.arg = arg;
	if (node) {
		effect->request.node = *node;
		if (!keep(plan, &effect->request.node)) {
			plan->count--;
			return NULL;
		}
	}
	return &effect->request;
}

void
plan_get(struct plan *plan, uint32_t tag, uint64_t arg, struct node node, enum record_kind kind, bool watch)
{
	struct request *request = add_request(plan, REQ_GET, tag, arg, &node);

	if (request) {
		request->record_kind = kind;
		request->watch = watch;
	}
}

void
plan_list(struct plan *plan, uint32_t tag, uint64_t arg, struct node node, bool watch)
{
	struct request *request = add_request(plan, REQ_LIST, tag, arg, &node);

	if (request)
		request->watch = watch;
}

void
plan_exists(struct plan *plan, uint32_t tag, uint64_t arg, struct node node, bool watch)
{
	struct request *request = add_request(plan, REQ_EXISTS, tag, arg, &node);

	if (request)
		request->watch = watch;
}

void
plan_sync(struct plan *plan, uint32_t tag, uint64_t arg, struct node node)
{
	add_request(plan, REQ_SYNC, tag, arg, &node);
}

struct request *
plan_multi(struct plan *plan, uint32_t tag, uint64_t arg)
{
	return add_request(plan, REQ_MULTI, tag, arg, NULL);
}

/* The room of a multi's op array is the next power of two of its count, at least 8. */
static struct op *
add_op(struct plan *plan, struct request *multi, enum op_kind kind, const struct node *node)
{
	if (!multi)
		return NULL;
	int count = multi->op_count;
	if (count == 0 || (count >= 8 && (count & (count - 1)) == 0)) {
		size_t room = count ? (size_t)count * 2 : 8;
		struct op *ops = arena_alloc(&plan->arena, room * sizeof *ops);

		if (!ops) {
			plan->failed = true;
			return NULL;
		}
		if (count)
			memcpy(ops, multi->ops, (size_t)count * sizeof *ops);
		multi->ops = ops;
	}
	struct op *op = &multi->ops[count];
	op->kind = kind;
	op->node = *node;
	if (!keep(plan, &op->node))
		return NULL;
	multi->op_count++;
	return op;
}

int64_t
list_pause_ms(int64_t took_ms, int names)
{
	int64_t pause_ms = took_ms * LIST_PAUSE_FACTOR;
	int64_t enough_ms = (1 + (int64_t)names / LIST_PAUSE_NAMES) * LIST_PAUSE_NAMES_MS;

	if (enough_ms > LIST_PAUSE_MAX_MS)
		enough_ms = LIST_PAUSE_MAX_MS;
	if (pause_ms > enough_ms)
		return enough_ms;
	return pause_ms > LIST_PAUSE_MIN_MS ? pause_ms : LIST_PAUSE_MIN_MS;
}

int
add_check(struct plan *plan, struct request *multi, struct node node, int32_t version)
{
	struct op *op = add_op(plan, multi, OP_CHECK, &node);

	if (!op)
		return -1;
	op->version = version;
	return multi->op_count - 1;
}

int
add_create(struct plan *plan, struct request *multi, struct node node, int flags, const struct record *record)
{
	struct op *op = add_op(plan, multi, OP_CREATE, &node);

	if (!op)
		return -1;
	op->flags = flags;
	if (record)
		op->record = *record;
	return multi->op_count - 1;
}

int
add_set(struct plan *plan, struct request *multi, struct node node, int32_t version, const struct record *record)
{
	struct op *op = add_op(plan, multi, OP_SET, &node);

	if (!op)
		return -1;
	op->version = version;
	if (record)
		op->record = *record;
	return multi->op_count - 1;
}

int
add_delete(struct plan *plan, struct request *multi, struct node node, int32_t version)
{
	struct op *op = add_op(plan, multi, OP_DELETE, &node);

	if (!op)
		return -1;
	op->version = version;
	return multi->op_count - 1;
}
