/*
 * story.h: a deterministic cluster is led into a named situation; then its trace, the sequence of transactions and
 * starts in readable words, is compared with the expected lines.
 */
#ifndef ZKQ_SIM_STORY_H
#define ZKQ_SIM_STORY_H

#include <check.h>
#include <stdbool.h>

#include "cluster.h"

struct story;

/* conf: from story_conf(), perhaps changed. Runs until everybody has registered and a leader leads. */
void story_conf(struct cluster_conf *conf);
struct story *story_begin(const struct cluster_conf *conf);
/* Everything must be drained and nothing broken. */
void story_end(struct story *story);
struct cluster *story_cluster(struct story *story);
struct actor *story_actor(struct story *story, const char *name);
/* The dispatcher that leads, and one that does not. */
struct actor *story_leader(struct story *story);
/* Runs until this line has come (at once if it has come since the last call that returned): the moment of the commit,
 * before anyone has a reply. Fails after 10 virtual minutes. */
void story_until(struct story *story, const char *line);
void story_run_ms(struct story *story, int64_t ms);
/* Runs until nothing is left to do. */
void story_drain(struct story *story);
/* Makes the story forget the lines so far. */
void story_forget(struct story *story);
/* The lines since then are these, one string with '\n' behind each. Lines that begin with "d1:" or "d2:" begin
 * with "leader:" or "other:" by who led when the story was begun. */
void story_expect(struct story *story, const char *lines);
/* The line has come once; the story forgets it, wherever it stands. */
void story_skip(struct story *story, const char *line);
/* How often a line has come. */
int story_count(struct story *story, const char *line);
/* Number of lines, and the one at index. */
int story_lines(const struct story *story);
const char *story_line(const struct story *story, int index);

#endif
