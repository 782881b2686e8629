#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_US (10 * MINUTE_US)

struct story {
	struct cluster *cluster;
	char leader[16];	/* who led at first, and "other" */
	char **lines;
	int count, room, seen;
};

static void
on_line(void *context, const char *line)
{
	struct story *story = context;
	char text[65600];
	const char *colon = strchr(line, ':');

	if (line[0] == 'd' && colon && story->leader[0]) {
		bool first = strncmp(line, story->leader, strlen(story->leader)) == 0;

		snprintf(text, sizeof text, "%s%s", first ? "leader" : "other", colon);
		line = text;
	}
	if (story->count == story->room) {
		story->room = story->room ? story->room * 2 : 64;
		story->lines = realloc(story->lines, (size_t)story->room * sizeof *story->lines);
		if (!story->lines)
			abort();
	}
	story->lines[story->count++] = strdup(line);
}

void
story_conf(struct cluster_conf *conf)
{
	cluster_conf_default(conf, 20261120);
	conf->workers = 1;
	conf->ensemble.reconnect_us = 20000;
	conf->verbose = getenv("ZKQ_STORY_VERBOSE") != NULL;
}

static void
fine(struct story *story)
{
	if (cluster_broken(story->cluster))
		ck_abort_msg("broken: %s", cluster_broken(story->cluster));
}

struct story *
story_begin(const struct cluster_conf *conf)
{
	struct story *story = calloc(1, sizeof *story);

	if (!story)
		abort();
	story->cluster = cluster_new(conf);
	while (!cluster_leader(story->cluster) && !cluster_broken(story->cluster) && agenda_step(&story->cluster->agenda))
		if (story->cluster->agenda.now_us > PATIENCE_US)
			ck_abort_msg("nobody leads");
	fine(story);
	snprintf(story->leader, sizeof story->leader, "%s", actor_name(cluster_leader(story->cluster)));
	story->cluster->on_line = on_line;
	story->cluster->line_context = story;
	story_run_ms(story, 1000);
	story_forget(story);
	return story;
}

void
story_forget(struct story *story)
{
	while (story->count)
		free(story->lines[--story->count]);
	story->seen = 0;
}

void
story_end(struct story *story)
{
	story_drain(story);
	invariant_scan(story->cluster->invariant);
	fine(story);
	story_forget(story);
	free(story->lines);
	cluster_free(story->cluster);
	free(story);
}

struct cluster *
story_cluster(struct story *story)
{
	return story->cluster;
}

struct actor *
story_actor(struct story *story, const char *name)
{
	return cluster_actor(story->cluster, name);
}

struct actor *
story_leader(struct story *story)
{
	return cluster_actor(story->cluster, story->leader);
}

static void
print_lines(const struct story *story)
{
	for (int i = 0; i < story->count; i++)
		printf("%s\n", story->lines[i]);
}

void
story_until(struct story *story, const char *line)
{
	int64_t limit_us = story->cluster->agenda.now_us + PATIENCE_US;

	for (;;) {
		while (story->seen < story->count)
			if (strcmp(story->lines[story->seen++], line) == 0)
				return;
		if (story->cluster->agenda.now_us > limit_us || !agenda_step(&story->cluster->agenda)) {
			print_lines(story);
			ck_abort_msg("never came: %s", line);
		}
		fine(story);
	}
}

void
story_run_ms(struct story *story, int64_t ms)
{
	cluster_run(story->cluster, story->cluster->agenda.now_us + ms * 1000);
	fine(story);
}

void
story_drain(struct story *story)
{
	int64_t limit_us = story->cluster->agenda.now_us + PATIENCE_US;

	while (!cluster_drained(story->cluster, NULL)) {
		if (story->cluster->agenda.now_us > limit_us) {
			print_lines(story);
			cluster_drained(story->cluster, stdout);
			cluster_print(story->cluster, stdout);
			ck_abort_msg("not everything has ended");
		}
		story_run_ms(story, 100);
	}
}

void
story_expect(struct story *story, const char *lines)
{
	const char *at = lines;

	for (int i = 0; i < story->count || *at; i++) {
		size_t len = strcspn(at, "\n");

		if (i >= story->count || strlen(story->lines[i]) != len || strncmp(story->lines[i], at, len) != 0) {
			print_lines(story);
			ck_abort_msg("line %d is \"%s\", not \"%.*s\"", i + 1, i < story->count ? story->lines[i] : "", (int)len, at);
		}
		at += len + (at[len] == '\n');
	}
}

void
story_skip(struct story *story, const char *line)
{
	ck_assert_int_eq(story_count(story, line), 1);
	for (int i = 0; i < story->count; i++)
		if (strcmp(story->lines[i], line) == 0) {
			free(story->lines[i]);
			memmove(story->lines + i, story->lines + i + 1, (size_t)(--story->count - i) * sizeof *story->lines);
			break;
		}
	story->seen = story->count;
}

int
story_count(struct story *story, const char *line)
{
	int count = 0;

	for (int i = 0; i < story->count; i++)
		count += strcmp(story->lines[i], line) == 0;
	return count;
}

int
story_lines(const struct story *story)
{
	return story->count;
}

const char *
story_line(const struct story *story, int index)
{
	return index < story->count ? story->lines[index] : "";
}
