/*
 * list.h: a list under way, for list.c, which gives live tasks, and ended.c, which gives results.
 */
#ifndef ZKQ_LIB_LIST_H
#define ZKQ_LIB_LIST_H

#include "lib/line.h"

/* A row that is given. */
struct shown {
	struct line_queue *queue;
	const struct line_row *row;
	uint64_t before;
	int class;		/* index of its class, when it waits */
	const char *json;	/* when it was read */
	size_t json_len;
	int64_t ctime_ms, claimed_ms;
	uint32_t runs;		/* of its retry record */
	bool suspect;
};

struct class_looked {
	const struct line_queue *queue;
	uint64_t hash;
	enum class_seen seen;
};

struct ended {
	struct task_id id;
	bool dead;
	const char *json;
	size_t json_len;
	int64_t ended_ms;
	struct rec_result result;
	bool bad;
};

struct list {
	struct query query;
	struct arena arena;	/* of the live tasks, then of one segment of results */
	struct scene scene;
	struct line line;
	zkq_info_fn *callback;
	/* what is wanted: */
	char queue[QUEUE_NAME_MAX + 1];	/* "" = all */
	char worker[WORKER_NAME_MAX + 1];
	char (*states)[16];
	int state_count;
	bool live, results, only_failed;
	int64_t since_ms;
	int limit, results_limit, newest;
	struct zkq_list_counts *counts;	/* the caller's, or NULL */
	int given, results_given;
	bool failed;
	/* live ones: */
	struct shown *shown;
	int shown_count, shown_room;
	struct class_looked *classes;
	int class_count, class_room;
	/* results of the queue in hand; of the newest those of all queues: */
	int queue_at;		/* the next one */
	const char *in;
	uint32_t *result_segments;	/* of done and dead, each once */
	int result_segment_count, result_segment_room, result_segment_at;
	struct ended *ended;
	int ended_count, ended_room;
};

/* The steps: those of the live tasks, then for each queue those of its results, segment by segment. */
enum list_step {
	LIST_PARTS, LIST_DETAILS, LIST_SEGMENTS, LIST_ROWS, LIST_LIVE,
	LIST_QUEUE, LIST_SEGMENT, LIST_RESULTS, LIST_ENDED, LIST_STEPS
};

/* ended.c */
query_step_fn list_ask_queue, list_ask_segment, list_ask_results, list_give_results;

/* list.c: room for one more element of array, NULL when memory runs out; gives an info; whether that state is wanted. */
void *list_grow(struct list *list, void *array, int count, int *room, size_t size);
void list_give(struct list *list, const struct zkq_info *info);
bool list_state_wanted(const struct list *list, const char *state);

#endif
