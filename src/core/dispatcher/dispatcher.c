#include "core/dispatcher/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
take(struct dispatcher *d, size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		d->plan->failed = true;
	return memory;
}

char *
take_string(struct dispatcher *d, const char *string)
{
	size_t size = strlen(string) + 1;
	char *copy = take(d, size);

	return copy ? memcpy(copy, string, size) : NULL;
}

bool
grow(struct dispatcher *d, void **array, uint32_t count, uint32_t *room, size_t size)
{
	if (count < *room)
		return true;
	uint32_t more = *room ? *room * 2 : 8;
	void *larger = realloc(*array, more * size);

	if (!larger) {
		d->plan->failed = true;
		return false;
	}
	*array = larger;
	*room = more;
	return true;
}

static char *
copy(const char *string)
{
	return strdup(string ? string : "");
}

struct dispatcher *
dispatcher_new(const struct dispatcher_conf *conf)
{
	struct dispatcher *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->name = copy(conf->name);
	d->host = copy(conf->host);
	d->boot = conf->boot ? copy(conf->boot) : NULL;
	d->http = conf->http ? copy(conf->http) : NULL;
	size_t by_size = sizeof "dispatcher " + strlen(conf->name);
	d->by = malloc(by_size);
	if (!d->name || !d->host || !d->by || (conf->boot && !d->boot) || (conf->http && !d->http)) {
		dispatcher_free(d);
		return NULL;
	}
	snprintf(d->by, by_size, "dispatcher %s", d->name);
	d->pid = conf->pid;
	d->start = conf->start;
	rng_seed(&d->rng, conf->seed);
	return d;
}

void
dispatcher_free(struct dispatcher *d)
{
	if (!d)
		return;
	leader_stop(d);
	free(d->mine);
	free(d->before);
	free(d->find_name);
	predecessor_forget(d);
	free(d->name);
	free(d->host);
	free(d->boot);
	free(d->http);
	free(d->by);
	free(d);
}

static void
reply(struct dispatcher *d, const struct reply *reply)
{
	uint32_t generation = TAG_GENERATION(reply->tag);

	if (reply->rc == RC_OK && reply->kind != REQ_MULTI && reply->kind != REQ_SYNC)
		server_time(d, reply->stat.mtime_ms);
	switch (TAG_KIND(reply->tag)) {
	case TAG_ELECTION:
		if (generation == d->election_turn)
			election_reply(d, reply);
		break;
	case TAG_POLL:
		if (generation == d->generation)
			poll_reply(d, reply);
		break;
	case TAG_ACT:
		if (generation == d->generation)
			act_reply(d, reply);
		break;
	}
}

static void
stop(struct dispatcher *d)
{
	struct effect *effect;

	plan_note(d->plan, NOTICE, "dispatcher %s: stops%s", d->name,
	    d->standing == STAND_LEADING ? "; another one will lead" : "");
	effect = plan_effect(d->plan, FX_EXIT);
	if (effect)
		effect->exit_code = 0;
	d->stopping = true;
}

void
dispatcher_step(struct dispatcher *d, const struct event *event, struct plan *plan)
{
	d->plan = plan;
	d->now_ms = event->now_ms;
	d->wall_ms = event->wall_ms;
	if (d->stopping)
		return;
	switch (event->kind) {
	case EV_CONNECTED:
		d->connected = true;
		d->session_id = event->session.id;
		if (event->session.fresh)
			memcpy(d->uuid, event->session.uuid, sizeof d->uuid);
		election_connected(d, event->session.fresh);
		break;
	case EV_DISCONNECTED:
		d->connected = false;
		break;
	case EV_EXPIRED:
		d->connected = false;
		election_lost(d);
		break;
	case EV_REPLY:
		reply(d, &event->reply);
		break;
	case EV_WATCH:
		election_watch(d, &event->watch.node);
		if (d->standing == STAND_LEADING)
			leader_watch(d, &event->watch.node);
		break;
	case EV_PROBED:
		predecessor_probed(d, event->probed.arg, event->probed.dead);
		break;
	case EV_STOP:
		stop(d);
		return;
	default:
		break;
	}
	election_tick(d);
	if (d->standing == STAND_LEADING)
		leader_run(d);
	if (d->plan->arena.failed)
		d->plan->failed = true;
}
