/*
 * election.c: ephemeral sequential candidates; the lowest numeric suffix leads, everyone else
 * watches the one before itself only.
 *
 *     NOT -> BOOT -> CREATE -> OWN -> RANK -> BEHIND | LEADING
 *                      |  unknown      ^         |
 *                      +--> FIND ------+---------+  predecessor gone
 */
#include "core/dispatcher/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum asked { ASK_CREATE = 100, ASK_FIND, ASK_OWNER, ASK_OWN, ASK_RANK, ASK_BEFORE, ASK_LOWER, ASK_REMOVE };

static uint32_t
tag(const struct dispatcher *d)
{
	return TAG(TAG_ELECTION, d->election_turn);
}

static void
turn(struct dispatcher *d, enum standing standing)
{
	d->standing = standing;
	predecessor_forget(d);
	d->election_turn = (d->election_turn + 1) & GENERATION_MASK;
}

static struct node
candidate(const char *name)
{
	return node_of_text(NODE_CANDIDATE, "", 0, name);
}

struct node
own_node(struct dispatcher *d)
{
	return candidate(d->mine);
}

static bool
rename_to(struct dispatcher *d, char **where, const char *name)
{
	free(*where);
	*where = name ? take_string(d, name) : NULL;
	return *where != NULL;
}

static void
stand_later(struct dispatcher *d)
{
	turn(d, STAND_LATER);
	d->stand_at_ms = d->now_ms + RETRY_PAUSE_MS + (int64_t)rng_below(&d->rng, RETRY_PAUSE_MS);
}

static void
stand(struct dispatcher *d)
{
	struct record record = { .kind = REC_CANDIDATE };
	char text[UUID_LEN + sizeof "-n_"];

	turn(d, STAND_CREATE);
	snprintf(text, sizeof text, "%s-n_", d->uuid);
	record.candidate = (struct rec_candidate){ d->name, d->host, d->pid, d->http, d->wall_ms, d->boot, d->start };
	struct request *multi = plan_multi(d->plan, tag(d), ASK_CREATE);
	add_create(d->plan, multi, candidate(text), CREATE_EPHEMERAL | CREATE_SEQUENCE, &record);
}

static void
find(struct dispatcher *d)
{
	turn(d, STAND_FIND);
	plan_sync(d->plan, tag(d), 0, node_plain(NODE_ELECTION));
	plan_list(d->plan, tag(d), ASK_FIND, node_plain(NODE_ELECTION), false);
}

static void
look_at_own(struct dispatcher *d)
{
	turn(d, STAND_OWN);
	plan_get(d->plan, tag(d), ASK_OWN, own_node(d), REC_CANDIDATE, false);
}

static void
rank(struct dispatcher *d)
{
	turn(d, STAND_RANK);
	plan_list(d->plan, tag(d), ASK_RANK, node_plain(NODE_ELECTION), false);
}

static int64_t
suffix(const char *name)
{
	const char *digits = strrchr(name, '_');

	return digits ? strtoll(digits + 1, NULL, 10) : INT64_MAX;
}

static bool
has_own_uuid(const struct dispatcher *d, const char *name)
{
	size_t len = strlen(d->uuid);

	return len && !strncmp(name, d->uuid, len) && name[len] == '-';
}

/* The lowest candidate of this session's uuid, or NULL. */
static const char *
lowest_own(const struct dispatcher *d, const struct reply *reply)
{
	const char *lowest = NULL;

	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (child->kind == NODE_CANDIDATE && has_own_uuid(d, child->text) &&
		    (!lowest || suffix(child->text) < suffix(lowest)))
			lowest = child->text;
	}
	return lowest;
}

static void
created(struct dispatcher *d, const struct reply *reply)
{
	if (reply->rc == RC_OK && reply->result_count == 1) {
		if (rename_to(d, &d->mine, reply->results[0].created.text))
			look_at_own(d);
	} else if (outcome_unknown(reply->rc)) {
		d->standing = STAND_FIND;
		if (d->connected)
			find(d);
	} else if (reply->rc == RC_NONODE) {
		bootstrap(d);
	} else {
		if (reply->rc != RC_NOTSENT)
			plan_note(d->plan, NOTE_ERROR, "dispatcher %s: cannot stand for election: %s", d->name,
			    rc_word(reply->rc));
		stand_later(d);
	}
}

static void
found(struct dispatcher *d, const struct reply *reply)
{
	const char *own = reply->rc == RC_OK ? lowest_own(d, reply) : NULL;

	if (reply->rc == RC_NONODE)
		bootstrap(d);
	else if (reply->rc != RC_OK)
		stand_later(d);
	else if (!own)
		stand(d);
	else if (rename_to(d, &d->find_name, own))
		plan_exists(d->plan, tag(d), ASK_OWNER, candidate(own), false);
}

static void
owner_seen(struct dispatcher *d, const struct reply *reply)
{
	if (reply->rc == RC_OK && reply->stat.owner == d->session_id) {
		if (rename_to(d, &d->mine, d->find_name))
			look_at_own(d);
	} else if (reply->rc == RC_OK || reply->rc == RC_NONODE) {
		stand(d);
	} else {
		stand_later(d);
	}
}

static void
own_seen(struct dispatcher *d, const struct reply *reply)
{
	if (reply->rc == RC_OK && reply->stat.owner == d->session_id) {
		d->czxid = (uint64_t)reply->stat.czxid;
		rank(d);
	} else if (reply->rc == RC_OK || reply->rc == RC_NONODE) {
		stand(d);
	} else {
		stand_later(d);
	}
}

