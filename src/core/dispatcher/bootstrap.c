/*
 * bootstrap.c: creates the parts of the tree that are missing, before there is a leader. Creates are
 * sent one behind the other; what is there already is left as it is.
 */
#include "core/dispatcher/state.h"

static const enum node_kind parts[] = { NODE_ROOT, NODE_ELECTION, NODE_WORKERS, NODE_LOGKEYS, NODE_ASSIGN, NODE_QUEUES,
	NODE_RETIRED_ALL, NODE_DRAIN };

#define PARTS ((int)(sizeof parts / sizeof *parts))
#define ASK_ROOT (PARTS + 1)	/* reading it: the last answer */

static void
boot_later(struct dispatcher *d)
{
	d->standing = STAND_LATER;
	d->booted = false;
	d->stand_at_ms = d->now_ms + RETRY_PAUSE_MS + (int64_t)rng_below(&d->rng, RETRY_PAUSE_MS);
}

void
bootstrap(struct dispatcher *d)
{
	char cluster[TOKEN_LEN + 1];
	struct record root = { .kind = REC_ROOT };

	d->standing = STAND_BOOT;
	d->election_turn = (d->election_turn + 1) & GENERATION_MASK;
	d->boot_again = false;
	rng_token(&d->rng, cluster, TOKEN_LEN);
	root.root.format = 1;
	root.root.cluster = arena_string(&d->plan->arena, cluster);
	uint32_t tag = TAG(TAG_ELECTION, d->election_turn);
	for (int i = 0; i < PARTS; i++) {
		struct request *multi = plan_multi(d->plan, tag, (uint64_t)i + 1);

		add_create(d->plan, multi, node_plain(parts[i]), 0, parts[i] == NODE_ROOT ? &root : NULL);
	}
	plan_get(d->plan, tag, ASK_ROOT, node_plain(NODE_ROOT), REC_ROOT, false);
}

static void
root_read(struct dispatcher *d, const struct reply *reply)
{
	if (reply->rc == RC_OK && !reply->bad && reply->record.root.format == 1 && !d->boot_again) {
		d->booted = true;
		d->boot_said = RC_OK;
		election_connected(d, true);
		return;
	}
	if (reply->rc == RC_OK && reply->bad)
		plan_note(d->plan, NOTE_ERROR, "tree: its root holds no record of zkq; choose another root, or remove it");
	else if (reply->rc == RC_OK && reply->record.root.format != 1)
		plan_note(d->plan, NOTE_ERROR, "tree: written in format %d, this dispatcher knows format 1",
		    reply->record.root.format);
	boot_later(d);
}

void
bootstrap_reply(struct dispatcher *d, const struct reply *reply)
{
	bool lost = reply->rc == RC_UNKNOWN || reply->rc == RC_NOTSENT || reply->rc == RC_NOMEM;

	if (d->standing != STAND_BOOT || (lost && !d->connected))
		return;	/* begun again when the connection is back */
	if (reply->arg == ASK_ROOT) {
		root_read(d, reply);
		return;
	}
	if (reply->rc == RC_OK) {
		if (reply->arg == 1)
			plan_note(d->plan, NOTICE, "tree: created");
	} else if (reply->rc != RC_NODEEXISTS) {
		d->boot_again = true;
		if (!lost && d->boot_said != reply->rc)
			plan_note(d->plan, NOTE_ERROR, "tree: cannot be created: %s%s; trying on", rc_word(reply->rc),
			    reply->rc == RC_NONODE && reply->arg == 1 ? " (the parent of the root is missing)" :
			    reply->rc == RC_NOAUTH ? " (is the credential, ZKQ_AUTH or --auth-file, the one of this tree?)" : "");
		if (!lost)
			d->boot_said = reply->rc;
	}
}
