/*
 * limits.h: every limit and default of the system, by name, with its reason.
 * zkq(7) and zkq-znodes(7) quote these numbers; change them together.
 */
#ifndef ZKQ_CORE_LIMITS_H
#define ZKQ_CORE_LIMITS_H

/* Names. The grammars are in codec/path.h. */
#define QUEUE_NAME_MAX 32	/* [a-z0-9][a-z0-9_-]* ; leaves room for id and claim names */
#define WORKER_NAME_MAX 64	/* a host name label, perhaps with a suffix */
#define INC_MAX 8		/* incarnation: exactly 8 of [a-z0-9], 41 bits, unique per worker name */
#define TOKEN_LEN 12		/* token of a single task: 12 of [a-z0-9], 62 bits */
#define TOKEN_MAX 16		/* a batch token: 12, 'x', index below 250 */
#define UUID_LEN 32		/* hex digits of a candidate's or a session's uuid */
#define INBOX_NAME_MAX 128	/* longer names in the inbox are set aside */
#define SHARD_SIZE 1000		/* inbox names per moved/<shard>; keeps each folder short */

/* Sizes. A request above 1,048,575 bytes is cut off by the server and looks like connection loss. */
#define PAYLOAD_DEFAULT_MAX (64 * 1024)		/* one task, as JSON */
#define PAYLOAD_HARD_MAX (512 * 1024)
#define BATCH_BYTES_MAX (64 * 1024)		/* one b.<batch> znode: a worker reads it whole */
#define REQUEST_BYTES_MAX 900000		/* one multi */
#define MULTI_TASKS_MAX 250			/* tasks in one multi */

/* Flow. */
#define REQUESTS_IN_FLIGHT_MAX 512	/* per process: below the server's global limit of 1,000 */
#define SUBMITS_IN_FLIGHT_MAX 2		/* submit multis of one process */
#define LIST_PAUSE_MIN_MS 2		/* between two listings of one folder: */
#define LIST_PAUSE_FACTOR 10		/* at least this many times the last one's duration, */
#define LIST_PAUSE_NAMES 1000		/* but listing so many names costs the ensemble about 0.2 ms, what took longer was waiting: */
#define LIST_PAUSE_NAMES_MS 20		/* a pause of this for each so many keeps the cost of listing below one in a hundred, */
#define LIST_PAUSE_MAX_MS 1000		/* and no longer: one answer that was late must not cost ten times as much again */

/* A leader numbers claims from its own candidate's sequence number times this on: a number of a claim that was
 * revoked stands neither in listing nor report, and must never be used again in that folder. */
#define CLAIMS_PER_LEADER 1000000000ULL

/* Queues. */
#ifndef SEGMENT_SIZE			/* tests/sim has shorter ones */
#define SEGMENT_SIZE 500		/* soft: a submitter that sees this sequence number rolls */
#endif
#define WAITING_DEFAULT_MAX 200000	/* per queue; 340-430 bytes of the ensemble's heap each */
#define CLASSES_MAX 1000		/* per queue; scheduling costs per class */
#define PRIORITY_MIN 0
#define PRIORITY_MAX 9			/* 9 first */
#define PRIORITY_DEFAULT 5

/* Retention of results, per queue. */
#define RETAIN_AGE_MS (24LL * 3600 * 1000)
#define RETAIN_COUNT 100000
#define RETAIN_BYTES (64LL * 1024 * 1024)
#define RETAIN_DEAD_AGE_MS (30LL * 24 * 3600 * 1000)
#ifndef RETAIN_DEAD_COUNT		/* tests/sim keeps fewer */
#define RETAIN_DEAD_COUNT 10000
#endif
#define KEY_TTL_MS (7LL * 24 * 3600 * 1000)

/* Sessions and leases; see core/lease.h. */
#define SESSION_TIMEOUT_MS 10000	/* rides out a rolling restart */
#define LOST_AFTER_MS 30000
#define RETURNED_LAST_MAX 256		/* returned claim numbers that a report lists */
#define LOSSES_FORGIVEN 1		/* a machine that goes down must not make its tasks run one at a time afterwards */
#define CRASH_LIMIT 5			/* losses of a worker while the task ran there as a suspect */

/* Tasks. */
#define TIME_LIMIT_NONE 0
#define KILL_GRACE_MS 30000
#define TAIL_DONE_BYTES 512		/* end of output in a result: a million results share a heap */
#define TAIL_OTHER_BYTES 4096
#define AHEAD_MAX 500			/* unstarted claims of one worker */
#define AHEAD_WORK_MS 1000		/* at most this much work waits at a worker */

#endif