static void
lead(struct dispatcher *d)
{
	turn(d, STAND_LEADING);
	d->elections_won_total++;
	d->claim_base = (uint64_t)suffix(d->mine) * CLAIMS_PER_LEADER;
	plan_note(d->plan, NOTICE, "dispatcher %s: leads", d->name);
	leader_start(d);
}

/* Reads the candidates before the own one: that of before with a watch, the others once, in search of dead ones and of strangers'. */
static void
look_ahead(struct dispatcher *d, const struct reply *reply, const char *before)
{
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (child->kind == NODE_CANDIDATE && child->text != before && suffix(child->text) < suffix(d->mine))
			plan_get(d->plan, tag(d), ASK_LOWER, candidate(child->text), REC_CANDIDATE, false);
	}
	plan_get(d->plan, tag(d), ASK_BEFORE, candidate(before), REC_CANDIDATE, true);
}

void
election_remove(struct dispatcher *d, const char *name)
{
	struct request *multi = plan_multi(d->plan, tag(d), ASK_REMOVE);

	add_delete(d->plan, multi, candidate(name), ANY_VERSION);
}

static void
ranked(struct dispatcher *d, const struct reply *reply)
{
	const char *before = NULL;
	bool there = false;

	if (reply->rc == RC_NONODE) {
		bootstrap(d);
		return;
	}
	if (reply->rc != RC_OK) {
		stand_later(d);
		return;
	}
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (child->kind != NODE_CANDIDATE)
			continue;
		if (!strcmp(child->text, d->mine))
			there = true;
		else if (suffix(child->text) < suffix(d->mine) && (!before || suffix(child->text) > suffix(before)))
			before = child->text;
	}
	const char *own = lowest_own(d, reply);
	if (!there)
		stand(d);
	else if (own && strcmp(own, d->mine))
		find(d);	/* never wait behind oneself */
	else if (!before)
		lead(d);
	else if (rename_to(d, &d->before, before)) {
		turn(d, STAND_BEHIND);
		plan_note(d->plan, NOTE_INFO, "dispatcher %s: stands by behind %s", d->name, before);
		look_ahead(d, reply, before);
	}
}

void
election_reply(struct dispatcher *d, const struct reply *reply)
{
	bool retry = reply->rc == RC_UNKNOWN || reply->rc == RC_NOTSENT || reply->rc == RC_NOMEM;

	if (reply->arg > 0 && reply->arg < ASK_CREATE) {
		bootstrap_reply(d, reply);
		return;
	}
	if (reply->kind == REQ_SYNC || (retry && reply->arg != ASK_CREATE && !d->connected))
		return;	/* asked again when the connection is back */
	switch ((enum asked)reply->arg) {
	case ASK_CREATE:
		created(d, reply);
		break;
	case ASK_FIND:
		found(d, reply);
		break;
	case ASK_OWNER:
		owner_seen(d, reply);
		break;
	case ASK_OWN:
		own_seen(d, reply);
		break;
	case ASK_RANK:
		ranked(d, reply);
		break;
	case ASK_BEFORE:
		if (reply->rc != RC_OK)
			rank(d);
		else
			predecessor_seen(d, reply);
		break;
	case ASK_LOWER:
		predecessor_seen(d, reply);
		break;
	case ASK_REMOVE:
		if (reply->rc == RC_OK)
			rank(d);
		else if (reply->rc == RC_NOTEMPTY || reply->rc == RC_NOAUTH)
			plan_note(d->plan, NOTE_ERROR, "dispatcher %s: a candidate before it cannot be removed: %s; it waits until somebody "
			    "does", d->name, rc_word(reply->rc));
		break;
	}
}

void
election_connected(struct dispatcher *d, bool fresh)
{
	if (fresh) {
		if (d->standing == STAND_LEADING)
			leader_stop(d);
		rename_to(d, &d->mine, NULL);
		if (d->booted)
			stand(d);
		else
			bootstrap(d);
		return;
	}
	switch (d->standing) {
	case STAND_NOT:
	case STAND_BOOT:
		bootstrap(d);
		break;
	case STAND_CREATE:
	case STAND_FIND:
		find(d);
		break;
	case STAND_OWN:
		look_at_own(d);
		break;
	case STAND_RANK:
	case STAND_BEHIND:
		rank(d);
		break;
	case STAND_LEADING:
		leader_reconnected(d);
		break;
	case STAND_LATER:
		break;
	}
}

void
election_lost(struct dispatcher *d)
{
	if (d->standing == STAND_LEADING) {
		plan_note(d->plan, NOTE_WARNING, "dispatcher %s: session expired, no longer leads", d->name);
		d->elections_lost_total++;
		leader_stop(d);
	}
	turn(d, STAND_NOT);
	rename_to(d, &d->mine, NULL);
}

void
election_watch(struct dispatcher *d, const struct node *node)
{
	if (d->standing == STAND_BEHIND && node->kind == NODE_CANDIDATE && d->before && node->text &&
	    !strcmp(node->text, d->before) && d->connected)
		rank(d);
}

void
election_tick(struct dispatcher *d)
{
	if (d->standing != STAND_LATER)
		return;
	if (d->now_ms < d->stand_at_ms || !d->connected)
		plan_wake(d->plan, d->connected ? d->stand_at_ms : NEVER);
	else if (d->booted)
		find(d);	/* whatever was refused, a candidate of ours may be there */
	else
		bootstrap(d);
}

void
step_down(struct dispatcher *d, const char *why)
{
	plan_note(d->plan, NOTE_WARNING, "dispatcher %s: no longer leads: %s", d->name, why);
	d->elections_lost_total++;
	leader_stop(d);
	if (d->connected)
		find(d);
	else
		turn(d, STAND_FIND);
}
