/*
 * invariant.h: what must be true of the tree at every zxid, and of the attempts at every moment (zkq-znodes(7)).
 * It looks at the transactions alone and knows nothing of the actors but which of them are dispatchers.
 */
#ifndef ZKQ_SIM_INVARIANT_H
#define ZKQ_SIM_INVARIANT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/node.h"
#include "core/record.h"
#include "ensemble.h"

struct invariant;

struct invariant *invariant_new(const char *root, const struct tree *tree);
void invariant_free(struct invariant *invariant);

/* After each transaction; from_dispatcher: who asked for it is one. */
void invariant_txn(struct invariant *invariant, const struct txn *txn, bool from_dispatcher);
/* The whole tree once more, from scratch. */
void invariant_scan(struct invariant *invariant);
/* First starts in the order of priority and place are demanded from now on, or no longer. */
void invariant_fifo(struct invariant *invariant, bool demanded);

/* An attempt's process starts and ends. */
void invariant_started(struct invariant *invariant, const struct node *claim, bool exclusive);
void invariant_ended(struct invariant *invariant, const struct node *claim);
/* It is started with this text: its time limit must be the one that the tree says. */
void invariant_text(struct invariant *invariant, const struct node *claim, const char *text);
/* Whether the task once had this priority. */
bool invariant_had_priority(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token,
    int priority);
/* Which classes are at most once; the others are as the starts say. */
void invariant_once(struct invariant *invariant, uint64_t class_hash);

/* NULL, or what was broken first. */
const char *invariant_broken(const struct invariant *invariant);
/* For anyone who finds something else broken. */
void invariant_break(struct invariant *invariant, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Serial number of the task ("S<number>" in its payload), in the order of first sight of other tokens; name:
 * "t17" or the token. For traces. */
const char *invariant_task_name(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token);
/* Whether the task with this serial was ever accepted; id may be NULL. */
bool invariant_accepted(const struct invariant *invariant, uint64_t serial, char id[64]);
/* Somebody is going to delete the task's znode with zkCli: it may be nowhere from now on. Writes its path; false when it
 * does not wait or run. */
bool invariant_by_hand(struct invariant *invariant, uint64_t serial, char *path, size_t size);
/* Id of a task whose result has once been there. */
bool invariant_has_result(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token);

/* Whether somebody has removed it: by hand, or with its queue. */
bool invariant_removed(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token);

struct invariant_counts {
	uint64_t accepted, results, dead, claims, revoked, refused, starts, segments, retention, moved, cancelled;
};

void invariant_counts(const struct invariant *invariant, struct invariant_counts *counts);

#endif
