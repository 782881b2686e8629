/*
 * line.h: the live tasks of some queues, in the order in which they start, and why those that wait do. One listing per
 * segment; nothing is read per task.
 */
#ifndef ZKQ_LIB_LINE_H
#define ZKQ_LIB_LINE_H

#include "core/reason.h"
#include "lib/scene.h"

struct line_row {
	uint32_t seg;
	struct task_name name;
	const struct node *claim;	/* NULL = it waits */
	bool wished;			/* a request to cancel it is in the tree */
	bool retried;			/* a retry record is */
};

struct line_mark {
	uint32_t seg;
	char token[TOKEN_MAX + 1];
};

/* What tasks of one priority and suspicion can hope for, once asked for. */
struct line_hope {
	bool known;
	struct prospect prospect;
	uint64_t higher;
};

struct line_queue {
	char name[QUEUE_NAME_MAX + 1];
	bool there, paused;
	uint32_t *segments;
	int segment_count;
	uint32_t *wish_segments;
	int wish_segment_count;
	struct line_row *rows;
	int row_count, row_room;
	struct line_mark *wishes, *retries;
	int wish_count, wish_room, retry_count, retry_room;
	uint64_t waiting_at[PRIORITY_MAX + 1];
	struct line_hope hopes[PRIORITY_MAX + 1][2];
};

struct line {
	struct line_queue *queues;	/* in order of name */
	int count;
	int segments_max;	/* queues with more segments are not listed; 0 = all are */
	struct arena arena;
	bool denied;		/* a part may not be read */
	bool failed;		/* memory ran out */
};

/* The queues: those that are there, once the answer to line_plan_names() is taken, or those named. */
void line_plan_names(struct plan *plan);
bool line_name(struct line *line, const char *queue);	/* one more, once; false: memory ran out */
/* Then, each with the replies to the one before taken: */
void line_plan_queues(struct line *line, struct plan *plan);
void line_plan_segments(struct line *line, struct plan *plan);
void line_take(struct line *line, const struct reply *reply);
/* All were taken, and the scene is complete: ZKQ_OK or ZKQ_ENOMEM. */
int line_end(struct line *line, const struct scene *scene);
void line_free(struct line *line);

struct line_queue *line_queue(struct line *line, const char *queue);	/* NULL = not among them */
/* Waiting tasks of its priority that go before the row at index. */
uint64_t line_before(const struct line_queue *queue, int index);
/* Waiting tasks of a higher priority, of all queues read that share a worker with this one. */
uint64_t line_higher(const struct line *line, const struct scene *scene, const struct line_queue *queue, int priority);
/* Why a row does not run. before: line_before(). */
enum reason line_reason(struct line *line, const struct scene *scene, struct line_queue *queue, const struct line_row *row,
    uint64_t before, bool suspect, enum class_seen class_seen);
/* What the answer to a read of a class says. */
enum class_seen line_class(const struct reply *reply);

#endif
