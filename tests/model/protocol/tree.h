/*
 * tree.h: ZooKeeper's part of the model. A multi is one step, so a tree function changes the tree at once.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_TREE_H
#define ZKQ_TESTS_MODEL_PROTOCOL_TREE_H

#include "setup.h"
#include "state.h"

/* The world at its beginning: an open segment, two registered workers, two candidates. */
void tree_init(struct state *state);

/* ---- segments ---- */
static inline bool tree_segment_there(enum segment s) { return s == SEGMENT_OPEN || s == SEGMENT_CLOSED; }
/* The highest segment that is there; -1: none. */
int tree_tail(const struct state *state);

/* ---- folders: one for each life of a worker ---- */
static inline int tree_folder(int worker, int life) { return worker * setup.lives + life - 1; }
static inline int tree_worker(int folder) { return folder / setup.lives; }
static inline int tree_life(int folder) { return folder % setup.lives + 1; }
static inline bool tree_has(const struct state *s, int folder, int flags) { return s->folder[folder].flags & flags; }
/* The life of the worker that has a live-<r>; 0: none. */
int tree_registered(const struct state *state, int worker);

/* ---- reports ---- */
bool tree_resolved(const struct state *state, int folder, int n);
bool tree_returned(const struct state *state, int folder, int n);
void tree_resolve(struct state *state, int folder, int n, bool returned);
/* The highest number that the report knows. */
int tree_highest_resolved(const struct state *state, int folder);

/* ---- claims ---- */
static inline struct claim claim_of(int folder, int n) { return (struct claim){ (uint8_t)(folder + 1), (uint8_t)n }; }
static inline int claim_folder(struct claim c) { return c.folder - 1; }
static inline bool claim_same(struct claim a, struct claim b) { return a.folder == b.folder && a.n == b.n; }
static inline bool claim_in(struct claim c, int folder) { return c.folder == folder + 1; }
/* Deletes the claim and the orders about it. */
void tree_unclaim(struct state *state, int task);
/* Writes the run of its claim into the retry record; before the claim goes. */
void tree_record_run(struct state *state, int task);

#endif
